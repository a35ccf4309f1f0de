# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors after a write never quote what was sent as a secret."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError, VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.resource.withheld import withhold
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, webapp_options


@pytest.mark.parametrize(
    ("secret", "message", "expected"),
    [
        ("hunter22", "bad value hunter22.", "bad value VALUE_REDACTED."),
        ("x1", "bad value x1.", "bad value VALUE_REDACTED."),
        ("two\r\n words", "bad value two words.", "bad value two VALUE_REDACTED."),
        ("a<b>&long", "bad a&lt;b&gt;&amp;long.", "bad VALUE_REDACTED."),
        ("hunter22", "bad value hunter…", "bad value VALUE_REDACTED…"),
        ("hunter22", "bad value='hunter… said", "bad value='VALUE_REDACTED… said"),
        ("hunter22", "bad value hun…", "bad value hun…"),
        ("hunter22", "nothing in it", "nothing in it"),
        ("", "nothing to look for", "nothing to look for"),
    ],
)
def test_words_of_a_secret_are_taken_out(secret: str, message: str, expected: str) -> None:
    error = VendorError(message, hint=message)
    withhold(error, [secret])
    assert (error.message, error.hint, error.args) == (expected, expected, (expected,) if secret else (message,))


def test_what_led_to_the_error_is_cleaned_too() -> None:
    first, second = PerimeterError("has hunter22"), PerimeterError("also hunter22")
    second.__cause__ = ValueError("not ours")
    second.__cause__.__context__ = first
    first.__context__ = second
    withhold(second, ["hunter22"])
    assert "hunter22" not in first.message + second.message


@pytest.mark.parametrize(
    "options",
    [
        {"headers": ["Authorization: Bearer <td> kanarienvogel</td>"]},
        {"crawling_scripts": [{"name": "s", "data": "<td>\n kanarienvogel</td>", "regex": None}]},
    ],
    ids=lambda value: next(iter(value)),
)
def test_headers_and_scripts_of_a_web_application_are_not_quoted(sandbox: Sandbox, options: dict[str, Any]) -> None:
    message = "Bad: <td> kanarienvogel</td>"
    sandbox.faults.add(kind="response_code", code="INVALID_REQUEST", message=message, match={"route": "/update/"})
    with client_of(sandbox) as client, pytest.raises(VendorError, match="Bad: ") as caught:
        run(webapp_options(id=410001, **options), client, False)
    assert "kanarienvogel" not in str(caught.value)
