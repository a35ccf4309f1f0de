# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Qualys Web Application Scanning, as its fact sheet describes it."""

from __future__ import annotations

from .room import Qualys
from .state import State
from .world import QualysSettings

__all__ = ["Qualys", "QualysSettings", "State"]
