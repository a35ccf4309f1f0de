# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters whose code is imported when one of them is used.

To find one filter, Ansible loads every file in plugins/filter, and again in the process of each task that has a
template: the import of a room there would slow down every task of a play.
"""

from __future__ import annotations

import importlib
import typing as t

from ansible_collections.appsec.perimeter.plugins.plugin_utils._vendor_text import as_data

Filter = t.Callable[..., t.Any]
_HERE = __name__.rpartition(".")[0]


def filters_in(module: str, *names: str) -> dict[str, Filter]:
    """The filters by name, each with a result in which no text is ever a template.

    Args:
        module: name of the file beside this one that has the functions.
        names: names of the functions, which are also the names of the filters.
    """
    return {name: _on_demand(f"{_HERE}.{module}", name) for name in names}


def _on_demand(module: str, name: str) -> Filter:
    def call(*arguments: t.Any, **options: t.Any) -> t.Any:
        return as_data(getattr(importlib.import_module(module), name)(*arguments, **options))

    call.__name__ = name
    return call
