# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded inputs and outputs of the collection: what has to stay the same while its inside changes.

``python -m tests.recording --write`` records anew, into ``tests/recording/expected``; ``test_recording.py`` compares.
"""
