# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets whose name is itself a value: ``name="csrf_token" value="..."``, ``{"name": "Cookie", "value": "..."}``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re

from .names import secrecy_of
from .values import MARKER, holds_nothing, is_code, is_spoken

Span = tuple[int, int, str]

_AROUND = 2000
"""Characters before and after a name in which its value is looked for."""

_BEFORE = 40
_NAMING = ("name", "id", "key", "property", "field", "header", "param", "type", "autocomplete")
_TAG_REST = re.compile(r"(?:[^<>\"']|\"[^\"<>]*+\"|'[^'<>]*+'|[\"'])*+")
_VALUE_ATTRIBUTE = re.compile(
    r"[\s\"'/](?:value|content|data-value|val|data)\s{0,3}=\s{0,3}(?:\"([^\"]*+)|'([^']*+)|([^\s\"'<>/]++))",
    re.IGNORECASE,
)
_TAG_TEXT = re.compile(r">\s{0,80}(?:<value>)?\s{0,80}([^<>\s][^<>]{0,4000}+)(?=</)")
_TAG_NAME = re.compile(r"<([\w:.-]+)")
_SHOWN = frozenset(
    {
        "a",
        "div",
        "span",
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "label",
        "button",
        "option",
        "td",
        "th",
        "tr",
        "li",
        "ul",
    }
    | {
        "ol",
        "section",
        "article",
        "form",
        "select",
        "fieldset",
        "legend",
        "img",
        "nav",
        "header",
        "footer",
        "main",
        "i",
        "b",
    }
    | {"dt", "dd", "table", "svg", "script", "style", "link", "iframe", "body", "html", "meta", "input", "strong", "em"}
)
"""Elements of HTML whose text is meant for readers."""

_NAMING_MEMBER = re.compile(
    r"(?P<quote>\\*[\"']?)(?:name|key|header|headername|field|param|parameter|property|attribute|k|id|label|variable)"
    r"(?P=quote)\s{0,8}[:=]>?\s{0,8}\\*[\"']\Z",
    re.IGNORECASE,
)
_VALUE_MEMBER = re.compile(
    r"(?<![\w-])\\*[\"']?(?:value|val|content|v|data|secret|text)\\*[\"']?\s{0,8}(?::|=>)\s{0,8}", re.IGNORECASE
)
_BRACE = re.compile(r"[{}]")
_TEXT = re.compile(r"\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)|'([^'\\]*+(?:\\.[^'\\]*+)*+)|\\++\"([^\"\\]*+)", re.DOTALL)
_YAML_NAMING = re.compile(r"(?:\A|[\s{,-])(?:name|key|header):\s{0,4}[\"']?\Z", re.IGNORECASE)
_YAML_VALUE = re.compile(
    r"[\"']?[ \t]*\r?\n[ \t-]*(?:value|default|content):[ \t]+(?:\"([^\"\r\n]*)|'([^'\r\n]*)|([^\s\"'{\[|>&*][^\r\n]*))"
)
_NEXT_ELEMENT = re.compile(
    r"</[\w:.-]+>\s{0,80}<(?:value|string|val|v|data|text|[\w.-]+:value)(?:\s[^<>]{0,80})?>([^<]++)(?=<)", re.IGNORECASE
)
_CALL = re.compile(r"[\w$.\])](?:\(|\s*\[)\s{0,4}[\"'`]\Z|(?:\A|[\s,\[(])[(\[]\s{0,8}\\*[\"']\Z")
_ARGUMENT = re.compile(
    r"\\*[\"'`]\s{0,4},\s{0,8}(?:\"([^\"\\\r\n]*+(?:\\.[^\"\\\r\n]*+)*+)\"|'([^'\\\r\n]*+(?:\\.[^'\\\r\n]*+)*+)'|\\+\"([^\"\\]*+)\\+\")\s{0,8}[)\],]"
)
_SQL = re.compile(r"(?:[ \t]+(?:by|to|is|=))?[ \t]+(?:\"([^\"\s]+)\"|'([^'\s]+)')", re.IGNORECASE)


def named_value(value: str, folded: str, begin: int, end: int) -> Span | None:
    """The value that belongs to a name that stands as a value itself.

    Args:
        value: a text.
        folded: the same in lower case.
        begin: where the name begins.
        end: where it ends.
    """
    before = value[max(0, begin - _BEFORE) : begin]
    after = value[end : end + 1]
    # What is before the quote of the name decides, and costs less to look at than an expression.
    bare = before.rstrip("\"'`\\ \t")
    sign = bare[-1:]
    found: Span | None = None
    if sign == "=" and bare[:-1].rstrip().lower().endswith(_NAMING):
        found = _in_tag(value, folded, begin, end)
    if found is None and sign and sign in ":>" and after and after in "\"'\\" and _NAMING_MEMBER.search(before):
        found = _in_object(value, begin, end)
    if found is None and sign == ":" and after in ("", "\r", "\n", '"', "'") and _YAML_NAMING.search(before):
        found = _group(_YAML_VALUE.match(value, end))
    if found is None and sign and sign in "([" and after and after in "\"'`\\" and _CALL.search(before):
        found = _group(_ARGUMENT.match(value, end))
    if found is None and after == "<" and before.endswith(">"):
        found = _group(_NEXT_ELEMENT.match(value, end))
    if found is None and after in (" ", "\t"):
        found = _spoken_of(value, begin, end)
    return found


def _in_tag(value: str, folded: str, begin: int, end: int) -> Span | None:
    first = value.rfind("<", max(0, begin - _AROUND), begin)
    if first < 0:
        return None
    rest = _TAG_REST.match(value, end, end + _AROUND)
    last = rest.end() if rest else end
    tag = _TAG_NAME.match(value, first)
    name = folded[begin:end]
    if tag is None or (
        name in ("password", "current-password", "new-password")
        and tag[1].lower() != "input"
        and "type" in folded[begin - 8 : begin]
    ):
        return None
    held = _VALUE_ATTRIBUTE.search(value, first, last)
    if held is not None:
        span = _group(held)
        return span if span is None or span[0] != begin else None
    if tag[1].lower() in _SHOWN or value[last : last + 1] != ">":
        return None
    inner = _TAG_TEXT.match(value, last)
    return _group(inner)


def _in_object(value: str, begin: int, end: int) -> Span | None:
    brace = _BRACE.search(value, end, end + _AROUND)
    after = _VALUE_MEMBER.search(value, end, brace.start() if brace else end + _AROUND)
    if after is not None:
        return _group(_TEXT.match(value, after.end()))
    first = value.rfind("{", max(0, begin - _AROUND), begin)
    if first < 0:
        return None
    for before in _VALUE_MEMBER.finditer(value, first, begin):
        text = _TEXT.match(value, before.end(), begin)
        if text is not None and text.end() < begin:
            return _group(text)
    return None


def _spoken_of(value: str, begin: int, end: int) -> Span | None:
    """A quoted secret without a sign before it, as in SQL: ``IDENTIFIED BY 'secret'``, ``PASSWORD 'secret'``."""
    found = _SQL.match(value, end)
    if found is None or not (value[begin:end].isupper() or value[begin:end].islower()):
        return None
    held = found[found.lastindex or 0]
    return _group(found) if any(map(str.isdigit, held)) or not held.isalnum() else None


def _group(found: re.Match[str] | None) -> Span | None:
    if found is None or found.lastindex is None:
        return None
    index = found.lastindex
    held = found[index].rstrip() if found.re is not _TEXT else found[index]
    if held != MARKER and (
        holds_nothing(held) or is_spoken(held) or "${" in held or (secrecy_of(held) and held.isalpha())
    ):
        return None
    if is_code(held) and held[:1] in "({[$" and held != MARKER:
        return None
    return found.start(index), found.start(index) + len(held), MARKER
