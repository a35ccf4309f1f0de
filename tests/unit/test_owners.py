# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rooms share has one owner in this collection, and each rule about it bites on a copy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools import house_rules, owners

ROOT = Path(__file__).resolve().parents[2]
Rule = Callable[[Path], list[str]]
CODES_OF = ("pass", "fail", "inconclusive", "policy_error", "platform_error")
CODES = '{"pass": 0, "fail": 10, "inconclusive": 11, "policy_error": 12, "platform_error": 20}'


@pytest.mark.parametrize("rule", owners.RULES, ids=lambda rule: rule.__name__)
def test_the_collection_keeps_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


def found(tmp_path: Path, rule: Rule, name: str, text: str) -> list[str]:
    path = tmp_path / "plugins" / "module_utils" / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return rule(tmp_path)


BREACHES = [
    (owners.coercion_has_one_owner, "_scutum/fields.py", "def text(value: t.Any) -> str | None: ..."),
    (owners.coercion_has_one_owner, "_gate/a.py", "def _whole(told: object, default: int = 0) -> int: ..."),
    (owners.coercion_has_one_owner, "_report/a.py", "class A:\n    def f(self):\n        def items(v: Any): ..."),
    (owners.verdicts_have_one_owner, "_report/inputs/gate_view.py", f"VERDICTS = {CODES}"),
    (owners.verdicts_have_one_owner, "_gate/a.py", f"A = {list(CODES_OF)}"),
    (owners.verdicts_have_one_owner, "_gate/a.py", 'A = frozenset({"warn", "within_limit", "waived"})'),
    (owners.inflating_has_one_owner, "_deliver/reader.py", "with gzip.open(path) as file: pass"),
    (owners.inflating_has_one_owner, "_gate/a.py", "data = zlib.decompressobj(31)"),
    (owners.databases_have_one_owner, "_deliver/sql.py", "engine = sqlalchemy.create_engine(url)"),
    (owners.databases_have_one_owner, "_history/store.py", "found = conninfo_to_dict(text)"),
    (owners.documents_have_one_owner, "_gate/policy/waivers.py", "data = yaml.safe_load(text)"),
    (owners.vendors_leave_the_process_alone, "_edgecast/export.py", "gc.set_threshold(200_000)"),
    (owners.names_have_one_owner, "_scutum/client.py", "class Page: ...\nclass _Page: ..."),
]  # fmt: skip
FINE = [
    (owners.coercion_has_one_owner, "_records/coerce.py", "def text(value: t.Any) -> str | None: ..."),
    (owners.coercion_has_one_owner, "_report/text.py", "def number(value: int) -> str: ..."),
    (owners.verdicts_have_one_owner, "_records/verdicts.py", f"CODES = {CODES}"),
    (owners.inflating_has_one_owner, "_records/snapshot.py", 'gzip.compress(b"")'),
    (owners.databases_have_one_owner, "_database/engine.py", "engine = sqlalchemy.create_engine(url)"),
    (owners.documents_have_one_owner, "_records/policy/documents.py", "data = yaml.load(text)"),
    (owners.vendors_leave_the_process_alone, "_vendor/crew.py", "gc.set_threshold(200_000)"),
    (owners.names_have_one_owner, "_qualys/resource/field.py", "class Field: ...\nclass Field(spec.Field): ..."),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "name", "text"), BREACHES)
def test_a_copy_is_found(tmp_path: Path, rule: Rule, name: str, text: str) -> None:
    assert any(name in problem for problem in found(tmp_path, rule, name, text))


@pytest.mark.parametrize(("rule", "name", "text"), FINE)
def test_the_owner_and_what_only_looks_alike_are_no_breach(tmp_path: Path, rule: Rule, name: str, text: str) -> None:
    assert found(tmp_path, rule, name, text) == []


def test_words_for_verdicts_are_no_copy_of_their_codes(tmp_path: Path) -> None:
    labels = re.sub(r"\d+", '"words"', CODES)
    assert found(tmp_path, owners.verdicts_have_one_owner, "_report/a.py", f"LABELS = {labels}") == []


def test_the_exceptions_are_files_that_exist() -> None:
    base = ROOT / "plugins" / "module_utils"
    present = {path.relative_to(base).as_posix() for _room, path in house_rules.room_files(ROOT)}
    for exception in (*owners.OWN_COERCIONS, *owners.INFLATING, *owners.READING_YAML, owners.DATABASE):
        assert any(path.startswith(exception) for path in present), exception
