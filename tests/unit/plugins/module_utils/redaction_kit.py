# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of recorded traffic, and the question whether a secret is still in a text.

All values are invented. ``_records/samples/secrets.json`` marks what it holds, so that each value is written once:

- ``«secret»`` must be gone after redaction;
- ``‹kept›`` must still be there;
- ``⟪text⟫`` comes in base64.

A text is one string or a list of strings to be joined. Tokens of vendors are stored in pieces, so that no scanner of
repositories takes them for real ones.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SAMPLES = Path(__file__).parent / "_records" / "samples"

_MARKS = str.maketrans("", "", "«»‹›")
_BASE64 = re.compile(r"[\w+/-]{16,}(?:\r?\n[ \t]*[\w+/-]{4,})*={0,2}", re.ASCII)
_ENCODERS: dict[str | None, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "base64 lines": base64.encodebytes,
    "base64url": base64.urlsafe_b64encode,
}
_SHORTEST, _LONGEST = 4, 12
"""Characters of a secret in a row that may not be left over: half of it, within these bounds."""


class Sample(NamedTuple):
    """One piece of evidence.

    Attributes:
        secrets: values that must be gone, as written in the text (or in what its base64 holds).
        keep: parts that must still be there.
    """

    id: str
    family: str
    text: str
    secrets: tuple[str, ...]
    keep: tuple[str, ...]


def load(name: str) -> list[Sample]:
    """All samples of ``secrets`` or ``harmless``."""
    return [_sample(item) for item in json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))]


def leaks(sample: Sample, redacted: str) -> list[str]:
    """Secrets of a sample of which a recognisable part is left, in plain or in base64."""
    readable = forms(redacted)
    return [secret for secret in sample.secrets if any(piece in readable for piece in fragments(secret))]


def losses(sample: Sample, redacted: str) -> list[str]:
    """Parts that should have been kept and are not there any more."""
    readable = forms(redacted)
    return [part for part in sample.keep if part not in readable]


def forms(text: str) -> str:
    """A text, followed by what the base64 in it holds."""
    return "\n".join([text, *(_decoded(found[0]) for found in _BASE64.finditer(text))])


def fragments(secret: str) -> Iterator[str]:
    """All parts of a secret of the length from which on they give it away."""
    length = min(max((len(secret) + 1) // 2, _SHORTEST), _LONGEST)
    return (secret[start : start + length] for start in range(max(len(secret) - length, 0) + 1))


def table(samples: Iterable[Sample], failed: dict[str, Any]) -> str:
    """Failures for each family, and what each of them was: ``failed`` has them by the sample's id."""
    lines = []
    for family, (ids, total) in by_family(samples, failed).items():
        lines.append(f"{family:26} {len(ids):3} of {total} failed")
        lines += [f"    {name}: {failed[name]!r:.160}" for name in ids]
    return "\n".join(["", *lines])


def by_family(samples: Iterable[Sample], failed: dict[str, Any]) -> dict[str, tuple[list[str], int]]:
    """For each family the ids of its samples that failed, and the number of all its samples."""
    counted: dict[str, tuple[list[str], int]] = {}
    for sample in samples:
        ids, total = counted.get(sample.family, ([], 0))
        counted[sample.family] = ([*ids, sample.id] if sample.id in failed else ids, total + 1)
    return counted


def _sample(item: dict[str, Any]) -> Sample:
    marked = "".join(item["text"])
    plain = re.sub(r"⟪(.*?)⟫", lambda found: _base64(found[1]), marked.translate(_MARKS), flags=re.DOTALL)
    encode = _ENCODERS.get(item.get("encoding"))
    text = encode(plain.encode()).decode() if encode else plain
    return Sample(item["id"], item["family"], text, _marked(marked, "«»"), _marked(marked, "‹›"))


def _marked(text: str, marks: str) -> tuple[str, ...]:
    return tuple(re.findall(f"{marks[0]}([^{marks}]+){marks[1]}", text))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    data = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4)).decode("utf-8", "replace")
    except binascii.Error:
        return ""
