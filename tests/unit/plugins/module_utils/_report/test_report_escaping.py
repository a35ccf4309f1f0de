# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attack payloads stay text in every format."""

from __future__ import annotations

import csv
import functools
import html.parser
import io
import json
import re
import typing as t

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.log_text import without_workflow_marks
from ansible_collections.appsec.perimeter.plugins.module_utils._report import text
from ansible_collections.appsec.perimeter.plugins.module_utils._report.cells import safe_cell
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures import collect
from ansible_collections.appsec.perimeter.plugins.module_utils._report.formats import csv_writer, markdown_writer
from ansible_collections.appsec.perimeter.plugins.module_utils._report.html import assets
from ansible_collections.appsec.perimeter.plugins.module_utils._report.html import writer as html_writer
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.model import ReportInput
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.read import FindingList
from ansible_collections.appsec.perimeter.plugins.module_utils._report.writers import WRITERS, write_text
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory

HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
COMMAND = re.compile(r"^\s*::|##vso\[|##\[", re.IGNORECASE)
COMMANDS = ("github_annotations", "azure_annotations")
"""Formats that are made of workflow commands; that they hold none but ours is tested in test_report_formats.py."""
ANY_TEXT = st.one_of(
    st.text(alphabet=st.characters(), max_size=60),
    st.sampled_from(factory.PAYLOADS),
    st.lists(
        st.sampled_from(["<", ">", "&", '"', "'", "|", "`", "\\", "@a", "::", "##[", "=", "\n", "\r", "]]", "x"])
    ).map("".join),
)
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def and_every_payload(test: t.Any) -> t.Any:
    """Try all payloads beside the texts that hypothesis makes."""
    for payload in factory.PAYLOADS:
        test = example(payload)(test)
    return test


def report_of(findings: list[factory.Record], **more: t.Any) -> ReportInput:
    options: dict[str, t.Any] = {"title": "Report", "generated": factory.NOW} | more
    return collect.build(FindingList(findings), **options)


def render(name: str, report: ReportInput) -> str:
    stream = io.StringIO(newline="")
    write_text(name, report, stream)
    return stream.getvalue()


class Shape(html.parser.HTMLParser):
    """Tags with the names of their attributes, and the text of the script elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _value in attrs)))
        self.addresses += [
            value or "" for name, value in attrs if name in ("href", "src", "action", "data", "xlink:href")
        ]
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data
        else:
            self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment appeared: {data}")


@functools.cache
def harmless_shape() -> Shape:
    """The page that others are compared with."""
    return shape_of(render("html", poisoned_report("harmless")))


def shape_of(page: str) -> Shape:
    shape = Shape()
    shape.feed(page)
    shape.close()
    return shape


def island(page: str) -> list[dict[str, t.Any]]:
    """The findings as the page's script sees them."""
    data = json.loads(shape_of(page).scripts[0])
    words = set(data["words"])
    return [
        {
            name: data["dictionary"][value] if name in words else value
            for name, value in zip(data["columns"], row, strict=True)
        }
        for row in data["rows"]
    ]


def poisoned_report(payload: str) -> ReportInput:
    ignored = dict.fromkeys(("reason", "by", "at", "until", "comment"), payload)
    findings = [factory.poisoned(payload), factory.poisoned(payload, id=f"x{payload}", ignored=ignored)]
    webapps = [{"id": payload, "name": payload, "last_scan": None}, {"id": "2", "name": payload}]
    return report_of(findings, title=payload, webapps=webapps, notes=[payload])


@SLOW
@and_every_payload
@given(ANY_TEXT)
def test_html_has_the_same_elements_whatever_the_text(payload: str) -> None:
    plain, hostile = harmless_shape(), shape_of(render("html", poisoned_report(payload)))
    # An empty text leaves whole parts out; every other text gives exactly the elements of a harmless one.
    if payload.strip():
        assert hostile.tags == plain.tags
    assert {tag for tag, _names in hostile.tags} <= {tag for tag, _names in plain.tags}
    assert all(address.startswith("#") or address == "data:," for address in hostile.addresses)
    assert len(hostile.scripts) == 3
    assert hostile.scripts[2] == assets.text("report.js")


@SLOW
@and_every_payload
@given(ANY_TEXT)
def test_the_json_island_gives_the_text_back(payload: str) -> None:
    page = render("html", report_of([factory.poisoned(payload)]))
    row = island(page)[0]
    assert row["title"] == text.line(payload, 500) or not payload
    assert row["url"] == text.line(text.clip(payload, 4096), 1000)
    for script in shape_of(page).scripts[:2]:
        assert not set(script) & set("<>&\u2028\u2029")
        assert script.isascii()


@SLOW
@given(ANY_TEXT)
def test_json_keeps_the_text_exactly(payload: str) -> None:
    found = json.loads(render("json", report_of([factory.poisoned(payload)])))["findings"][0]
    assert found["title"] == (text.clip(payload, 4096) or None)
    assert found["evidence"][0]["response"] == (text.clip(payload, 8192))


@SLOW
@given(ANY_TEXT)
def test_csv_reads_back_as_visible_text_without_formulas(payload: str) -> None:
    content = render("csv", report_of([factory.poisoned(payload)]))
    rows = list(csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline="")))
    assert len(rows) == 2
    assert len(rows[1]) == len(csv_writer.COLUMNS)
    row = dict(zip(rows[0], rows[1], strict=True))
    shown = without_workflow_marks(text.visible(text.clip(payload, 4096)))
    assert row["title"] in (shown, f"'{shown}")
    for cell in rows[1]:
        assert not re.match(r"[\s\"'`]*[=+\-@]", cell) or cell.startswith("'")


@SLOW
@given(ANY_TEXT)
def test_markdown_keeps_its_structure(payload: str) -> None:
    content = render("markdown", poisoned_report(payload))
    starts = (
        "| ",
        "- ",
        "> ",
        "# ",
        "## ",
        "Left out",
        "No previous",
        "Severity decides",
        "**",
        "Never scanned",
        "1 ",
        "2 ",
    )
    for line in content.removesuffix("\n").split("\n"):
        assert not line or line.startswith(starts), line
        assert "<" not in line
        assert not re.search(r"&(?!(#\d+|amp|lt|gt);)", line)
        assert not re.search(r"(?<!\\)[\[\]]", line)
        assert "://" not in re.sub(r"`[^`]*`", "", line)
        assert not re.search(r"@\w", line)
    width = {row.count("|") for row in content.split("\n") if row.startswith("| ") and "harmless" not in row}
    plain = render("markdown", poisoned_report("harmless"))
    assert width == {row.count("|") for row in plain.split("\n") if row.startswith("| ")} or not payload.strip()


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in COMMANDS])
def test_no_hidden_characters_and_no_workflow_commands(name: str) -> None:
    content = render(name, report_of(factory.hostile_findings(), title="::error::\x1b[1m ##vso[x]")).removeprefix(
        "\ufeff"
    )
    lines = content.replace("\r\n", "\n").split("\n")
    if name == "html":
        # The script names the characters that it must name; its text is ours.
        lines = content.replace(assets.text("report.js"), "").split("\n")
    for line in lines:
        assert not HIDDEN.search(line), line[:200]
        assert not COMMAND.search(line), line[:200]
    assert "\r" not in content.replace("\r\n", "")
    content.encode("utf-8")


def test_visible_escapes_are_readable() -> None:
    assert text.visible("a\x1b[31m\u202eb\r\n\t\ud800\U000e0041") == "a\\x1b[31m\\u202eb\\r\\n\\t\\ud800\\U000e0041"
    assert text.visible("日本語 🙂\u00a0é") == "日本語 🙂\u00a0é"
    assert text.visible_block("a\r\nb\tc\x1b\r") == "a\nb\tc\\x1b\\r"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\t=1", "'\\t=1"),
        ("\rx", "'\\rx"),
        ("  =1", "'  =1"),
        ('"=1', "'\"=1"),
        ("\uff1d1", "'\uff1d1"),
        ("plain - text", "plain - text"),
        ("a##vso[x]", "a#\\x23vso[x]"),
        ("", ""),
    ],
)
def test_cells(value: str, cell: str) -> None:
    assert safe_cell(value) == cell


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("a|b", "a&#124;b"),
        ("`x`", "\\`x\\`"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("[a](b)", "\\[a\\]\\(b\\)"),
        ("hi @octocat", "hi @&#8203;octocat"),
        ("see #12", "see \\#&#8203;12"),
        ("https://x.example", "https:&#8203;//x.example"),
        ("www.x.example", "www&#8203;.x.example"),
        ("a\nb", "a\\\\nb"),
    ],
)
def test_markdown_escapes(value: str, escaped: str) -> None:
    assert markdown_writer.escape(value) == escaped


def test_code_spans_hold_only_plain_text() -> None:
    assert markdown_writer.code("https://a.example/x?y=1") == "`https://a.example/x?y=1`"
    assert "`" not in markdown_writer.code("a|b")
    assert markdown_writer.code("a`b") == "a\\`b"


def test_the_policy_names_exactly_our_style_and_script() -> None:
    page = render("html", report_of([factory.finding()]))
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    wanted = html_writer.content_security_policy(assets.text("report.css"), assets.text("report.js"))
    assert policy[1].replace("&#39;", "'") == wanted
    assert "unsafe" not in wanted
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page.split("<script", 1)[0])


def test_the_script_never_makes_markup_of_text() -> None:
    script = assets.text("report.js")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "</script"):
        assert word not in script


def test_evidence_is_clipped_and_the_rest_is_counted() -> None:
    items = [factory.evidence(response="r" * 9000) for _number in range(5)]
    page = render("html", report_of([factory.finding(evidence=items)]))
    entry = json.loads(shape_of(page).scripts[1])[0]
    assert entry["total"] == 5
    assert len(entry["items"]) == html_writer.EVIDENCE_ITEMS
    shown = dict(entry["items"][0])["Response"]
    assert shown.startswith("r" * html_writer.EVIDENCE_CHARACTERS + "… [")


def test_evidence_beyond_the_budget_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_writer, "EVIDENCE_BUDGET", 1500)
    findings = [factory.finding(number, evidence=[factory.evidence()]) for number in range(6)]
    marks = [row["evidence"] for row in island(render("html", report_of(findings)))]
    assert marks[0] == 1
    assert marks[-1] == -1
