# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The function of the filter that reads the variables of a role from the environment."""

from __future__ import annotations

import os
import pathlib
import typing as t

from ansible.errors import AnsibleFilterError

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
