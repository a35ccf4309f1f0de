# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dates before the seed date, cheap to make by the ten thousand."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from ..clock import SEED_DATE


@lru_cache(maxsize=4096)
def _day(days_ago: int) -> str:
    # The seed date is a midnight, so "0 days ago" begins 24 hours before it.
    return (SEED_DATE - timedelta(days=days_ago + 1)).strftime("%Y-%m-%d")


@lru_cache(maxsize=65536)
def ago(days: int, minute: int = 0) -> str:
    """A time ``days`` before the seed date, at a minute (0 to 1439) of that day; never after the seed date."""
    minute %= 1440
    return f"{_day(days)}T{minute // 60:02d}:{minute % 60:02d}:{minute % 60:02d}Z"
