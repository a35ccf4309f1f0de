# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the service, as docs/vendors/indusface_was.md describes it."""

from .room import Indusface, IndusfaceSettings

__all__ = ["Indusface", "IndusfaceSettings"]
