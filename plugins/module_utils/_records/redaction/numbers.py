# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Payment card numbers and personal identification numbers, recognised by a check digit or a fixed form.

This module is private to the collection and may change at any time.

A number counts only if its check passes: for a card, the issuer's prefix, the length and the Luhn digit together.
Twelve digits alone may be an order number, so an id without a distinctive form counts only in groups or next to its
name.
"""

from __future__ import annotations

import re
import typing as t

from .values import MARKER

_RUN = re.compile(r"(?<![\w.#-])\d(?:(?:[ .+-]|\u00a0|%20)?\d){8,200}+[xX]?+(?!\w|[.-]\d)", re.ASCII)
_GAP = r"([ .+-]|\u00a0|%20)"
_GROUPS = re.compile(rf"\d+|\d{{4}}{_GAP}\d{{4}}\1\d{{4}}\1\d{{1,7}}|\d{{4}}{_GAP}\d{{6}}\2\d{{4,5}}")
_SSN = re.compile(r"(?!000|666)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
_FOUR = re.compile(r"\d{4}([ -])\d{4}\1\d{4}")
_CPF = re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}")
_RRN = re.compile(r"\d{6}-[1-8]\d{6}")
_CN = re.compile(r"[1-9]\d{5}(?:19|20)\d{9}[\dXx]")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])", re.ASCII)
_LEAST = 9
_DIGITS = bytes(48 if sign in b"0123456789" else sign for sign in range(256))
_THREE = b"000"
"""Every such number has this at least once, because each is written in groups or as a whole."""
_NINE, _IBAN_SIGN = b"0" * _LEAST, re.compile(r"\b[A-Z]{2}\d{2}[ A-Z0-9]")
_NEAR = re.compile(
    r"aadha+r|uidai|\u0906\u0927\u093e\u0930|my ?-?_?number|"
    r"\u30de\u30a4\u30ca\u30f3\u30d0\u30fc|\u500b\u4eba\u756a\u53f7|kojin ?bango",
    re.IGNORECASE,
)
_AROUND = 40
_CARD_LENGTHS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4, 4, frozenset({13, 16, 19})),
    (51, 55, frozenset({16})),
    (2221, 2720, frozenset({16})),
    (34, 34, frozenset({15})),
    (37, 37, frozenset({15})),
    (6011, 6011, frozenset({16, 19})),
    (644, 659, frozenset({16, 19})),
    (622126, 622925, frozenset({16, 19})),
    (62, 62, frozenset({16, 17, 18, 19})),
    (3528, 3589, frozenset({16, 17, 18, 19})),
    (300, 305, frozenset({14})),
    (36, 36, frozenset({14})),
    (38, 39, frozenset({14})),
    (5018, 5018, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    (5020, 5020, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    (5038, 5038, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    (6304, 6304, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    (6759, 6763, frozenset({12, 13, 14, 15, 16, 17, 18, 19})),
    (2200, 2204, frozenset({16, 17, 18, 19})),
    (60, 60, frozenset({16})),
    (81, 82, frozenset({16})),
)
"""Prefix ranges of card issuers, first and last, and how many digits their cards have."""

_DIHEDRAL = (
    *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043"),
    *("8765932104", "9876543210"),
)
_PERMUTED = (
    *("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258"),
)


def has_digits(line: bytes) -> bool:
    """Whether a line, in ASCII, has as many digits in a row as the shortest number; separators do not count."""
    line = line.translate(_DIGITS)
    if _THREE not in line:
        return False
    if b"%00" in line:
        line = line.replace(b"%00", b"")
    return _NINE in line.translate(None, b" .+-?")


def redact_numbers(line: str) -> str:
    """A line without card numbers and personal identification numbers whose check passes."""
    near = _NEAR.search(line) is not None
    line = _RUN.sub(lambda run: MARKER if near and _is_named(run) else _without_numbers(run[0]), line)
    return _IBAN.sub(_iban, line) if _IBAN_SIGN.search(line) else line


def _without_numbers(run: str) -> str:
    """A run of digits and separators without the numbers in it, of which there may be several."""
    if "%20" in run:
        return MARKER if _is_number(run.replace("%20", " ")) else run
    if _is_number(run):
        return MARKER
    if " " not in run:
        return run
    groups = run.split(" ")
    if len(groups) % 4 == 0 and all(len(group) == 4 for group in groups):
        groups = [" ".join(groups[first : first + 4]) for first in range(0, len(groups), 4)]
    return " ".join(MARKER if len(group) > _LEAST and _is_number(group) else group for group in groups)


def _is_number(run: str) -> bool:
    digits = "".join(filter(str.isdigit, run))
    if _GROUPS.fullmatch(run) and 12 <= len(digits) <= 19 and is_card(digits):
        return True
    return any(form.fullmatch(run) is not None and check(digits, run) for form, check in _FORMS)


def _is_named(run: re.Match[str]) -> bool:
    around = run.string[max(0, run.start() - _AROUND) : run.end() + _AROUND]
    return len(run[0]) == 12 and run[0].isdigit() and _NEAR.search(around) is not None and _twelve(run[0], run[0])


def is_card(digits: str) -> bool:
    """Whether a number has the prefix, the length and the check digit of a payment card."""
    known = any(
        low <= int(digits[: len(str(low))]) <= high and len(digits) in lengths for low, high, lengths in _CARD_LENGTHS
    )
    return known and len(set(digits)) > 1 and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the Luhn digit at the end is right."""
    total = sum(map(int, digits[-1::-2])) + sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return total % 10 == 0


def verhoeff(digits: str) -> bool:
    """Whether the Verhoeff digit at the end is right, as in an Aadhaar number."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_DIHEDRAL[check][int(_PERMUTED[place % 8][int(digit)])])
    return check == 0


def my_number(digits: str) -> bool:
    """Whether the check digit of a Japanese individual number is right."""
    weights = (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def _twelve(digits: str, _run: str) -> bool:
    return len(set(digits)) > 1 and ((digits[0] > "1" and verhoeff(digits)) or my_number(digits))


def _ssn(digits: str, _run: str) -> bool:
    # Numbers from 900 belong to tax payers without a social security number, in some groups only.
    return digits[0] != "9" or 50 <= int(digits[3:5]) <= 99


def _cpf(digits: str, _run: str) -> bool:
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(digit) * (length + 1 - place) for place, digit in enumerate(digits[:length]))
        if total * 10 % 11 % 10 != int(digits[length]):
            return False
    return True


def _born(digits: str) -> bool:
    return 1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) <= 31


def _rrn(digits: str, _run: str) -> bool:
    weights = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))
    return _born(digits) and (11 - total % 11) % 10 == int(digits[12])


def _cn(_digits: str, digits: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))
    return _born(digits[8:14]) and "10X98765432"[total % 11] == digits[17].upper()


def _iban(match: re.Match[str]) -> str:
    text = match[0].replace(" ", "")
    moved = text[4:] + text[:4]
    valid = 15 <= len(text) <= 34 and int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1
    return MARKER if valid else match[0]


_FORMS: tuple[tuple[re.Pattern[str], t.Callable[[str, str], bool]], ...] = (
    (_SSN, _ssn),
    (_FOUR, _twelve),
    (_CPF, _cpf),
    (_RRN, _rrn),
    (_CN, _cn),
)
