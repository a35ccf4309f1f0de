# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which texts Ansible might evaluate as a template, and so have to be marked as data.

This module is private to the collection and may change at any time.

Ansible evaluates a text that it trusts when the text contains ``{{``, ``{%`` or ``{#``, and also when its first line is
a header such as ``#jinja2: variable_start_string:'[['``, which chooses other marks. Nobody can list everything that a
later version may obey, so the check does not look for templates: it accepts only text that cannot be one.
"""

from __future__ import annotations

import re

# Letters and digits of every language, spaces, and punctuation that cannot form a template. No line feed, brace,
# quotation mark, number sign or percent sign.
_CERTAINLY_DATA = re.compile(r"[\w \-.,:/@+&=?]*")


def is_certainly_data(text: str) -> bool:
    """Whether every version of Ansible treats the text as data. All other texts have to be marked."""
    return _CERTAINLY_DATA.fullmatch(text) is not None
