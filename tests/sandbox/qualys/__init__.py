# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Qualys Web Application Scanning, as docs/vendors/qualys_was.md describes it."""

from __future__ import annotations

from .room import Qualys
from .state import State
from .world import QualysSettings

__all__ = ["Qualys", "QualysSettings", "State"]
