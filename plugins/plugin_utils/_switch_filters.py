# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of the filters that many tasks of roles use. They import nothing of the rooms."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean


def switch(value: t.Any) -> bool:
    """Whether a switch of a role is on: True for every word that Ansible's type check accepts as true."""
    try:
        return bool(boolean(value, strict=False))
    except TypeError:
        # A list or a mapping, which the type check refuses.
        return False


def async_dir(user: t.Any) -> str:
    """The folder in which background tasks leave their results.

    An absolute path: the two parts of Ansible's background jobs expand ``~`` differently when HOME is not the home of
    the user.

    Args:
        user: the user who runs Ansible, for an environment that does not name one, as in a container.
    """
    home = os.environ.get("HOME") or os.path.expanduser(f"~{os.environ.get('USER') or user}")
    return f"{home}/.ansible_async"
