# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the modules agrees with itself, where ``ansible-test sanity`` does not look."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import house_rules

ROOT = Path(__file__).resolve().parents[2]
MODULES = house_rules.python_files(ROOT / "plugins" / "modules")


def tasks(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tasks of an example, those of plays and blocks too."""
    for block in blocks:
        inner = [item for key in ("tasks", "block", "rescue", "always") for item in block.get(key) or []]
        yield from tasks(inner)
        if not inner:
            yield block


def unknown_options(options: dict[str, Any], known: dict[str, dict[str, Any]], path: str) -> list[str]:
    """The options of an example that the module does not document, suboptions included."""
    problems = []
    for name, value in options.items():
        spec = known.get(name)
        if spec is None:
            problems.append(f"{path}{name}")
            continue
        suboptions: dict[str, dict[str, Any]] = spec.get("suboptions") or {}
        items = value if isinstance(value, list) else [value]
        for item in items if suboptions else []:
            if isinstance(item, dict):
                problems += unknown_options(item, suboptions, f"{path}{name}.")
    return problems


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_examples_show_the_module_and_use_documented_options(path: Path) -> None:
    examples = list(tasks(house_rules.module_section(path, "EXAMPLES")))
    options = house_rules.documented(ROOT, path, "options")
    own = f"appsec.perimeter.{path.stem}"
    assert any(own in task for task in examples), f"no example uses {own}"
    for task in examples:
        assert task.get("name"), f"an example has no name: {task}"
        assert unknown_options(task.get(own) or {}, options, "") == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_return_values_have_samples(path: Path) -> None:
    returned = house_rules.module_section(path, "RETURN")
    assert [name for name, value in returned.items() if "sample" not in value and "contains" not in value] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_options_are_described_in_whole_sentences(path: Path) -> None:
    options = house_rules.documented(ROOT, path, "options")
    texts = {name: value.get("description", "") for name, value in options.items()}
    lists = {name: text if isinstance(text, list) else [text] for name, text in texts.items()}
    # An unquoted "word: word" makes a line of YAML a mapping, which no one meant.
    wrong = [
        (name, line)
        for name, lines in lists.items()
        for line in lines
        if not isinstance(line, str) or not line.strip().endswith((".", ":", "?"))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "path", house_rules.python_files(ROOT / "plugins" / "doc_fragments"), ids=lambda path: path.stem
)
def test_fragments_are_what_ansible_reads(path: Path) -> None:
    module = importlib.import_module(f"{house_rules.PACKAGE}.plugins.doc_fragments.{path.stem}")
    fragments = {name: text for name, text in vars(module.ModuleDocFragment).items() if name.isupper()}
    assert fragments
    for name, text in fragments.items():
        assert set(yaml.safe_load(text)) <= {"options", "attributes", "requirements", "notes", "seealso"}, name
