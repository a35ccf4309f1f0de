# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``event_filters``: checked here, because the service answers wrong syntax with HTTP 500.

This module is private to the collection and may change at any time.

See docs/vendors/edgecast_waf.md 3.2.
"""

from __future__ import annotations

import typing as t

from .._base.errors import OptionError

Filters = dict[str, t.Union[str, list[str]]]
"""Field name as the vendor shows it, to one value or several, of which one must match."""

_HINT = "Give an object such as {Host: [www.example.com, secure.example.com], Profile Name: My Profile}."


def check_filters(given: t.Any) -> Filters:
    """The filters of a task, numbers as text; empty for none.

    Raises:
        OptionError: anything but an object whose values are texts or lists of texts.
    """
    if not given:
        return {}
    if not isinstance(given, t.Mapping):
        raise OptionError("event_filters must be an object: field names with their values.", hint=_HINT)
    filters: Filters = {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.strip():
            raise OptionError("event_filters: the name of a field is empty.", hint=_HINT)
        if isinstance(value, (list, tuple)):
            if not value:
                raise OptionError(f"event_filters: {name} has an empty list.", hint=_HINT)
            filters[name] = [_text(name, item) for item in value]
        else:
            filters[name] = _text(name, value)
    return filters


def _text(name: str, value: t.Any) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise OptionError(f"event_filters: {name} needs a text that is not empty, or a list of such texts.", hint=_HINT)
