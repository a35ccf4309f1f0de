# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the service; the emulator section of its sheet says how it behaves."""

from .room import Scutum, ScutumSettings

__all__ = ["Scutum", "ScutumSettings"]
