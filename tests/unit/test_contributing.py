# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CONTRIBUTING.md shows the folders as they are, and what it says about where a thing is leads to a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins" / "module_utils"
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LAYOUT = PAGE.partition("```\nplugins/modules/")[2].partition("```")[0].splitlines()
WHERE = dict(re.findall(r"(?m)^\| (.+?) \| (.*`.+`.*) \|$", PAGE.partition("| task | place |")[2].partition("\n\n")[0]))


def shown_rooms(lines: list[str]) -> dict[str, set[str]]:
    """The folders that a layout names in each room."""
    rooms: dict[str, set[str]] = {}
    inside: list[str] = []
    for line in lines:
        if line.startswith("  _"):
            inside = re.findall(r"(?<!\S)_\w+", re.split(r"(?<=\w) {3,}(?!_)", line)[0])
        elif not line.startswith("    "):
            inside = []
        for room in inside:
            rooms.setdefault(room, set()).update(re.findall(r"(?<!\S)(\w+)/(?=\s|$)", line))
    return rooms


def folders_in(path: Path) -> set[str]:
    return {item.name for item in path.iterdir() if item.is_dir() and item.name != "__pycache__"}


def test_the_layout_has_every_room_and_every_folder_in_it() -> None:
    present = {room: folders_in(UTILS / room) for room in folders_in(UTILS)}
    assert shown_rooms(LAYOUT) == present
    assert shown_rooms([line.replace("collect/", "collecting/") for line in LAYOUT]) != present
    assert shown_rooms([line for line in LAYOUT if not line.startswith("  _lake")]) != present


def test_the_folders_of_the_repository_are_there() -> None:
    named = [
        name for line in LAYOUT if not line.startswith(" ") for name in re.findall(r"(?<!\S)[\w/-]+/[\w/-]*", line)
    ]
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("places", WHERE.values(), ids=WHERE)
def test_what_is_asked_for_leads_to_a_file(places: str) -> None:
    names = re.findall(r"`([\w/.]+)`", places)
    assert names
    assert [name for name in names if not (UTILS / name).exists()] == []


ANSWERS = {
    "map a field of a vendor's record": ("_scutum/fields.py", "FIELDS"),
    "decide about a retry": ("_http/retry.py", "def decide"),
    "move a baseline": ("_gate/policy/baseline_file.py", "def save"),
    "write SARIF": ("_report/formats/sarif_writer.py", "class SarifWriter"),
}


@pytest.mark.parametrize("question", ANSWERS)
def test_the_questions_of_a_newcomer_are_answered(question: str) -> None:
    name, does = ANSWERS[question]
    assert f"`{name}`" in WHERE[question]
    assert does in (UTILS / name).read_text(encoding="utf-8")
