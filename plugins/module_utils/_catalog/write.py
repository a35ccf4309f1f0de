# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes an estate as a catalog: YAML that Ansible reads back with the same values.

This module is private to the collection and may change at any time.

Names come from outside and may look like templates. Ansible evaluates all text in a variables file, keys included, as
templates, so text that is not certainly data gets the tag ``!unsafe``. Other text does not, to keep the file readable.

Ansible evaluates trusted text that contains ``{{``, ``{%`` or ``{#``, but also text whose first line is a header such
as ``#jinja2: variable_start_string:'[['``, which chooses other delimiters. Later versions may evaluate more. So the
check here is not whether text looks like a template, but whether it certainly is not one.
"""

from __future__ import annotations

import collections
import re
import typing as t

from .._reconcile.spec import WORDS
from .kinds import Entry, Kind
from .text import need_yaml

try:
    import yaml
except ImportError:
    pass  # need_yaml reports it

HEADER = """\
---
# Written from the estate at Qualys. VALUE_REDACTED stands for a secret, which stays as it is: replace it where a value
# has to be written, by a vault or a lookup, never by the secret itself.
"""
_STRING = "tag:yaml.org,2002:str"
_COMPANIONS = ("_mode", "_add", "_remove")
# Letters and digits of every language, space, and characters that cannot form a template: no line feed, brace,
# quotation mark, number sign or percent sign.
_CERTAINLY_DATA = re.compile(r"[\w \-.,:/@+&=?]*")


def is_certainly_data(text: str) -> bool:
    """Return whether no version of Ansible evaluates the text as a template. All other text has to be marked."""
    return _CERTAINLY_DATA.fullmatch(text) is not None


class _Data(str):
    """Text that Ansible might evaluate as a template."""


def entries_of(records: t.Iterable[t.Mapping[str, t.Any]], kind: Kind, *, empty: bool = False) -> list[Entry]:
    """Return the records that an info module returned as entries of a catalog, ordered by name.

    Args:
        records: the records, in option form, with ``id``.
        kind: their kind.
        empty: whether options without a value are written too, so that a value that is added by hand later counts as
            drift. They get their default, else an empty value; an option that has neither is not written.
    """
    listed = sorted(records, key=lambda record: (str(record.get("name") or ""), record.get("id") or 0))
    names = collections.Counter(str(record.get("name") or "").strip() for record in listed)
    return [_entry(record, kind, names[str(record.get("name") or "").strip()] > 1, empty) for record in listed]


def _entry(record: t.Mapping[str, t.Any], kind: Kind, shared: bool, empty: bool) -> Entry:
    name = str(record.get("name") or "")
    entry: Entry = {}
    # The id is written where the name does not identify the record. Modules strip the names that they are given.
    if shared or name != name.strip() or not name:
        entry["id"] = record.get("id")
    for option in kind.options:
        if option == "id" or option not in record or option in kind.not_written or _is_companion(option, kind):
            continue
        value = _plain(record.get(option))
        if value in (None, "", [], {}):
            value = kind.defaults.get(option, _empty(kind.options[option])) if empty else None
        if value is None:
            continue
        if option == "name" and value != value.strip():
            # Modules would strip the name and so change it; the id identifies the record.
            continue
        entry[option] = value
    return entry


def _empty(spec: t.Mapping[str, t.Any]) -> t.Any:
    """Return the value that clears an option; None if there is none."""
    needs_member = any(inner.get("required") for inner in spec.get("options", {}).values())
    if "choices" in spec or WORDS in spec or (spec["type"] == "dict" and needs_member):
        return None
    return {"str": "", "int": 0, "list": [], "dict": {}}.get(spec["type"])


def _is_companion(option: str, kind: Kind) -> bool:
    return any(option.endswith(end) and option.removesuffix(end) in kind.options for end in _COMPANIONS)


def _plain(value: t.Any) -> t.Any:
    """Return the value as plain data, without members that are not set."""
    if isinstance(value, dict):
        return {"".join(str(name)): _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        # A plain str: Ansible's own subclasses carry a mark or an origin, which PyYAML cannot represent.
        return "".join(value)
    return value


def to_yaml(entries: t.Sequence[Entry], kind: Kind) -> str:
    """Return the text of a file with these entries. The same entries always give the same text.

    Raises:
        MissingLibrary: PyYAML is not installed.
    """
    need_yaml()

    class Dumper(yaml.SafeDumper):
        """Indents the items of lists, and writes no anchors and aliases."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> t.Any:
            return super().increase_indent(flow, False)

        def ignore_aliases(self, data: t.Any) -> bool:
            return True

    def represent(dumper: t.Any, data: _Data) -> t.Any:
        text = "".join(data)
        if dumper.resolve(yaml.ScalarNode, text, (True, False)) != _STRING:
            # Text that looks like a number, a time or a null such as "~" is not a template, and quotes keep it text;
            # behind the tag !unsafe, ansible-core 2.19 would read it as that other type.
            return dumper.represent_str(text)
        return dumper.represent_scalar("!unsafe", text, style='"')

    Dumper.add_representer(_Data, represent)
    body = yaml.dump(
        {kind.name: [_marked(entry) for entry in entries]},
        Dumper=Dumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=1 << 30,
    )
    return HEADER + str(body)


def _marked(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        whole = {_marked(name): _marked(item) for name, item in value.items()}
        if any(isinstance(name, _Data) for name in whole):
            # To decide whether a mapping is data, ansible-core before 2.19 checks its values and not its keys.
            return {name: _Data(item) if isinstance(item, str) else item for name, item in whole.items()}
        return whole
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return _Data(value) if isinstance(value, str) and not is_certainly_data(value) else value
