# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of citations of docs/vendors, as functions that return the problems.

Each takes the root of a repository and returns one sentence per problem, with the file and the line.
``tests/unit/test_citations.py`` runs them on this repository, and on small broken trees to show that they work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.sandbox.switches import SWITCHES

PAGES = Path("docs", "vendors")
FOLDERS = (".ci", "changelogs", "docs", "meta", "playbooks", "plugins", "roles", "tests")
TEXTS = frozenset({"", ".cfg", ".ini", ".j2", ".json", ".md", ".py", ".rst", ".sh", ".toml", ".txt", ".yaml", ".yml"})
"""Suffixes of the files that are searched."""
OWN = ("tests/tools/citations.py", "tests/unit/test_citations.py")
"""Files that contain the forbidden forms in order to search for them."""

_NUMBER = r"\d+(?:\.\d+)*"
_CITATION = re.compile(rf"docs/vendors/(\w+)\.md(?: ({_NUMBER}(?:(?:, | and | to ){_NUMBER})*))?")
_HEADING = re.compile(rf"^(#{{2,3}}) ({_NUMBER}) \S", re.MULTILINE)
_OWN_SECTION = re.compile(rf"\(({_NUMBER}(?:, {_NUMBER})*)\)")
_SWITCH_ROW = re.compile(r"^\| [^|]+ \| ([\d., ]+) \| (`\w+`(?:, `\w+`)*) \|$", re.MULTILINE)
FORBIDDEN: dict[str, re.Pattern[str]] = {
    "a directory beside the repository": re.compile(r"(?<![\w/])(?:\.\./)?shared/|(?<![\w/.-])apis/[\w*-]+\.md"),
    "a fact sheet": re.compile(
        r"\bsheets?(?:'s)? (?:sections? )?\d|\b(?:the|a|its|fact|vendor|Qualys) sheet\b(?!s)", re.I
    ),
    "a page that is not in the repository": re.compile(r"\bDESIGN\.md\b|\blog-collection-practice\b"),
    "a numbered quirk": re.compile(r"\bquirk \d", re.I),
}
"""Sources that no file may cite, because its reader only has the repository."""

TABLES_OF_A_WORKBOOK = ("xlsx", "docs/docsite/rst/findings_and_reports.rst", "plugins/modules/report.py")
"""Parts of the paths of files in which a sheet means one in a workbook."""
NO_QUESTION = frozenset(
    {
        *("progress", "clock", "gzip", "qualysdk_readable"),
        *("scan_polls", "scan_seconds", "cancel_polls", "cancel_seconds"),
        *("retest_polls", "retest_seconds", "retest_outcome", "report_polls", "report_seconds", "report_outcome"),
    }
)
"""Switches that control a test and do not answer an open question about a service."""

Rule = Callable[[Path], list[str]]


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """The text files of a repository: their paths from its root, and their content."""
    candidates = [path for path in root.iterdir() if path.is_file()]
    for folder in FOLDERS:
        candidates += (root / folder).rglob("*")
    for path in sorted(candidates):
        name = path.relative_to(root).as_posix()
        if path.suffix in TEXTS and path.is_file() and "__pycache__" not in path.parts and name not in OWN:
            yield name, path.read_text(encoding="utf-8", errors="replace")


def line_of(text: str, position: int) -> int:
    """The number of the line that contains a position."""
    return text.count("\n", 0, position) + 1


def sections(root: Path) -> dict[str, set[str]]:
    """The numbers of the sections of each page."""
    pages = (root / PAGES).glob("*.md")
    return {page.stem: {found[2] for found in _HEADING.finditer(page.read_text(encoding="utf-8"))} for page in pages}


def citations_name_sections_that_exist(root: Path) -> list[str]:
    """Every ``docs/vendors/PAGE.md`` is a page, and the sections cited after it are sections of that page."""
    known = sections(root)
    faults = []
    for name, text in texts(root):
        for found in _CITATION.finditer(text):
            page, cited = found[1], re.findall(_NUMBER, found[2] or "")
            where = f"{name}:{line_of(text, found.start())}"
            if page not in known:
                faults.append(f"{where}: docs/vendors/{page}.md does not exist")
                continue
            faults += [
                f"{where}: docs/vendors/{page}.md has no section {one}" for one in cited if one not in known[page]
            ]
    return faults


def pages_refer_to_their_own_sections(root: Path) -> list[str]:
    """A number in parentheses on a page, such as ``(12.2)``, or in its tables, is a section of the page."""
    faults = []
    for page, own in sections(root).items():
        text = (root / PAGES / f"{page}.md").read_text(encoding="utf-8")
        for found in _OWN_SECTION.finditer(text):
            where = f"{PAGES.as_posix()}/{page}.md:{line_of(text, found.start())}"
            faults += [f"{where}: there is no section {one}" for one in found[1].split(", ") if one not in own]
    return faults


def nothing_outside_is_cited(root: Path) -> list[str]:
    """No file cites a source that its reader does not have."""
    faults = []
    for name, text in texts(root):
        for what, pattern in FORBIDDEN.items():
            if what == "a fact sheet" and any(part in name for part in TABLES_OF_A_WORKBOOK):
                continue
            faults += [f"{name}:{line_of(text, found.start())}: cites {what}" for found in pattern.finditer(text)]
    return faults


def open_questions_have_switches(root: Path) -> list[str]:
    """The last section of a page only names switches that the sandbox has, and sections that the page has."""
    faults = []
    for page, own in sections(root).items():
        text = (root / PAGES / f"{page}.md").read_text(encoding="utf-8")
        for row in _SWITCH_ROW.finditer(text):
            where = f"{PAGES.as_posix()}/{page}.md:{line_of(text, row.start())}"
            cited = row[1].split(", ")
            faults += [f"{where}: there is no section {one}" for one in cited if one not in own]
            named = re.findall(r"`(\w+)`", row[2])
            faults += [f"{where}: the sandbox has no switch {one}" for one in named if one not in SWITCHES]
    return faults


def switches_have_open_questions(root: Path) -> list[str]:
    """Each switch of the sandbox that answers an open question is on a page."""
    said: set[str] = set()
    for page in (root / PAGES).glob("*.md"):
        for row in _SWITCH_ROW.finditer(page.read_text(encoding="utf-8")):
            said.update(re.findall(r"`(\w+)`", row[2]))
    return [f"tests/sandbox/switches.py: {name} is on no page" for name in SWITCHES if name not in said | NO_QUESTION]


RULES: tuple[Rule, ...] = (
    citations_name_sections_that_exist,
    pages_refer_to_their_own_sections,
    nothing_outside_is_cited,
    open_questions_have_switches,
    switches_have_open_questions,
)
