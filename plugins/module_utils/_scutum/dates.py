# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times at Scutum's edge: Japan's, to the second (docs/vendors/scutum_waf.md 3.2).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt

from .._base.errors import OptionError

JAPAN = dt.timezone(dt.timedelta(hours=9))
"""Japan has no daylight saving time, so that a fixed offset is exact."""

_SECOND = dt.timedelta(seconds=1)


def whole_second(moment: dt.datetime) -> dt.datetime:
    """The time itself, or the next whole second.

    Records have whole seconds. So this moves no record over a bound, be it inclusive or exclusive.
    """
    return moment if not moment.microsecond else moment.replace(microsecond=0) + _SECOND


def japan_text(moment: dt.datetime) -> str:
    """An aware time as Scutum takes it: ``YYYY-MM-DDThh:mm:ss+09:00``. A literal Z is not known to work."""
    return whole_second(moment).astimezone(JAPAN).isoformat()


def parse(text: str, option: str) -> dt.datetime:
    """A date or time in any of the vendor's four forms, or another ISO 8601 one, as UTC to the second.

    What has no offset is Japan's: a bare date is midnight there, which is 15:00 UTC of the day before.

    Raises:
        OptionError: it is none of them; the message names the option.
    """
    try:
        moment = dt.datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=JAPAN)
        return whole_second(moment).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise OptionError(
            f"{option}: {text!r} is not a date or time.",
            hint="Give 2026-03-01T08:00:00+09:00, 2026-03-01T08:00:00, 2026-03-01 or 20260301;"
            " without an offset, Japan time is meant.",
        ) from None
