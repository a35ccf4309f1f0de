# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath over results, inside the module, so that only the selected data is passed to the play.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import traceback
import typing as t

from .._base.errors import MissingLibrary, OptionError

try:
    import jmespath
    from jmespath.functions import Functions
except ImportError:
    JMESPATH_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    JMESPATH_IMPORT_ERROR = None


class Query:
    """A JMESPath expression. It is compiled immediately, so that an invalid one fails before any request.

    Args:
        expression: the expression; None selects everything.
        option: the option that gave the expression, for messages.

    Raises:
        OptionError: the expression is not JMESPath, or calls an unknown function.
        MissingLibrary: jmespath is not installed.
    """

    def __init__(self, expression: str | None, option: str = "query") -> None:
        self._option = option
        self._compiled = _compile(expression, option) if expression else None

    def __call__(self, records: t.Any) -> t.Any:
        """Return what the expression selects.

        Raises:
            OptionError: a function of the expression cannot be applied to the data.
        """
        if self._compiled is None:
            return records
        try:
            return self._compiled.search(records)
        except ValueError as error:
            # jmespath's errors are ValueErrors; a few others are not wrapped, such as the one for a slice with step 0.
            raise OptionError(
                f"{self._option}: {_one_line(error)}.", hint="The expression is applied to the list."
            ) from error


def _compile(expression: str, option: str) -> t.Any:
    if JMESPATH_IMPORT_ERROR is not None:
        raise MissingLibrary("jmespath", JMESPATH_IMPORT_ERROR)
    try:
        compiled = jmespath.compile(expression)
        _check_functions(compiled.parsed)
    except jmespath.exceptions.JMESPathError as error:
        raise OptionError(
            f"{option}: {_one_line(error)}.", hint="See https://jmespath.org for the language."
        ) from error
    return compiled


def _check_functions(node: t.Mapping[str, t.Any]) -> None:
    """Refuse an unknown function, which jmespath itself detects only when it calls the function.

    Raises:
        jmespath.exceptions.UnknownFunctionError: the function does not exist.
    """
    if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
        raise jmespath.exceptions.UnknownFunctionError(f"Unknown function: {node['value']}()")
    for child in node["children"]:
        if isinstance(child, dict):  # those of a slice are numbers
            _check_functions(child)


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(" .:") if str(error) else type(error).__name__
