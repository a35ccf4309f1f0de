# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the house hold in this collection, and each of them bites on a tree that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.tools import house_rules

ROOT = Path(__file__).resolve().parents[2]
HEADER = f"{house_rules.COPYRIGHT}\n{house_rules.SPDX}\n"
FRAGMENT = '''
class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  idempotent:
    support: full
"""
    ACTIONGROUP_QUALYS = r"""
attributes:
  action_group:
    membership: [appsec.perimeter.all, appsec.perimeter.qualys]
"""
'''
GPL = "# GNU General Public License v3.0+\n"
MODULE = '''
DOCUMENTATION = r"""
module: NAME
version_added: 1.0.0
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys import webapp


def main() -> None:
    run(webapp)


if __name__ == "__main__":
    main()
'''
Rule = Callable[[Path], list[str]]


@pytest.mark.parametrize("rule", house_rules.RULES, ids=lambda rule: rule.__name__)
def test_the_collection_keeps_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


def test_the_collection_has_something_to_check() -> None:
    assert list(house_rules.room_files(ROOT))
    assert house_rules.python_files(ROOT / "plugins" / "modules")
    assert house_rules.python_files(ROOT / "tests" / "sandbox")


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small collection that keeps every rule."""
    utils = "plugins/module_utils"
    write(tmp_path, "plugins/modules/qualys_a.py", HEADER + GPL + MODULE.replace("NAME", "qualys_a"))
    write(tmp_path, f"{utils}/_module/runner.py", HEADER + "from ansible.module_utils.basic import AnsibleModule\n")
    write(tmp_path, f"{utils}/_qualys/webapp.py", HEADER + "from .._http import session\nfrom . import client\n")
    write(tmp_path, f"{utils}/_qualys/client.py", HEADER + "import json\n")
    write(tmp_path, f"{utils}/_http/session.py", HEADER + "try:\n    import requests\nexcept ImportError:\n    pass\n")
    write(tmp_path, "plugins/doc_fragments/_attributes.py", HEADER + FRAGMENT)
    write(tmp_path, "tests/sandbox/app.py", HEADER + "from . import server\n")
    write(tmp_path, "meta/runtime.yml", "action_groups:\n  all: [qualys_a]\n  qualys: [qualys_a]\n")
    return tmp_path


def test_a_good_house_has_no_violation(house: Path) -> None:
    assert [problem for rule in house_rules.RULES for problem in rule(house)] == []


UTILS = "plugins/module_utils"
ABSOLUTE = "from ansible_collections.appsec.perimeter.plugins.module_utils"

BREACHES: list[tuple[Rule, str, str, str]] = [
    (house_rules.rooms_are_private_and_known, f"{UTILS}/helpers/a.py", "", "not a room"),
    (
        house_rules.imports_point_one_way,
        f"{UTILS}/_http/a.py",
        "from .._qualys import client",
        "must not import _qualys",
    ),
    (
        house_rules.imports_point_one_way,
        f"{UTILS}/_scutum/a.py",
        f"{ABSOLUTE}._qualys.client import C",
        "not import _qualys",
    ),
    (
        house_rules.imports_point_one_way,
        f"{UTILS}/_report/a.py",
        "from .._gate.policy import P",
        "must not import _gate",
    ),
    (
        house_rules.imports_point_one_way,
        f"{UTILS}/_qualys/a.py",
        "from .._module import runner",
        "must not import _module",
    ),
    (
        house_rules.imports_point_one_way,
        f"{UTILS}/_module/a.py",
        "from .._qualys import client",
        "must not import _qualys",
    ),
    (house_rules.imports_point_one_way, f"{UTILS}/_http/a.py", "from ...modules import qualys_a", "above it"),
    (house_rules.imports_point_one_way, f"{UTILS}/_base/a.py", "from .._http import session", "must not import _http"),
    (
        house_rules.imports_point_one_way,
        f"{UTILS}/_qualys/api/a.py",
        "from ..._scutum.client import C",
        "must not import _scutum",
    ),
    (
        house_rules.folders_form_no_circle,
        f"{UTILS}/_qualys/client.py",
        "from . import webapp",
        "_qualys/webapp.py",
    ),
    (
        house_rules.only_the_glue_imports_ansible,
        f"{UTILS}/_http/a.py",
        "import ansible.module_utils.urls",
        "_http imports",
    ),
    (
        house_rules.only_the_glue_imports_ansible,
        f"{UTILS}/_qualys/a.py",
        "def f():\n    import ansible",
        "_qualys imports",
    ),
    (house_rules.only_python_travels, f"{UTILS}/_report/page.html", "", "only .py"),
    (house_rules.third_party_imports_are_guarded, f"{UTILS}/_http/a.py", "import requests", "import of requests"),
    (
        house_rules.third_party_imports_are_guarded,
        f"{UTILS}/_http/a.py",
        "def f():\n    from orjson import x",
        "orjson.x",
    ),
    (
        house_rules.third_party_imports_are_guarded,
        f"{UTILS}/_http/a.py",
        "try:\n    import requests\nexcept ImportError:\n    pass\nclass A(requests.Session):\n    pass",
        "subclasses requests.Session",
    ),
    (house_rules.files_are_short, "tests/a.py", "\n" * 600, "at most 600"),
    (
        house_rules.sandbox_is_independent,
        "tests/sandbox/a.py",
        f"{ABSOLUTE}._records.model import X",
        "the sandbox imports",
    ),
    (
        house_rules.sandbox_is_independent,
        "tests/sandbox/a.py",
        "from ...plugins.module_utils import X",
        "the sandbox imports",
    ),
    (house_rules.action_groups_are_complete, "plugins/modules/scutum_b.py", "", "group scutum lacks scutum_b"),
    (house_rules.action_groups_are_complete, "meta/runtime.yml", "action_groups: {qualys: [b]}", "lists b"),
    (house_rules.names_suit_sanity, "tests/a.py", "for _ in ():\n    pass", "refuses the name _"),
    (house_rules.names_suit_sanity, "plugins/filter/a.py", "f = lambda _: 0", "refuses the name _"),
    (
        house_rules.options_suit_sanity,
        "plugins/modules/a.py",
        'DOCUMENTATION = """\noptions:\n  rows:\n    suboptions:\n      message: {}\n"""',
        "the option message",
    ),
    (
        house_rules.unit_tests_import_no_controller,
        "tests/unit/a.py",
        "from ansible.template import Templar",
        "belongs into tests/controller",
    ),
    (house_rules.types_suit_sanity, f"{UTILS}/_gate/a.py", "App = tuple[str, str | None]", "in an alias"),
    (house_rules.types_suit_sanity, f"{UTILS}/_gate/a.py", "def f() -> str: ...", "in one line"),
    (house_rules.no_sanity_ignores, "tests/sanity/ignore-2.19.txt", "plugins/a.py import\n", "without ignore"),
]


@pytest.mark.parametrize(("rule", "name", "text", "expected"), BREACHES, ids=lambda value: str(value)[:40])
def test_a_breach_is_found(house: Path, rule: Rule, name: str, text: str, expected: str) -> None:
    header = "" if name.endswith((".yml", ".txt")) else HEADER
    write(house, name, header + text + "\n")
    assert any(expected in problem for problem in rule(house)), rule(house)


def test_rooms_of_one_floor_may_not_form_a_circle(house: Path) -> None:
    write(house, f"{UTILS}/_spool/a.py", HEADER + "from .._state import b\n")
    assert house_rules.imports_point_one_way(house) == []
    write(house, f"{UTILS}/_state/b.py", HEADER + "from .._spool import a\n")
    assert any("circle" in problem for problem in house_rules.imports_point_one_way(house))


# A floor is above all floors that are listed before it. ``_http`` and ``_records`` are beside each other.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("_base",),
    ("_records",),
    ("_state",),
    ("_reconcile", "_spool"),
    ("_database", "_vendor"),
    tuple(sorted(house_rules.ROOMS)),
)
UPWARDS = [
    (lower, upper)
    for number, floor in enumerate(FLOORS)
    for lower in floor
    for other in FLOORS[number:]
    for upper in other
    if lower != upper
]
BESIDE_HTTP = ("_records", "_state", "_reconcile", "_spool")


def said_about(house: Path, arrows: Iterable[tuple[str, str]]) -> str:
    """What the rule says when rooms import others, given as pairs of importing and imported room."""
    for importing, imported in arrows:
        text = HEADER + f"from ..{imported}.target import name\n"
        write(house, f"{UTILS}/{importing}/to{imported}.py", text)
    return "\n".join(house_rules.imports_point_one_way(house))


def test_no_room_imports_one_of_its_own_floor_or_above(house: Path) -> None:
    said = said_about(house, UPWARDS)
    missed = [(lower, upper) for lower, upper in UPWARDS if f": {lower} must not import {upper}\n" not in said]
    assert missed == []


def test_a_room_imports_those_of_all_floors_below(house: Path) -> None:
    downwards = [
        (upper, lower)
        for number, floor in enumerate(FLOORS)
        for upper in floor
        for below in FLOORS[:number]
        for lower in below
    ]
    assert ("_gate", "_base") in downwards
    assert said_about(house, downwards) == ""


def test_what_is_stored_and_the_network_know_nothing_of_each_other(house: Path) -> None:
    arrows = [("_base", "_http"), *(pair for room in BESIDE_HTTP for pair in ((room, "_http"), ("_http", room)))]
    said = said_about(house, arrows)
    assert [pair for pair in arrows if f": {pair[0]} must not import {pair[1]}\n" not in said] == []


def test_neighbours_import_each_other_only_where_the_rules_list_it(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "_correlate must not import _gate" in said_about(house, [("_correlate", "_gate")])
    monkeypatch.setitem(house_rules.NEIGHBOURS, ("_correlate", "_gate"), "a reason")
    assert house_rules.imports_point_one_way(house) == []
    assert "_gate must not import _correlate" in said_about(house, [("_gate", "_correlate")])


def test_an_exception_that_nothing_needs_any_more_is_a_breach(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(house_rules.NEIGHBOURS, ("_correlate", "_gate"), "a reason")
    assert any("remove the exception" in problem for problem in house_rules.imports_point_one_way(house))


def test_folders_of_a_room_may_not_form_a_circle(house: Path) -> None:
    write(house, f"{UTILS}/_gate/run.py", HEADER + "from .decide import judge\nfrom . import verdict\n")
    write(house, f"{UTILS}/_gate/verdict.py", HEADER)
    write(house, f"{UTILS}/_gate/decide/judge.py", HEADER + "from ..policy.rules import Rule\nfrom . import other\n")
    write(house, f"{UTILS}/_gate/decide/other.py", HEADER)
    write(house, f"{UTILS}/_gate/policy/rules.py", HEADER + "from ..verdict import Verdict\n")
    assert house_rules.folders_form_no_circle(house) == []
    # No two files import each other, but the folders do.
    write(house, f"{UTILS}/_gate/policy/more.py", HEADER + "def late():\n    from ..decide.other import x\n")
    expected = "_gate/decide -> _gate/policy -> _gate/decide", "_gate/policy -> _gate/decide -> _gate/policy"
    (problem,) = house_rules.folders_form_no_circle(house)
    assert problem.endswith(expected)


def test_a_folder_below_a_room_may_not_import_what_runs_it(house: Path) -> None:
    write(house, f"{UTILS}/_gate/run.py", HEADER + "from .decide import judge\n")
    write(house, f"{UTILS}/_gate/decide/judge.py", HEADER + "from .. import run\n")
    assert any("_gate/run.py" in problem for problem in house_rules.folders_form_no_circle(house))


@pytest.mark.parametrize("folder", ["_http", "_qualys/api", "_qualys/estate/webapp"])
def test_a_folder_holds_at_most_sixteen_files(house: Path, folder: str) -> None:
    present = len(list((house / UTILS / folder).glob("*.py")))
    for number in range(present, 16):
        write(house, f"{UTILS}/{folder}/a{number}.py", HEADER)
    assert house_rules.folders_are_small(house) == []
    write(house, f"{UTILS}/{folder}/__init__.py", HEADER)
    assert house_rules.folders_are_small(house) == [
        f"plugins/module_utils/{folder}: 17 files; at most 16 belong in a folder"
    ]


MODULE_BREACHES = [
    (house_rules.modules_import_glue_and_one_room, "import webapp\n", "import webapp\nimport json\n", "imports json"),
    (house_rules.modules_import_glue_and_one_room, "_qualys import", "_reconcile import", "['_reconcile']"),
    (house_rules.modules_import_glue_and_one_room, "_module.runner", "_qualys.runner", "does not import _module"),
    (house_rules.modules_hold_no_logic, "    run(webapp)", "    if webapp:\n        run(webapp)", "holds logic"),
    (house_rules.modules_hold_no_logic, "    run(webapp)", "    run(webapp)\n" * 16, "16 statements"),
    (house_rules.modules_hold_no_logic, "def main", "LIMIT = 5\n\n\ndef main", "only documentation"),
    (
        house_rules.modules_hold_no_logic,
        "def main",
        "def other() -> None:\n    pass\n\n\ndef main",
        "only documentation",
    ),
    (house_rules.modules_hold_no_logic, 'if __name__ == "__main__":\n    main()', "", "needs main()"),
    (house_rules.modules_are_documented, "version_added: 1.0.0\n", "", "version_added"),
    (house_rules.modules_are_documented, "  diff_mode:\n    support: none\n", "", "attributes.diff_mode"),
    (house_rules.modules_are_documented, "  - appsec.perimeter._attributes\n", "", "attributes.idempotent"),
    (
        house_rules.action_groups_are_complete,
        "  - appsec.perimeter._attributes.actiongroup_qualys\n",
        "",
        "membership is []",
    ),
    (house_rules.modules_are_documented, "module: NAME", "module: other", "says module: other"),
    (house_rules.files_carry_the_header, GPL, "", "GNU General Public License"),
    (house_rules.files_carry_the_header, house_rules.SPDX, "#", "SPDX"),
]


@pytest.mark.parametrize(("rule", "old", "new", "expected"), MODULE_BREACHES, ids=lambda value: str(value)[:40])
def test_a_breach_in_a_module_is_found(house: Path, rule: Rule, old: str, new: str, expected: str) -> None:
    text = (HEADER + GPL + MODULE).replace(old, new).replace("NAME", "qualys_b")
    write(house, "plugins/modules/qualys_b.py", text)
    assert any(expected in problem for problem in rule(house)), rule(house)
