# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outer doors: modules, with Ansible's own handling of arguments and results, and filters."""

from __future__ import annotations

import importlib
from typing import Any

from tests.unit.plugins.module_utils.qualys_kit import run_main

PLUGINS = "ansible_collections.appsec.perimeter.plugins"


def run_module(name: str, options: dict[str, Any], *, check: bool = False, diff: bool = True) -> dict[str, Any]:
    """What a module prints, as data, without what was put into it."""
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")
    result = run_main(module.main, options, check=check, diff=diff).result
    result.pop("invocation", None)
    return result


def filters(plugin: str) -> dict[str, Any]:
    """The filters of a plugin file by name."""
    module = importlib.import_module(f"{PLUGINS}.filter.{plugin}")
    found: dict[str, Any] = module.FilterModule().filters()
    return found
