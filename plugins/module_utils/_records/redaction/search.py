# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for possible ends of secrets' names and for words before secrets; nearly all texts have neither.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from .names import FOREIGN_STEMS, STEMS

_RAREST = "qjxzkwvygbpfumdhclsnoirate"
"""Letters of names in HTML and English, the rarest first."""


def _anchors(words: t.Iterable[str]) -> str:
    """Letters, the rarest first, such that every ASCII word has one of them: a search stops at no other letter."""
    needed = [set(word) for word in words if word.isascii()]
    kept = _RAREST
    for letter in reversed(_RAREST):
        others = kept.replace(letter, "")
        if all(not word.isdisjoint(others) for word in needed):
            kept = others
    return kept


def _anchored(word: str, anchors: str) -> str:
    """A word as an expression that begins at its rarest letter."""
    at = min((anchors.find(sign) % 99, place) for place, sign in enumerate(word))[1] if word.isascii() else 0
    # The letters before it are checked last, because branches with different first letters are distinguished quickly.
    return re.escape(word[at:]) + (f"(?<={re.escape(word)})" if at else "")


def _grouped(words: t.Sequence[str], anchors: str) -> str:
    """An alternation of words in which those with the same anchor share it."""
    heads: dict[str, list[str]] = {}
    for word in words:
        anchored = _anchored(word, anchors)
        heads.setdefault(anchored[0], []).append(anchored[1:])
    return "|".join(f"{head}(?:{'|'.join(rests)})" for head, rests in heads.items())


_NAME_REST = r"(?:[\w.$\[\]-]|%(?:25)?(?:5[bdf]|2[de]|[89a-f][0-9a-f])){0,80}+"
_MARK = r"[=:<>,\uff1a\uff1d]|%(?:25)?(?:3[ad]|22)|&(?:quot|\#3[49]|\#x2[27]|gt|lt);|\\u00(?:22|3d|3a)"
_ENDINGS = (
    rf"{_NAME_REST}(?=[\s\\\"'`)\]/]{{0,12}}+(?:{_MARK})|[\\\"'`]{{1,3}}(?:[\s/}}]|\Z)|\s{{1,8}}+(?:\"|'|[a-z:-]{{1,20}}+\s{{0,3}}+=)|"
    # A call, a sentence, and a directive as in netrc, whose value contains a digit.
    r"\(\s{0,3}+[\"'`]|\s{1,3}+(?:(?:set|reset|changed|now)\s)?+(?:is|was|to|by|lautet|ist|war|est):?\s|"
    r"[\ \t]{1,4}+(?:\d[\ \t]{1,3}+)?+[^\s\d<>=]{0,60}+\d|"
    r"(?<=bindpw)[\ \t]|(?<=rootpw)[\ \t]|[\"']?+[\ \t]*+\r?\n[\ \t-]*+(?:value|default|content):)"
)
_LINE_ENDINGS = rf"(?:{_ENDINGS}|{_NAME_REST}(?=[\ \t\r\"'`\\]*+(?:\n|\Z)))"
# The end of a line also ends a name, whose value may be on the next line.
_ANCHORS = _anchors(STEMS)
FINDERS = {
    # Whether the text has no name in letters of other languages.
    plain: re.compile(f"(?:{_grouped(stems, _ANCHORS)}){_LINE_ENDINGS}", re.VERBOSE)
    for plain, stems in ((True, STEMS), (False, (*STEMS, *FOREIGN_STEMS)))
}
_SCHEMES = ("bearer", "basic", "token", "apikey", "ntlm", "negotiate", "accesssignature")
_WORDS = (*_SCHEMES, "aws4", "identified", "values")
_BEFORE_SECRET = (
    rf"(?:{'|'.join(f'(?<={word})' for word in _SCHEMES)})(?=[\ +%])|"
    r"(?<=aws4)-|(?<=identified)[\ \t]|(?<=values)\s{0,8}\("
)
"""The text before a secret without a name: the scheme of a credential, or words of SQL."""
_WORD_BEFORE = re.compile(rf"(?:{_grouped(_WORDS, _anchors(_WORDS))})(?:{_BEFORE_SECRET})", re.VERBOSE)
LONGEST_WORD = max(map(len, _WORDS))
FIRST = {
    # One expression for both, because the search costs more than the match.
    plain: re.compile(
        f"(?:{_grouped((*stems, *_WORDS), _anchors((*STEMS, *_WORDS)))})(?:{_LINE_ENDINGS}|{_BEFORE_SECRET})",
        re.VERBOSE,
    )
    for plain, stems in ((True, STEMS), (False, (*STEMS, *FOREIGN_STEMS)))
}
_FOREIGN = re.compile("|".join(map(re.escape, FOREIGN_STEMS)))


def holds_word(folded: str) -> bool:
    """Whether a text, in lower case, has a word that a secret without a name may follow."""
    return _WORD_BEFORE.search(folded) is not None


def is_plain(folded: str) -> bool:
    """Whether a text has no name in letters of other languages."""
    return folded.isascii() or _FOREIGN.search(folded) is None
