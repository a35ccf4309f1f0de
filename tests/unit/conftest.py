# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Property tests try the same examples in each run, so that a run does not fail by chance; ``random`` tries others."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile("random" if os.environ.get("PERIMETER_FAULT_SEED") == "random" else "fixed")
