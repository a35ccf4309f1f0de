# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of this room."""

from __future__ import annotations

from tests.unit.plugins.module_utils.indusface_kit import alone, indusface

__all__ = ["alone", "indusface"]
