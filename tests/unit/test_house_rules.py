# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the house hold in this collection, and each of them bites on a tree that breaks it."""

from __future__ import annotations

from collections.abc import Callable
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
