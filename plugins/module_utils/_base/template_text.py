# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texts Ansible may read as a template, and so have to be marked as data.

This module is private to the collection and may change at any time.

Ansible evaluates a text that it trusts when the text holds ``{{``, ``{%`` or ``{#``, and also when its first line is a
header such as ``#jinja2: variable_start_string:'[['``, which chooses other marks. Nobody can list everything that a
later version may obey, so the question here is not what looks like a template, but what certainly is none.
"""

from __future__ import annotations

import re

# Letters and digits of every language, space, and signs that no template can be made of. No line feed, no brace, no
# quotation mark, no number sign, no percent sign.
_CERTAINLY_DATA = re.compile(r"[\w \-.,:/@+&=?]*")


def is_certainly_data(text: str) -> bool:
    """Whether Ansible, whatever its version, takes the text for data. Every other text has to be marked."""
    return _CERTAINLY_DATA.fullmatch(text) is not None
