# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that have a name before them: headers, parameters, members, attributes, assignments, flags.

This module is private to the collection and may change at any time.

One expression finds possible ends of such names. The surrounding text decides which notation it is, and where the value
begins and ends. Every expression is linear: repeats are possessive or bounded, and the search continues after each
value that was found.
"""

from __future__ import annotations

import re

from .markup import element, opens_element
from .names import SEVERAL, Secrecy, secrecy_of
from .pairs import member_values, named_values, value_attribute
from .search import FINDERS, FIRST, LONGEST_WORD, holds_word, is_plain
from .values import MARKER, has_sign, holds_nothing, is_code, is_made, is_spoken, is_strong

Span = tuple[int, int, str]
"""Start and end of a value, and its replacement."""


_BACKWARDS = re.compile(r"(?:[0-9a-fA-F]{2}(?:52)?%|[\w.$\[\]-])*+")
_IN_TAG = (">", "&", " ", "\t", "\r", "\n")
_OPENED = re.compile(r"[\"'`][^\W_][\w '-]*\Z")
_TYPED = re.compile(
    r"&?(?:'static )?[A-Za-z_][\w.|\[\] ]{0,40}= {0,2}"
    r"(?=[rbf]?[\"']|(?:new )?[A-Za-z]{1,20}(?:::from|\.of|\.valueOf)\()"
)
_LABEL = re.compile(r"[^\W\d_]+(?:[ '\u2019\-][^\W\d_]+){1,3}")
_SHORT_NAME = 40
_NAME_CHARACTERS = 300

_DELIMITER = re.compile(
    r"(?P<quote>\\*+[\"'`]|&quot;|&\#3[49];|&\#x2[27];|%(?:25)?22|\\u0022)?\]?"
    r"(?P<before>[ \t]*+)(?:(?P<sign>=>|:=|\?=|[:\uff1a]|={1,3}|\uff1d|,)|"
    r"(?P<encoded>%(?:25)?3[ADad]|\\u003[dDaA]))(?P<after>\s*+)"
)
_QUOTED = re.compile(
    # A quoted text may contain escaped quotes, and recorded traffic may be cut off in the middle of it. The last forms
    # are those of JSON inside a text, where the quotes themselves are escaped.
    # Three quotes, as in Python, TOML and GraphQL, come first.
    r"\"{3}((?:[^\"]|\"(?!\"\"))++)(?:\"{3}|\Z)|'{3}((?:[^']|'(?!''))++)(?:'{3}|\Z)|"
    r"\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)(?:\"|\\?\Z)|'([^'\\]*+(?:\\.[^'\\]*+)*+)(?:'|\\?\Z)|"
    r"`([^`\\]*+(?:\\.[^`\\]*+)*+)(?:`|\\?\Z)|\\++\"([^\"\\]*+)(?:\\++\"|\Z|(?=\"))|\\++'([^'\\]*+)(?:\\++'|\Z|(?='))|"
    r"(?:&quot;|&\#3[49];|&\#x2[27];)([^&<>\s]*+)|%(?:25)?22((?:[^%&\s\"']|%(?!(?:25)?22))*+)|\\u0022([^\\\"\s]*+)",
    re.DOTALL,
)
_PREFIXED = re.compile(
    r"(?:[rbufRBUF@$]{1,2}|string\(\d+\)\s|(?:new\sString|[A-Za-z]{1,20}(?:::from|\.of|\.valueOf))\()(?=[\"'])"
)
_JOINED = re.compile(r"\s{0,4}[+.]\s{0,4}(?=[\"'`])")
_JOINED_AFTER = re.compile(r"[\"'`]\s{0,4}[+.]\s{0,4}([\"'`])([^\"'`\\\r\n]++)(?=\1)")
_FALLBACK = re.compile(
    r"[\w$.\[\]'\"()!?]{1,100}+\s{0,4}(?:\|\||\?\?|\?:|\bor\b)\s{0,4}(?=[\"'`])|"
    r"[\w.$]{1,60}+\([\w\"'.]{1,60}+\s{0,3},\s{0,3}(?=[\"'])"
)
_DEFAULT = re.compile(r"[\"']?\$\{[\w.]{1,80}+:[-=?]?([^{}\s\"']++)\}")
_BRACKETED = re.compile(r"\[([^\[\]{}\s,\"'<>|]{1,200}+)\]")
_TAGGED = re.compile(r"(?:!{1,2}[\w:/.-]*+|&[\w-]++)[ \t]++")
_IN_MARKUP = re.compile(
    r"\s{0,8}(?:</?[a-zA-Z][a-zA-Z0-9]{0,9}(?:\s[^<>]{0,100})?>\s{0,8}){1,3}([^\s<>]++)(?=\s{0,80}<)"
)
_POSITION = re.compile(r"\d{1,5}(?::\d{1,5})?(?![\w.-])")
_QUOTED_ITEM = re.compile(r"\"([^\"\\]*+)\"|'([^'\\]*+)'")
_LINE_HEAD = re.compile(r"(?:[ \t]*+[<>|*#][<>|*#-]?)?[ \t]++")
_NUMBER = re.compile(r"-?\d[\d.eE+-]*+")
_LIST = re.compile(r"\[[^\[\]{}]*+\]?")
_PAIR_VALUE = re.compile(r"=*+([^&\s;\"'<>#=][^&\s;\"'<>#]*+)")
_ENCODED_VALUE = re.compile(r"(?:[^%&\s;\"'<>#\\]|%(?!(?:25)*26|(?:25)*3B|(?:25)*20|(?:25)*0[AD]))++", re.IGNORECASE)
_GROUPED = re.compile(r"\d++(?:[ -]\d++){2,5}(?!\w)")
_WORD = re.compile(r"[^\s,;\"'<>{}()\[\]]++")
_JUDGED = 100
"""Characters of a value that are examined, so that a long value that stays is not read again and again."""
_LINE = re.compile(r"[^\r\n]*+")
_FOLDED = re.compile(r"(?:(?:\r\n|\r|\n)[ \t]++(?![\w.-]{1,60}+:(?:\s|\Z)|- )[^\r\n]++)*+")
_BLOCK = re.compile(r"[|>][+-]?\d?[ \t]*+(?:\r?\n(?:[ \t]++[^\r\n]*+)?+)++")
_HEADER_NAME = re.compile(
    r"(?:set-|proxy-)?cookie2?|(?:proxy-|[\w-]{0,40}-)?authorization|[a-z][\w]*+(?:-[\w]++)++", re.IGNORECASE
)
_ESCAPED_LINE = re.compile(r"\\[rn]|\"")
_DECLARED = re.compile(r"[A-Z][A-Za-z]*(?:8|16|32|64)?[!?]?|\[[A-Z]\w*!?\]!?")


def header(value: str, start: int, end: int) -> Span | None:
    """The value of a header that is secret as a whole; None when the header has no value on its line.

    Args:
        value: a text.
        start: where the header's line begins.
        end: where the line ends.
    """
    begin = value.find(":", start) + 1
    while value[begin : begin + 1] in (" ", "\t"):
        begin += 1
    stop = end - 1 if value[end - 1] == "\r" else end
    if begin >= stop or "\r" in value[begin:stop]:
        return None
    if value[end + 1 : end + 2] in (" ", "\t"):
        folded = _FOLDED.match(value, stop)
        stop = folded.end() if folded else stop
    return begin, stop, MARKER


def find_fields(value: str, folded: str, start: int, end: int, spans: list[Span]) -> bool:
    """Find the values in a line, or after it, whose names are those of secrets.

    Args:
        value: a text.
        folded: the same text in lower case, of the same length.
        start: where the line begins.
        end: where it ends.
        spans: receives the values that are found.

    Returns:
        Whether the line has such a name, wherever its value is.
    """
    finder = FINDERS[is_plain(folded)]
    named = False
    found = finder.search(folded, start, end)
    while found is not None:
        stop = found.end()
        begin = _begin(value, start, found.start())
        secrecy, begin = _secrecy(value, begin, stop)
        if secrecy is not Secrecy.NONE:
            named = True
            for span in _spans(value, folded, begin, stop, secrecy):
                spans.append(span)
                # A value may also precede its name, as in an object or a tag.
                start = stop = max(stop, span[1])
        found = finder.search(folded, stop, end) if stop < end else None
    return named


def speaks_of_secrets(value: str, folded: str) -> bool:
    """Whether a text has the name of a secret where a value may follow, or a word that a secret follows.

    This is the fast first test for nearly all texts.
    """
    for found in FIRST[is_plain(folded)].finditer(folded):
        if holds_word(folded[max(0, found.start() - LONGEST_WORD) : found.end() + _SHORT_NAME]):
            return True
        begin = _begin(value, 0, found.start())
        if _secrecy(value, begin, found.end())[0] is not Secrecy.NONE:
            return True
    return False


def _begin(value: str, lowest: int, at: int) -> int:
    length = 0
    for size in (_SHORT_NAME, _NAME_CHARACTERS):
        taken = _BACKWARDS.match(value[max(lowest, at - size) : at][::-1])
        length = taken.end() if taken else 0
        if length < size:
            break
    return at - length


def _secrecy(value: str, begin: int, end: int) -> tuple[Secrecy, int]:
    """What the name at a position says, and where it begins if words before it belong to it, as in ``Secret key``."""
    known = secrecy_of(value[begin:end])
    if known is Secrecy.SECRET or value[begin - 1 : begin] not in (" ", "'", "\u2019"):
        return known, begin
    first = max(0, begin - _SHORT_NAME)
    before = re.search(r"(?:[^\W\d_]++[ '\u2019]){1,3}\Z", value[first:begin])
    if before is not None and _LABEL.fullmatch(value[first + before.start() : end]):
        words = value[first + before.start() : end].split(" ")
        for count in range(2, len(words) + 1):
            label = " ".join(words[-count:])
            if secrecy_of(label) is Secrecy.SECRET and secrecy_of(label.partition(" ")[2]) is not Secrecy.SECRET:
                return Secrecy.SECRET, end - len(label)
    return known, begin


def _spans(value: str, folded: str, begin: int, end: int, secrecy: Secrecy) -> list[Span]:
    if value[end : end + 1] in _IN_TAG and secrecy is Secrecy.SECRET and opens_element(value, begin):
        inner = element(value, end)
        inner = inner or value_attribute(value, end)
        return [] if inner is None else [inner]
    mark = _DELIMITER.match(value, end)
    if mark is None or mark["sign"] == ",":
        return (
            named_values(value, folded, begin, end)
            if secrecy is Secrecy.SECRET
            else _made_only(value, folded, begin, end)
        )
    if value[mark.end() : mark.end() + 1] == "{" and (secrecy is Secrecy.SECRET or folded[:end].endswith(SEVERAL)):
        return member_values(value, mark.end(), value[begin:end])
    span = _span(value, begin, mark, secrecy)
    if span is None:
        return (
            named_values(value, folded, begin, end)
            if secrecy is Secrecy.SECRET
            else _made_only(value, folded, begin, end)
        )
    held = value[span[0] : span[1]].strip("\"'`")
    # An empty member is hidden too: an empty password may be that of a test account.
    taken = _is_secret(held, secrecy) or (not held and secrecy is Secrecy.SECRET)
    return [span] if taken else []


def _made_only(value: str, folded: str, begin: int, end: int) -> list[Span]:
    return [
        span for span in named_values(value, folded, begin, end) if _is_secret(value[span[0] : span[1]], Secrecy.MAYBE)
    ]


def _span(value: str, begin: int, mark: re.Match[str], secrecy: Secrecy) -> Span | None:
    opened = value[begin - 1 : begin] in "\"'`\\" if begin else False
    if (
        mark["quote"]
        and not opened
        and mark["quote"][-1] in "\"'`"
        and not _OPENED.search(value[max(0, begin - _SHORT_NAME) : begin])
    ):
        # The quote ends a text whose last word is the name, and belongs to something else.
        return None
    if mark["sign"] in (":", "\uff1a"):
        return _after_colon(value, begin, mark, quoted=bool(mark["quote"]))
    if mark["encoded"]:
        literal = _literal(value, mark.end(), quoted=False)
        return literal if literal and literal[1] > literal[0] else _plain(value, _ENCODED_VALUE, mark.end())
    return _after_equals(value, begin, mark, secrecy)


def _is_secret(held: str, secrecy: Secrecy) -> bool:
    if secrecy is Secrecy.MAYBE and held != MARKER and is_spoken(held):
        return False
    return is_made(held) if secrecy is Secrecy.MAYBE else held == MARKER or not holds_nothing(held)


def _after_colon(value: str, begin: int, mark: re.Match[str], *, quoted: bool) -> Span | None:
    at = mark.end()
    if not quoted and value[at : at + 1] and value[at] in "\"'`" and value[begin - 1 : begin] == value[at]:
        # The quote ends the text whose last word is the name.
        return None
    tag = _TAGGED.match(value, at)
    at = tag.end() if tag else at
    literal = _literal(value, at, quoted=quoted)
    if literal is not None:
        return literal if literal[2] and (quoted or literal[1] > literal[0]) else None
    # An escaped line break in a quoted text is a backslash and a letter, which looks like the first one of the name.
    escaped = value[begin - 1 : begin + 1] in ("\\n", "\\r")
    begin += escaped
    before = value[max(0, begin - 1) : begin]
    at_line = before in ("", "\r", "\n")
    name = value[begin : mark.start()]
    if not quoted and _is_place(value, begin, name, mark):
        return None
    if "\n" in mark["after"] or "\r" in mark["after"]:
        return _on_the_next_line(value, name, mark) if at_line else None
    if not quoted and (at_line or escaped or before in ("'", '"')) and _HEADER_NAME.fullmatch(name):
        return _header(value, begin, at, at_line=at_line)
    if not quoted and before in (" ", "\t") and _is_indented_header(value, begin, at, name):
        return _header(value, begin, at, at_line=True)
    block = _BLOCK.match(value, at)
    if block is not None and block.end() > at + 2:
        return at, block.end() - (value[block.end() - 1] in "\r\n"), MARKER
    return _inline(value, begin, at, at_line=at_line)


def _header(value: str, begin: int, at: int, *, at_line: bool) -> Span | None:
    line = _LINE.match(value, at)
    end = line.end() if line else at
    if at_line:
        folded = _FOLDED.match(value, end)
        end = folded.end() if folded else end
    elif value[begin - 1] in "\"'":
        close = value.find(value[begin - 1], at, end)
        end = close if close >= 0 else end
    else:
        cut = _ESCAPED_LINE.search(value, at, end)
        end = cut.start() if cut else end
    return (at, end, MARKER) if end > at else None


def _is_place(value: str, begin: int, name: str, mark: re.Match[str]) -> bool:
    """Whether a name and the number after it are a position in a program, a host and its port, or a CSS property."""
    if value[begin : begin + 2] == "--":
        return True
    if mark["before"] or mark["after"] or not _POSITION.match(value, mark.end()):
        return False
    return "." in name or "-" in name or value[begin - 1 : begin] == "/"


def _is_indented_header(value: str, begin: int, at: int, name: str) -> bool:
    """Whether a header is in an indented or marked line, as in the output of curl."""
    first = value.rfind("\n", max(0, begin - _SHORT_NAME), begin) + 1
    if (
        begin - first >= _SHORT_NAME
        or not _LINE_HEAD.fullmatch(value, first, begin)
        or not _HEADER_NAME.fullmatch(name)
    ):
        return False
    line = _LINE.match(value, at, at + _JUDGED)
    held = line[0].strip() if line else ""
    return held == MARKER or not (is_spoken(held) or is_code(held))


def _on_the_next_line(value: str, name: str, mark: re.Match[str]) -> Span | None:
    """The value of a header that begins on the next line."""
    start = mark.end() - len(mark["after"])
    folded = _FOLDED.match(value, start)
    if folded is None or folded.end() == start or not _HEADER_NAME.fullmatch(name):
        return None
    return mark.end(), folded.end(), MARKER


def _inline(value: str, begin: int, at: int, *, at_line: bool) -> Span | None:
    """A value without quotes after a colon, as in YAML, in JavaScript objects and in messages."""
    special = _special(value, at)
    if special is not None:
        return special
    typed = _TYPED.match(value, at)
    if typed is not None:
        literal = _literal(value, typed.end(), quoted=False)
        return literal if literal is not None and literal[1] > literal[0] else None
    word = _WORD.match(value, at, at + _JUDGED)
    if word is None:
        return None
    grouped = _GROUPED.match(value, at)
    if grouped is not None:
        return at, grouped.end(), MARKER
    held, end = word[0].rstrip(".,!?"), word.end()
    following = value[end : end + 1]
    line_begins = at_line or not value[max(0, begin - _SHORT_NAME) : begin].rpartition("\n")[2].strip(" \t-{,(")
    ends = following in "\r\n" if following else True
    # A declaration gives a type, as in "$password: String!".
    if held == MARKER:
        return at, at + len(held), MARKER
    if (
        is_spoken(held)
        or is_code(value[at:end].rstrip())
        or is_code(value[at : end + 1])
        or _PAIR_INSIDE.match(held)
        or value[begin - 1 : begin] in ("$", ".")
        or _DECLARED.fullmatch(held)
    ):
        return None
    if value[at - 1] == ":" and not any(map(str.isdigit, held)):
        return None
    if not has_sign(held) and not (ends and line_begins) and following != "<":
        return None
    if following in " \t" and following and not any(map(str.isdigit, held)) and held.replace("-", "").isalpha():
        return None
    return at, _word_end(value, at, at + len(held)), MARKER


_PAIR_INSIDE = re.compile(r"[A-Za-z_][\w.-]{0,40}=[^=]")


def _special(value: str, at: int) -> Span | None:
    """A value in brackets, the default of a variable, or a value after an HTML tag."""
    sign = value[at : at + 1]
    if sign == "[":
        inner = _BRACKETED.match(value, at)
        if inner is not None and (
            inner[1] == MARKER or not (holds_nothing(inner[1]) or is_spoken(inner[1]) or inner[1].isalpha())
        ):
            return inner.start(1), inner.end(1), MARKER
    elif sign in ("$", '"', "'"):
        default = _DEFAULT.match(value, at)
        if default is not None:
            known = holds_nothing(default[1]) or is_spoken(default[1])
            return None if known and default[1] != MARKER else (default.start(1), default.end(1), MARKER)
    elif sign == "<":
        inner = _IN_MARKUP.match(value, at)
        if inner is not None and (inner[1] == MARKER or is_strong(inner[1])):
            return inner.start(1), inner.end(1), MARKER
    fallback = _FALLBACK.match(value, at)
    return None if fallback is None else _literal(value, fallback.end(), quoted=False)


def _after_equals(value: str, begin: int, mark: re.Match[str], secrecy: Secrecy) -> Span | None:
    at = mark.end()
    spaced = bool(mark["before"])
    sign = mark["sign"]
    if ("\n" in mark["after"] or "\r" in mark["after"]) and sign != "=>":
        return None
    default = _DEFAULT.match(value, at)
    if default is not None:
        return _special(value, at)
    literal = _literal(value, at, quoted=bool(mark["quote"]))
    if literal is not None:
        return _text_after_equals(value, at, mark, literal)
    if sign in ("==", "===") and spaced:
        return None
    special = _special(value, at)
    if special is not None:
        return special if special[1] > special[0] else None
    if spaced or sign in ("=>", ":=", "?="):
        return _assigned(value, begin, at)
    if mark["after"]:
        return None
    return _pair(value, begin, mark.start("sign") + 1, secrecy)


def _text_after_equals(value: str, at: int, mark: re.Match[str], literal: Span) -> Span | None:
    """A quoted text after the sign, or a concatenation; None when its quotes belong to another text."""
    sign = mark["sign"]
    tight = sign == "=" and not mark["before"]
    if tight and mark["after"]:
        return None
    if tight and value[at : at + 1] == "`" and " " in value[literal[0] : literal[1]]:
        # A command of a shell.
        return None
    joined = _JOINED_AFTER.match(value, at) if tight else None
    if joined is not None:
        return joined.start(2), joined.end(2), MARKER
    # The quotes of an attack belong to another text: "password=' OR '1'='1".
    if sign == "=" and value[literal[1] + 1 : literal[1] + 2].isalnum():
        return None
    return literal if literal[2] and literal[1] > literal[0] else None


_OPENING = {")": "(", "]": "[", "}": "{"}
_AROUND_PAIR = 200


def _pair(value: str, begin: int, at: int, secrecy: Secrecy) -> Span | None:
    """The value of a parameter, a cookie or a form field."""
    limit = at + _JUDGED
    pair = _PAIR_VALUE.match(value, at, limit)
    if pair is None or (is_code(pair[1]) and not pair[1].startswith(("%", "$2", "!", "&"))):
        return None
    end = pair.end() - (pair[1][-1] == "," and value[pair.end() : pair.end() + 1] in ("", " "))
    if pair[1][-1:] in _OPENING and end == pair.end() and pair[1].find(_OPENING[pair[1][-1]]) < 0:
        # The bracket belongs to a list that contains the pair.
        around = value[max(0, begin - _AROUND_PAIR) : begin]
        end -= around.rfind(_OPENING[pair[1][-1]]) > around.rfind(pair[1][-1])
        if end == at:
            return None
    if pair.end() == limit and (secrecy is Secrecy.SECRET or is_made(pair[1])):
        whole = _PAIR_VALUE.match(value, at)
        end = whole.end() if whole else end
    return at, end, MARKER


def _assigned(value: str, begin: int, at: int) -> Span | None:
    word = _WORD.match(value, at, at + _JUDGED)
    if word is None:
        return None
    held, end = word[0], word.end()
    if held == MARKER:
        return at, end, MARKER
    if is_spoken(held) or is_code(held) or is_code(value[at : end + 1]):
        return None
    line_begins = not value[max(0, begin - _SHORT_NAME) : begin].rpartition("\n")[2].strip(" \t;#")
    if not has_sign(held) or held.replace("_", "").replace(".", "").isalpha():
        following = value[end : end + 1]
        if not line_begins or following not in ("", "\r", "\n") or "_" in held or "." in held:
            return None
    return at, _word_end(value, at, end), MARKER


def _word_end(value: str, at: int, judged: int) -> int:
    """The end of a word of which only the beginning was examined."""
    whole = _WORD.match(value, at) if judged >= at + _JUDGED - 3 else None
    return whole.end() if whole else judged


def _literal(value: str, at: int, *, quoted: bool) -> Span | None:
    """A quoted value, a number or a list; the replacement is empty when the value must stay."""
    prefix = _PREFIXED.match(value, at)
    if prefix is not None:
        at = prefix.end()
    text = _QUOTED.match(value, at)
    if text is not None:
        index = text.lastindex or 0
        held = text[index]
        joined = _joined(value, text)
        if joined is not None:
            return joined
        if held != MARKER and (
            (holds_nothing(held) and held) or is_spoken(held) or "${" in held or (secrecy_of(held) and held.isalpha())
        ):
            return at, at, ""
        if text.end() == len(value) and held and value[text.end(index) :] in ("", "\\"):
            # The recording is cut off here, so the closing quote is added.
            head = value[at : text.start(index)]
            return at, text.end(), f"{head}{MARKER}{head}"
        return text.start(index), text.end(index), MARKER
    if not quoted:
        return None
    for kind in (_NUMBER, _LIST):
        other = kind.match(value, at)
        if other is not None:
            texts = ["".join(item) for item in _QUOTED_ITEM.findall(other[0], 0, _JUDGED * 4)] if kind is _LIST else []
            if any(texts) and all(holds_nothing(text) or is_spoken(text) for text in texts):
                return None
            quote = _quote_of(value, at)
            return at, other.end(), f"{quote}{MARKER}{quote}"
    return None


def _joined(value: str, text: re.Match[str]) -> Span | None:
    """A text that is concatenated from several, such as ``"Bearer " + "secret"``."""
    index = text.lastindex or 0
    last = text
    held = text[index]
    for _part in range(_MOST_PARTS):
        sign = _JOINED.match(value, last.end())
        part = _QUOTED.match(value, sign.end()) if sign else None
        if part is None:
            break
        last = part
        held += part[part.lastindex or 0]
    if last is text or holds_nothing(held) or is_spoken(held.strip()):
        return None
    return text.start(index), last.end(last.lastindex or 0), MARKER


_MOST_PARTS = 8


def _quote_of(value: str, at: int) -> str:
    """The quote that ends the name before a position, with its backslashes if it is JSON inside a text."""
    last = max(value.rfind(sign, 0, at) for sign in "\"'`")
    first = last
    while first and value[first - 1] == "\\":
        first -= 1
    return value[first : last + 1] if last >= 0 else '"'


def _plain(value: str, kind: re.Pattern[str], at: int) -> Span | None:
    found = kind.match(value, at)
    return None if found is None else (at, found.end(), MARKER)
