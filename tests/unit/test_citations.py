# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the vendors are cited from docs/vendors by section, and nothing is cited that a reader does not have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.sandbox.switches import SWITCHES
from tests.tools import citations

ROOT = Path(__file__).resolve().parents[2]
PAGE = "# A vendor\n\n## 1 The service\n\nSee 2.1 (2.1).\n\n## 2 Paging\n\n### 2.1 The cursor\n"
ROW = "| a question | 2.1 | `over_cap` |\n"
CODE = "plugins/module_utils/_qualys/client.py"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"docs/vendors/vendor.md": PAGE, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("rule", citations.RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: citations.Rule) -> None:
    assert rule(ROOT) == []


def test_there_is_a_page_for_each_vendor_and_one_for_collecting() -> None:
    rooms = {"qualys_was", "edgecast_waf", "scutum_waf", "indusface_was", "carbon_black"}
    assert set(citations.sections(ROOT)) == rooms | {"log_collection"}
    for page, numbers in citations.sections(ROOT).items():
        assert len(numbers) > 5, page


def test_sections_are_numbered_in_order_and_none_is_left_out() -> None:
    for page in (ROOT / citations.PAGES).glob("*.md"):
        chapter = part = 0
        for level, number in re.findall(r"^(##+) (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            chapter, part = (chapter + 1, 0) if level == "##" else (chapter, part + 1)
            assert number == (f"{chapter}.{part}" if part else str(chapter)), page.name


def test_every_room_of_a_vendor_cites_its_page() -> None:
    pages = {
        "_qualys": "qualys_was",
        "_edgecast": "edgecast_waf",
        "_scutum": "scutum_waf",
        "_indusface": "indusface_was",
        "_carbon_black": "carbon_black",
    }
    for room, own in pages.items():
        files = (ROOT / "plugins" / "module_utils" / room).rglob("*.py")
        cited = {page for file in files for page in re.findall(r"docs/vendors/(\w+)\.md \d", file.read_text("utf-8"))}
        assert own in cited, room
        assert cited <= {own, "log_collection"}, room


@pytest.mark.parametrize(
    ("cited", "fault"),
    [
        ("docs/vendors/vendor.md 2.1", ""),
        ("docs/vendors/vendor.md 1, 2.1", ""),
        ("docs/vendors/vendor.md 1 to 2.", ""),
        ("docs/vendors/vendor.md", ""),
        ("docs/vendors/vendor.md 3", "has no section 3"),
        ("docs/vendors/vendor.md 2.2", "has no section 2.2"),
        ("docs/vendors/vendor.md 1 and 2.2", "has no section 2.2"),
        ("docs/vendors/vendor.md 1 to 9", "has no section 9"),
        ("docs/vendors/other.md 1", "docs/vendors/other.md does not exist"),
    ],
)
def test_a_citation_names_a_section_that_exists(cited: str, fault: str, tmp_path: Path) -> None:
    root = tree(tmp_path, {CODE: f'"""Pages.\n\nSee {cited}.\n"""\n'})
    faults = citations.citations_name_sections_that_exist(root)
    assert [text.split(": ", 1)[0] for text in faults] == ([f"{CODE}:3"] if fault else [])
    assert all(text.endswith(fault) for text in faults)


@pytest.mark.parametrize(
    "name", [CODE, "roles/gate/README.md", "tests/unit/test_a.py", "docs/docsite/rst/a.rst", "README.md"]
)
def test_citations_are_checked_wherever_they_are(name: str, tmp_path: Path) -> None:
    root = tree(tmp_path, {name: "docs/vendors/vendor.md 7\n"})
    assert citations.citations_name_sections_that_exist(root) == [f"{name}:1: docs/vendors/vendor.md has no section 7"]


def test_a_page_refers_to_sections_that_it_has(tmp_path: Path) -> None:
    root = tree(tmp_path, {"docs/vendors/vendor.md": PAGE + "\nAs in the other part (2, 2.3).\n"})
    assert citations.pages_refer_to_their_own_sections(root) == ["docs/vendors/vendor.md:11: there is no section 2.3"]


@pytest.mark.parametrize(
    "cited",
    [
        "(sheet section 6.4)",
        "as sheet 2.3 says",
        "sheet sections 1 and 2",
        "the sheet's section 8",
        "# by the numbers of the sheet",
        "the Qualys fact sheet",
        "section 8, quirk 14",
        "../shared/DESIGN.md",
        "DESIGN.md section 1",
        "``apis/qualys-was.md``",
        "shared/vendor-docs/a.txt",
        "``log-collection-practice`` section 3",
    ],
)
def test_what_a_reader_does_not_have_is_not_cited(cited: str, tmp_path: Path) -> None:
    root = tree(tmp_path, {CODE: f"# Pages {cited}.\n"})
    assert citations.nothing_outside_is_cited(root)
    assert all(fault.startswith(f"{CODE}:1: cites ") for fault in citations.nothing_outside_is_cited(root))


@pytest.mark.parametrize(
    "text", ["RFC 5424 section 6.1", "a style sheet", "the shared budget", "https://example.org/apis/was"]
)
def test_what_only_looks_alike_is_no_citation(text: str, tmp_path: Path) -> None:
    assert citations.nothing_outside_is_cited(tree(tmp_path, {CODE: f"# {text}\n"})) == []


def test_a_sheet_of_a_workbook_is_no_fact_sheet(tmp_path: Path) -> None:
    name = "plugins/module_utils/_report/formats/xlsx_writer.py"
    assert citations.nothing_outside_is_cited(tree(tmp_path, {name: "# the sheet of findings\n"})) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (ROW, ""),
        (ROW.replace("over_cap", "no_such"), "the sandbox has no switch no_such"),
        (ROW.replace("2.1", "2.1, 5"), "there is no section 5"),
    ],
)
def test_an_open_question_names_its_switch_and_its_section(row: str, fault: str, tmp_path: Path) -> None:
    root = tree(tmp_path, {"docs/vendors/vendor.md": f"{PAGE}\n{row}"})
    assert [text.split(": ", 1)[1] for text in citations.open_questions_have_switches(root)] == (
        [fault] if fault else []
    )


def test_a_switch_without_a_question_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path, {"docs/vendors/vendor.md": f"{PAGE}\n{ROW}"})
    missing = {fault.split()[1] for fault in citations.switches_have_open_questions(root)}
    assert missing == set(SWITCHES) - citations.NO_QUESTION - {"over_cap"}
