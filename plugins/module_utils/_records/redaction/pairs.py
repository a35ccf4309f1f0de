# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets whose name is itself a value: ``name="csrf_token" value="..."``, ``{"name": "Cookie", "value": "..."}``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from .names import SEVERAL, names_secret, secrecy_of
from .values import MARKER, has_sign, holds_nothing, is_code, is_made, is_spoken, is_strong

Span = tuple[int, int, str]

_AROUND = 2000
"""Characters before and after a name in which its value is searched for."""

_BEFORE = 40
_NAMING = ("name", "id", "key", "property", "field", "header", "param", "type", "autocomplete")
_TAG_REST = re.compile(r"(?:[^<>\"']|\"[^\"<>]*+\"|'[^'<>]*+'|[\"'])*+")
_VALUE_ATTRIBUTE = re.compile(
    r"[\s\"'/](?:value|content|data-value|val|data)\s{0,3}=\s{0,3}(?:\"([^\"]*+)|'([^']*+)|([^\s\"'<>/]++))",
    re.IGNORECASE,
)
_TAG_TEXT = re.compile(
    r">\s{0,80}(?:<(?!/)[\w:.-]{1,60}(?:\s[^<>]{0,200})?>\s{0,80}){0,3}"
    r"(?:<!\[CDATA\[([^\]]{1,4000}+)(?=\]\]>)|([^<>\s][^<>]{0,4000}+)(?=</))"
)
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
"""HTML elements whose text is meant for readers."""

_NAMING_MEMBER = re.compile(
    r"(?P<quote>\\*[\"']?)(?:\w{0,20}(?:name|key)|header|field|param|parameter|property|attribute|k|id|label|variable|type|"
    r"question|prompt|path|pointer|setting|option|claim)(?P=quote)\s{0,8}[:=]>?\s{0,8}\\*[\"']\Z",
    re.IGNORECASE,
)
_VALUE_MEMBER = re.compile(
    r"[\"'\s,{](?:\w{0,20}values?|val|contents?|v|s|data|secret|text|answer|input|entry|response|current|default|plaintext|"
    r"old|new|before|after)\\*[\"']?\s{0,8}(?::|=>)\s{0,8}",
    re.IGNORECASE,
)
_FORWARD = 250
"""Characters after a name in which the member with its value is searched for."""
_BRACE = re.compile(r"[{}]")
_BETWEEN = re.compile(r"(?:\[|\\*+[\"'])\s{0,8}+(?:,\s{0,8}+)?")
"""The start of a list, or the end of one of its texts, up to the next text."""
_MOST_ITEMS = 50
"""Texts of a list that are examined."""
_TEXT = re.compile(r"\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)|'([^'\\]*+(?:\\.[^'\\]*+)*+)|\\++\"([^\"\\]*+)", re.DOTALL)
_YAML_NAMING = re.compile(r"(?:\A|[\s{,-])(?:name|key|header):\s{0,4}[\"']?\Z", re.IGNORECASE)
_FLOW_VALUE = re.compile(r"[\"']?,\s{1,8}(?:value|default|content):\s{1,8}([^\s,{}\[\]\"'][^,{}\r\n]{0,400}+)")
_MEMBER = re.compile(r"\\*[\"']?([\w.-]{1,60}+)\\*[\"']?\s{0,8}(?::|=>|=)\s{0,8}(?=\\*[\"'])")
_PREFIX = re.compile(r"(?<=[\"'])[\w.~$@\[\]/:-]*[/:]\Z")
_LABEL_CELL = re.compile(
    r"</(?:td|th|dt|label|b|strong|span)>\s{0,80}<(?:td|dd|span|code|tt|kbd)(?:\s[^<>]{0,100})?>\s{0,80}(?:<(?:code|tt|kbd|b)>)?"
    r"([^<>\s]++)(?=\s{0,80}<)",
    re.IGNORECASE,
)
_CALLED = re.compile(r"\(\s{0,3}(?:\"([^\"\\\r\n]++)\"|'([^'\\\r\n]++)'|`([^`\\\r\n]++)`)\s{0,3}[),]")
_GIVES = re.compile(r"(?:set|with|use|add|put|new)(?=[A-Z_])|[A-Z]+\Z|[a-z]+\Z")
_SPACED = re.compile(
    r"(?:[ \t]{1,3}(?:now|set|changed|reset))?[ \t]+(?:(is|was|to|by|lautet|ist|war|est):?[ \t]+)?(?:\d[ \t]+)?"
    r"(?:\"([^\"\s]+)\"|'([^'\s]+)'|([^\s\"'<>(){},]++))",
    re.IGNORECASE,
)
_DIRECTIVE = re.compile(
    r"(?:machine|default|login|env|arg|export|setx?|aws|gcloud|git|npm|config|username|enable|user|snmp-server|neighbor|key|"
    r"proxy_set_header|add_header|requestheader|header|alter|define|password)\b.*\s\Z",
    re.IGNORECASE,
)
_YAML_KEY = re.compile(r"(?:\A|[\r\n])[ \t-]*\?[ \t]+[\"']?\Z")
"""The text before a YAML key that has a line of its own; its value is on the next line."""
_YAML_ANSWER = re.compile(r"[\"']?[ \t]*\r?\n[ \t]*:[ \t]+(?:\"([^\"\r\n]*)|'([^'\r\n]*)|([^\s\"'{\[|>&*][^\r\n]*))")
_YAML_VALUE = re.compile(
    r"[\"']?[ \t]*\r?\n[ \t-]*(?:value|default|content):[ \t]+(?:\"([^\"\r\n]*)|'([^'\r\n]*)|([^\s\"'{\[|>&*][^\r\n]*))"
)
_NEXT_ELEMENT = re.compile(
    r"</[\w:.-]+>\s{0,80}<(?:value|string|val|v|data|text|[\w.-]+:value)(?:\s[^<>]{0,80})?>(?:\s{0,80}<(?!/)[\w:.-]{1,40}>\s{0,80}){0,2}([^<]++)(?=<)",
    re.IGNORECASE,
)
_CALL = re.compile(r"[\w$.\])](?:\(|\s*\[)\s{0,4}[\"'`]\Z|(?:\A|[\s,\[(])[(\[]\s{0,8}\\*[\"']\Z")
_ARGUMENT = re.compile(
    r"\\*[\"'`]\s{0,4},\s{0,8}(?:\"([^\"\\\r\n]*+(?:\\.[^\"\\\r\n]*+)*+)\"|'([^'\\\r\n]*+(?:\\.[^'\\\r\n]*+)*+)'|\\+\"([^\"\\]*+)\\+\")\s{0,8}[)\],]"
)


def named_values(value: str, folded: str, begin: int, end: int) -> list[Span]:
    """The values that belong to a name that is itself a value, or that precedes its value without a separator.

    Args:
        value: a text.
        folded: the same in lower case.
        begin: where the name begins.
        end: where it ends.
    """
    before = value[max(0, begin - _BEFORE) : begin]
    after = value[end : end + 1]
    # Only the text before the opening quote matters, and checking it costs less than an expression.
    bare = before.rstrip("\"'`\\ \t")
    if before[-1:] in ("/", ":") and before[-1:]:
        # The last part of a path or a name with a prefix, as in "/spec/password" and "fb:app_secret".
        before = _PREFIX.sub("", before)
        bare = before.rstrip("\"'`\\ \t")
    sign = bare[-1:]
    found: Span | None = None
    if sign == "=" and bare[:-1].rstrip().lower().endswith(_NAMING):
        found = _in_tag(value, folded, begin, end)
    if found is None and sign and sign in ":>" and after and after in "\"'\\" and _NAMING_MEMBER.search(before):
        members = _in_object(value, begin, end)
        if members:
            return members
    if found is None and sign and sign in ":?" and after in ("", "\r", "\n", '"', "'", ","):
        found = _in_yaml(value, before, end)
    if found is None and sign and sign in "([" and after and after in "\"'`\\" and _CALL.search(before):
        found = _group(_ARGUMENT.match(value, end))
    if found is None and after == "<" and before.endswith(">"):
        found = _group(_NEXT_ELEMENT.match(value, end)) or _strong_only(value, _LABEL_CELL.match(value, end))
    if found is None and after == "(":
        found = _called(value, begin, end)
    if found is None and after in (" ", "\t") and after:
        found = _spoken_of(value, begin, end)
    return [] if found is None else [found]


def _in_yaml(value: str, before: str, end: int) -> Span | None:
    """The value of a name that is itself the value of another key, or a key on a line of its own."""
    if _YAML_NAMING.search(before):
        return _group(_YAML_VALUE.match(value, end) or _FLOW_VALUE.match(value, end))
    return _group(_YAML_ANSWER.match(value, end)) if _YAML_KEY.search(before) else None


def value_attribute(value: str, end: int) -> Span | None:
    """The value of an element whose name ends at a position, as in ``<password value="secret"/>``."""
    return _group(_VALUE_ATTRIBUTE.match(value, end))


def member_values(value: str, at: int, name: str) -> list[Span]:
    """The secrets in the object that begins at a position and belongs to the name before it, such as its ``value``."""
    brace = _BRACE.search(value, at + 1, at + _AROUND)
    stop = brace.start() if brace else min(len(value), at + _AROUND)
    known, several = names_secret(name), name.lower().endswith(SEVERAL)
    spans: list[Span] = []
    for member in _MEMBER.finditer(value, at, stop):
        if spans and member.start() < spans[-1][1]:
            continue
        span = _group(_TEXT.match(value, member.end()))
        if span is None or span[1] <= span[0]:
            continue
        held = value[span[0] : span[1]]
        name_of = member[1].lower()
        if (known and name_of in _VALUE_NAMES) or (
            several and name_of not in _DESCRIBING and (held == MARKER or is_strong(held) or is_made(held))
        ):
            spans.append(span)
    return spans


_DESCRIBING = frozenset({"model", "type", "version", "name", "id", "unit", "encoding", "tokenizer", "provider"})
"""Members that describe a group of secrets and are not secret themselves."""
_VALUE_NAMES = frozenset(
    {"value", "val", "content", "data", "secret", "text", "s", "plaintext", "current", "default", "_value", "$"}
)


def _called(value: str, begin: int, end: int) -> Span | None:
    """The argument of a call that takes a secret, such as ``setPassword("secret")`` and ``.password("secret")``."""
    call = _CALLED.match(value, end)
    if call is None or _GIVES.match(value[begin:end].rpartition(".")[2]) is None:
        return None
    held = call[call.lastindex or 0]
    return _group(call) if held == MARKER or is_strong(held) else None


def _strong_only(value: str, found: re.Match[str] | None) -> Span | None:
    return _group(found) if found is not None and (found[1] == MARKER or is_strong(found[1])) else None


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


def _in_object(value: str, begin: int, end: int) -> list[Span]:
    brace = _BRACE.search(value, end, end + _FORWARD)
    stop = brace.start() if brace else min(len(value), end + _FORWARD)
    spans = _values_between(value, end, stop, None)
    first = value.rfind("{", max(0, begin - _AROUND), begin) if not spans else -1
    return spans if first < 0 else _values_between(value, first, begin, begin)


def _values_between(value: str, first: int, last: int, limit: int | None) -> list[Span]:
    spans: list[Span] = []
    taken = first
    for member in _VALUE_MEMBER.finditer(value, first, last):
        if member.start() < taken:
            continue
        for text in _texts_at(value, member.end(), len(value) if limit is None else limit):
            if limit is not None and text.end() >= limit:
                break
            span = _group(text)
            taken = text.end()
            if span is not None:
                spans.append(span)
    return spans


def _texts_at(value: str, at: int, limit: int) -> t.Iterator[re.Match[str]]:
    """The text at a position, or the texts of the list there."""
    listed = value[at : at + 1] == "["
    for _item in range(_MOST_ITEMS if listed else 1):
        between = _BETWEEN.match(value, at, limit) if listed else None
        text = _TEXT.match(value, between.end() if between else at, limit)
        if text is None:
            return
        yield text
        at = text.end()


def _spoken_of(value: str, begin: int, end: int) -> Span | None:
    """A secret without a separator before it, as in SQL, in a directive and in a sentence: ``PASSWORD 'secret'``."""
    found = _SPACED.match(value, end)
    if found is None or found.lastindex is None:
        return None
    index = found.lastindex
    held = found[index].rstrip(".,;:")
    if index < len(found.groups()):
        quoted = any(map(str.isdigit, held)) or (len(held) > _SHORT and has_sign(held) and not held.isalnum())
        return _group(found) if quoted else None
    if held == MARKER:
        return None
    if value[begin:end].lower() in _DIRECTIVES and not holds_nothing(held) and not is_spoken(held):
        # This is not a word of any language, so whatever follows it is the password.
        return (
            (found.start(index), found.start(index) + len(held), MARKER) if _fills_line(value, begin, found) else None
        )
    strong = is_strong(held) and (found[1] or _is_directive(value, begin, found.end()))
    if not strong and not (is_made(held) and not is_spoken(held) and not held.startswith("/")):
        return None
    return found.start(index), found.start(index) + len(held), MARKER


_SHORT = 4
_DIRECTIVES = frozenset({"bindpw", "rootpw"})
"""Directives in LDAP configuration that a password follows without a separator."""


def _fills_line(value: str, begin: int, found: re.Match[str]) -> bool:
    line = value.rfind("\n", max(0, begin - _AROUND_LINE), begin) + 1
    return not value[line:begin].strip() and value[found.end() : found.end() + 1] in ("", "\r", "\n")


def _is_directive(value: str, begin: int, end: int) -> bool:
    """Whether a name and the word after it fill a line, or follow the words of a known command."""
    line = value.rfind("\n", max(0, begin - _AROUND_LINE), begin) + 1
    head = value[line if line else max(0, begin - _AROUND_LINE) : begin]
    if not head.strip(" \t-") and value[end : end + 1] in ("", ";", "\r", "\n"):
        return True
    return _DIRECTIVE.match(head.lstrip(" \t$#>")) is not None or (
        "\t" in head[-1:] and value[end : end + 1] in ("", "\r", "\n")
    )


_AROUND_LINE = 120


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
