# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the service, as docs/vendors/scutum_waf.md describes it."""

from .room import Scutum, ScutumSettings

__all__ = ["Scutum", "ScutumSettings"]
