# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks a vendor's data for Ansible as data, which is never evaluated as a template."""

from __future__ import annotations

import functools
import typing as t

import ansible.template
from ansible.utils.unsafe_proxy import wrap_var

# From ansible-core 2.19 on, only text that is marked as trusted is a template, and data of a server never is.
_NOTHING_IS_TRUSTED = hasattr(ansible.template, "trust_as_template")


def as_data(value: t.Any) -> t.Any:
    """The value, in which no text is ever a template.

    Before ansible-core 2.19 every text is marked, keys included: a template needs no brace, since the first line of a
    text may choose other delimiters. The mark is visible in the output of ansible-inventory.
    """
    if isinstance(value, dict):
        return {as_data(name): as_data(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_data(item) for item in value]
    return _unsafe(value) if isinstance(value, str) else value


def data_from(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """The function of a filter, with a result in which no text is ever a template."""

    @functools.wraps(function)
    def wrapped(*arguments: t.Any, **options: t.Any) -> t.Any:
        return as_data(function(*arguments, **options))

    return wrapped


def _unsafe(text: str) -> str:
    return text if _NOTHING_IS_TRUSTED else t.cast("str", wrap_var(text))
