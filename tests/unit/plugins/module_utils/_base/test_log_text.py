# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be printed: one line of text that neither a terminal nor a CI system obeys."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.log_text import (
    fit_for_message,
    short,
    without_workflow_marks,
)

COMMANDS = {
    "azure": "##vso[task.setvariable variable=a]b",
    "azure, a line of the log": "##[error]b",
    "azure, in capitals": "##VSO[task.complete result=Succeeded;]",
    "teamcity": "##teamcity[buildStatus status='SUCCESS']",
    "github": "::error::b",
    "github, with properties": "::add-mask file=a,line=1::b",
    "github, with a colon in a property": "::error file=C:\\a,line=1::b",
    "github, from here on nothing is a command": "::stop-commands::b",
    "github, a word that was chosen for going on": "::a_1.b::",
    "gitlab": "section_start:1560896352:a[collapsed=true]\r\x1b[0Kb",
    "gitlab, the end": "section_end:1560896352:a\r\x1b[0K",
    "jenkins": "\x1b[8mha:////4AAAA\x1b[0mb",
    "a terminal": "\x1b]0;title\x07",
    "a terminal, in one character": "\x9b31mb",
}
OBEYED = re.compile(
    r"##[a-z]*\[|(?:^|\s)::[^\n]*?::|section_(?:start|end):\d+:|[\x00-\x1f\x7f-\x9f\u2028\u2029\u202e]", re.IGNORECASE
)
"""Said once more, and not in the words of the code."""


@pytest.mark.parametrize("before", ["", "b ", "a\n", "a\u2028", "1: a\r\n\t"], ids=repr)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_ci_system_finds_its_command(before: str, command: str) -> None:
    assert OBEYED.search(before + command)
    assert not OBEYED.search(fit_for_message(before + command))
    assert not OBEYED.search(short(before + command))


@given(st.text(st.sampled_from("#:[]\n\r\x1b\x9b avsotecmiy_starend12"), max_size=60))
def test_no_text_becomes_a_command(text: str) -> None:
    assert not OBEYED.search(fit_for_message(text))
    # What is fit stays as it is, also when two places make it so.
    assert fit_for_message(fit_for_message(text)) == fit_for_message(text)


def test_lines_of_evidence_stay_lines() -> None:
    assert without_workflow_marks("a\n::error::b\n##[x\n") == "a\n:\\x3aerror::b\n#\\x23[x\n"


@pytest.mark.parametrize(
    "text",
    [
        "Größe: 5 € (ü)",
        "http://[::1]:80 answered.",
        "Foo::Bar::baz and issue ##5",
        "fe80::1 and ::1",
        "section_start is a word",
        "می‌خواهم 👩‍💻",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert fit_for_message(text) == without_workflow_marks(text) == text


def test_a_long_text_is_cut() -> None:
    assert short("a" * 300) == "a" * 300
    assert short("a" * 301) == "a" * 299 + "…"
    assert len(short("::a::" * 100, 20)) == 20
