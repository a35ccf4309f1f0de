# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the service, as docs/vendors/carbon_black.md describes it."""

from .room import CarbonBlack, CarbonBlackSettings

__all__ = ["CarbonBlack", "CarbonBlackSettings"]
