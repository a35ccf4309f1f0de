# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An estate as the text of a catalog: YAML that Ansible reads back as it was.

This module is private to the collection and may change at any time.

Names come from outside and may look like templates. Ansible takes texts in a file of variables for templates, keys
included, so those that are not certainly data carry its tag ``!unsafe``. The others do not, so that people can read it.

Ansible evaluates a text that it trusts when the text holds ``{{``, ``{%`` or ``{#``, and also when its first line is a
header such as ``#jinja2: variable_start_string:'[['``, which chooses other marks. Nobody can list everything that a
later version may obey, so the question here is not what looks like a template, but what certainly is none.
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
    pass  # need_yaml says so

HEADER = """\
---
# Written from the estate at Qualys. VALUE_REDACTED stands for a secret, which stays as it is: replace it where a value
# has to be written, by a vault or a lookup, never by the secret itself.
"""
_STRING = "tag:yaml.org,2002:str"
_COMPANIONS = ("_mode", "_add", "_remove")
# Letters and digits of every language, space, and signs that no template can be made of. No line feed, no brace, no
# quotation mark, no number sign, no percent sign.
_CERTAINLY_DATA = re.compile(r"[\w \-.,:/@+&=?]*")


def is_certainly_data(text: str) -> bool:
    """Whether Ansible, whatever its version, takes the text for data. Every other text has to be marked."""
    return _CERTAINLY_DATA.fullmatch(text) is not None


class _Data(str):
    """A text that Ansible might take for a template."""


def entries_of(records: t.Iterable[t.Mapping[str, t.Any]], kind: Kind, *, empty: bool = False) -> list[Entry]:
    """Records as an info module returns them, as entries of a catalog, ordered by name.

    Args:
        records: in option form, with ``id``.
        kind: what they are.
        empty: whether options without a value are written too, so that what is added by hand is drift: with the
            default where there is one, else empty. An option that has neither is not written.
    """
    listed = sorted(records, key=lambda record: (str(record.get("name") or ""), record.get("id") or 0))
    names = collections.Counter(str(record.get("name") or "").strip() for record in listed)
    return [_entry(record, kind, names[str(record.get("name") or "").strip()] > 1, empty) for record in listed]


def _entry(record: t.Mapping[str, t.Any], kind: Kind, shared: bool, empty: bool) -> Entry:
    name = str(record.get("name") or "")
    entry: Entry = {}
    # A name alone must say which record is meant, and modules strip the names that they are given.
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
            # Modules strip the names that they are given; the id says which record is meant.
            continue
        entry[option] = value
    return entry


def _empty(spec: t.Mapping[str, t.Any]) -> t.Any:
    """What an option takes for "nothing"; None where it takes no such thing."""
    needs_member = any(inner.get("required") for inner in spec.get("options", {}).values())
    if "choices" in spec or WORDS in spec or (spec["type"] == "dict" and needs_member):
        return None
    return {"str": "", "int": 0, "list": [], "dict": {}}.get(spec["type"])


def _is_companion(option: str, kind: Kind) -> bool:
    return any(option.endswith(end) and option.removesuffix(end) in kind.options for end in _COMPANIONS)


def _plain(value: t.Any) -> t.Any:
    """The value as plain data, without members that are not set."""
    if isinstance(value, dict):
        return {"".join(str(name)): _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        # Neither a text that Ansible has marked nor one that knows where it came from.
        return "".join(value)
    return value


def to_yaml(entries: t.Sequence[Entry], kind: Kind) -> str:
    """The text of a file with these entries. The same entries always give the same text.

    Raises:
        MissingLibrary: PyYAML is not there.
    """
    need_yaml()

    class Dumper(yaml.SafeDumper):
        """Indents the items of lists, and shares nothing between entries."""

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> t.Any:
            return super().increase_indent(flow, False)

        def ignore_aliases(self, data: t.Any) -> bool:
            return True

    def represent(dumper: t.Any, data: _Data) -> t.Any:
        text = "".join(data)
        if dumper.resolve(yaml.ScalarNode, text, (True, False)) != _STRING:
            # A number, a time or a null such as "~": no template, and ansible-core 2.19 would read one behind the tag.
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
            # To know whether a mapping is data, ansible-core older than 2.19 looks at its values, and not at its keys.
            return {name: _Data(item) if isinstance(item, str) else item for name, item in whole.items()}
        return whole
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return _Data(value) if isinstance(value, str) and not is_certainly_data(value) else value
