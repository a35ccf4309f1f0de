# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of the filters of roles for their variables."""

from __future__ import annotations

import os
import pathlib
import typing as t

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError, PolicyError
from ansible_collections.appsec.perimeter.plugins.module_utils._records.policy.documents import parse


def from_environment(variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The values of variables, parsed when they are the text of their environment variable; and the problems."""
    given, problems = dict[str, t.Any](), list[str]()
    for name, value in variables.items():
        given[name] = value
        source = f"PERIMETER_{name.upper()}"
        text = os.environ.get(source, "")
        if not text or value != text:
            continue
        try:
            # The original bytes, so that text that is not UTF-8 is refused with the name of the variable.
            given[name] = parse(text.encode("utf-8", "surrogateescape"), source, pathlib.Path("the text"))
        except PolicyError as error:
            problems.append(f'{error.message} Give a list as JSON, such as ["first", "second"].')
        except PerimeterError as error:
            raise AnsibleFilterError(str(error)) from error
    return {"given": given, "problems": problems}


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
