# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what repeats in the documentation of modules, into the module files.

``make moduledocs`` runs it. With ``--check`` it only says which files would change. Written are

- ``x_mode``, ``x_add`` and ``x_remove`` of each list or mapping ``x`` of a resource, from its field;
- the options of an entry of a module for many records, from those of the module for one;
- the return values in ``docs/returns.yml``, for the modules that it names.

So a new list option is one field, and one description in the module for one record.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import auth_record_fields, webapp_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans import schedule_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import Field, Fields, option_spec
from tests.tools import doc_blocks

ROOT = Path(__file__).resolve().parents[2]
TOOL = "tests/tools/module_docs.py"
RETURNS = ROOT / "docs" / "returns.yml"

Option = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Resource:
    """A kind of record that modules manage.

    Attributes:
        module: the module for one record, whose options are described by hand.
        fields: its fields.
        many: the module for many records, which lists them in ``entries``; empty where there is none.
        entries: the option that lists them.
        only_one: options of ``module`` that are no options of an entry.
    """

    module: str
    fields: Fields
    many: str = ""
    entries: str = ""
    only_one: frozenset[str] = frozenset()


RESOURCES = (
    Resource(
        "qualys_was_webapp",
        webapp_fields.FIELDS,
        many="qualys_was_webapps",
        entries="webapps",
        only_one=frozenset({"state", "remove_from_subscription"}),
    ),
    Resource(
        "qualys_was_auth_record",
        auth_record_fields.FIELDS,
        many="qualys_was_auth_records",
        entries="auth_records",
        only_one=frozenset({"state"}),
    ),
    Resource("qualys_was_schedule", schedule_fields.FIELDS),
)


# Options


def companions(field: Field, described: Option) -> dict[str, Option]:
    """``x_mode``, ``x_add`` and ``x_remove`` of a list or mapping ``x``.

    Args:
        field: the field of ``x``.
        described: the documentation of ``x``, for what its entries consist of.
    """
    name = field.name
    shapes = option_spec([field])
    mode = (
        f"Whether O({name}) replaces the present entries (V(set)), is added to them (V(add)), "
        "or is removed from them (V(remove))."
    )
    added = [f"Entries to add to O({name}); can be combined with O({name}_remove) in one update.", *field.add_notes]
    shape = _shape(shapes[f"{name}_remove"])
    what = "Names" if shape.get("elements") == "str" != described.get("elements") else "Entries"
    removed = [f"{what} to remove from O({name}); missing ones are ignored.", *field.remove_notes]
    return {
        f"{name}_mode": {"description": [mode], **_shape(shapes[f"{name}_mode"])},
        f"{name}_add": {
            "description": added,
            **_shape(shapes[f"{name}_add"]),
            **_suboptions(described, name, f"{name}_add"),
        },
        f"{name}_remove": {"description": removed, **shape},
    }


def _shape(spec: Option) -> Option:
    """What documentation says of an option besides words."""
    return {key: spec[key] for key in ("type", "elements", "choices", "default") if key in spec}


def _suboptions(described: Option, old: str, new: str) -> Option:
    if "suboptions" not in described:
        return {}
    return {"suboptions": _renamed(described["suboptions"], rf"O\({old}(?=[\[.])", f"O({new}")}


def _renamed(value: Any, pattern: str, replacement: str) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(item, pattern, replacement) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, pattern, replacement) for item in value]
    return re.sub(pattern, replacement, value) if isinstance(value, str) else value


def with_companions(text: str, fields: Fields) -> str:
    """A module file in which each list and mapping has its companions behind it.

    Raises:
        ValueError: a field is not described.
    """
    lines = doc_blocks.read_section(text, "DOCUMENTATION")
    start, end = doc_blocks.find(lines, "options")
    found = doc_blocks.blocks(lines[start:end])
    if missing := [field.name for field in fields if field.name not in found]:
        raise ValueError(f"no description of {', '.join(missing)}")
    lists = {field.name: field for field in fields if field.kind != "scalar"}
    replaced = {f"{name}_{end}" for name in lists for end in ("mode", "add", "remove")}
    options: list[str] = []
    for name, block in found.items():
        if name in replaced:
            continue
        options += block
        if name in lists:
            described = doc_blocks.load("\n".join(block))[name]
            for companion, option in companions(lists[name], described).items():
                options += doc_blocks.write(companion, option, 2)
    return doc_blocks.replace_section(text, "DOCUMENTATION", [*lines[:start], *options, *lines[end:]])


def with_entries(text: str, one: str, resource: Resource) -> str:
    """The file of a module for many records, whose entries have the options of the module for one.

    Args:
        text: the module for many.
        one: the module for one, with its companions.
        resource: what they manage.
    """
    document = doc_blocks.load("\n".join(doc_blocks.read_section(one, "DOCUMENTATION")))
    options = {name: option for name, option in document["options"].items() if name not in resource.only_one}
    names = "|".join(map(re.escape, options))
    options = _renamed(options, rf"O\((?=(?:{names})[)\[.=])", f"O({resource.entries}[].")
    lines = doc_blocks.read_section(text, "DOCUMENTATION")
    start, end = doc_blocks.find(lines, "options", resource.entries, "suboptions")
    written = [f"      # Written by {TOOL} from the options of {resource.module}."]
    written += [line for name, option in options.items() for line in doc_blocks.write(name, option, 6)]
    return doc_blocks.replace_section(text, "DOCUMENTATION", [*lines[:start], *written, *lines[end:]])


# Return values


def returns_of(module: str, groups: list[Option]) -> dict[str, Option]:
    """The shared return values of a module. What a later group says replaces what an earlier one says."""
    found: dict[str, Option] = {}
    for group in groups:
        if any(fnmatch.fnmatchcase(module, pattern) for pattern in group["modules"]):
            for name, value in group["returns"].items():
                found[name] = {**found.get(name, {}), **value}
    return found


def with_returns(text: str, shared: dict[str, Option]) -> str:
    """A module file with the shared values for the keys that its RETURN has."""
    lines: list[str] = []
    for name, block in doc_blocks.blocks(doc_blocks.read_section(text, "RETURN")).items():
        lines += doc_blocks.write(name, shared[name], 0) if name in shared else block
    return doc_blocks.replace_section(text, "RETURN", lines)


# The files


def rendered(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """Each module file of a folder with its text, and with the text that it should have."""
    old = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
    groups = doc_blocks.load(RETURNS.read_text(encoding="utf-8"))
    new = {module: with_returns(text, returns_of(module, groups)) for module, text in old.items()}
    for resource in RESOURCES:
        new[resource.module] = with_companions(new[resource.module], resource.fields)
        if resource.many:
            new[resource.many] = with_entries(new[resource.many], new[resource.module], resource)
    for module, text in old.items():
        yield folder / f"{module}.py", text, new[module]


def main(arguments: list[str], folder: Path = ROOT / "plugins" / "modules") -> int:
    """Write or check; returns the exit status."""
    stale = [(path, new) for path, old, new in rendered(folder) if old != new]
    for path, new in stale:
        if "--check" in arguments:
            print(f"{path.name} is out of date in what {TOOL} writes: run make moduledocs")
        else:
            path.write_text(new, encoding="utf-8")
    return int("--check" in arguments and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
