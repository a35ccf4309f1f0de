# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for the service, as docs/vendors/edgecast_waf.md describes it."""

from .room import Edgecast, EdgecastSettings

__all__ = ["Edgecast", "EdgecastSettings"]
