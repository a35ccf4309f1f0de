# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options that may come from environment variables, which are read when the module runs.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._base.errors import OptionError

Way = tuple[str, ...]
"""Names of the options that belong together, such as ``("username", "password")``."""


def with_environment(
    params: t.Mapping[str, t.Any],
    environ: t.Mapping[str, str],
    variables: t.Mapping[str, str],
    alternatives: t.Iterable[tuple[Way, Way]] = (),
) -> dict[str, str | None]:
    """Return the connection options, with those that the task omits taken from the environment.

    Args:
        params: options of the task; None and empty text count as not given.
        environ: environment variables.
        variables: option name to the name of its environment variable.
        alternatives: pairs of groups of options that exclude each other. When the task gives an option of one group,
            the environment variables of the other group are ignored.
    """
    given = {name: params.get(name) or None for name in variables}
    merged = {name: value or environ.get(variables[name]) or None for name, value in given.items()}
    for one, other in alternatives:
        for chosen, silenced in ((one, other), (other, one)):
            if any(given[name] for name in chosen):
                merged |= {name: given[name] for name in silenced}
    return merged


def require(options: t.Mapping[str, str | None], name: str, variables: t.Mapping[str, str], hint: str = "") -> str:
    """Return the value of a required option.

    Raises:
        OptionError: the option is missing; the message names it and its environment variable.
    """
    value = options.get(name)
    if not value:
        raise OptionError(f"{name} is missing.", hint=f"Give {name}, or set {variables[name]}. {hint}".strip())
    return value
