# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may stand in a message: one line of text that neither a terminal nor a CI system obeys."""

from __future__ import annotations

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._base.log_text import fit_for_message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe: 5 € (ü)", "Größe: 5 € (ü)"),
        ("a\x1b[31mred\x1b]0;title\x07", "a [31mred ]0;title "),
        ("a\r\nb\tc\x00\x7f\x9bd", "a b c d"),
        ("a\u2028b\u202ec\u2066d\ud800e", "a b c d e"),
        ("x ##vso[task.setvariable variable=a]b", "x #\\x23vso[task.setvariable variable=a]b"),
        ("##[error]x ##VSO[y ##teamcity[z", "#\\x23[error]x #\\x23VSO[y #\\x23teamcity[z"),
        ("::error::x", ":\\x3aerror::x"),
        ("a ::add-mask file=a,line=1::b", "a :\\x3aadd-mask file=a,line=1::b"),
        ("a\n::stop-commands::b", "a :\\x3astop-commands::b"),
        # What only looks like it.
        ("http://[::1]:80 answered.", "http://[::1]:80 answered."),
        ("Foo::Bar::baz and issue ##5", "Foo::Bar::baz and issue ##5"),
    ],
)
def test_a_message_is_one_line_that_nothing_obeys(text: str, shown: str) -> None:
    assert fit_for_message(text) == shown
    error = VendorError(f"{text}", hint=text, code=text)
    assert (error.message, error.hint, error.code, error.args) == (shown, shown, shown, (shown,))


def test_an_error_without_a_code_has_none() -> None:
    assert VendorError("No.").code is None
