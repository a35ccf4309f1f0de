# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outer doors: modules, with Ansible's own handling of arguments and results, and filters."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from collections.abc import Iterator
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.common import warnings

PLUGINS = "ansible_collections.appsec.perimeter.plugins"


@contextlib.contextmanager
def _arguments(arguments: dict[str, Any]) -> Iterator[None]:
    """What AnsibleModule reads, the way of the ansible-core at hand."""
    try:
        from ansible.module_utils.testing import patch_module_args
    except ImportError:
        before = basic._ANSIBLE_ARGS
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        try:
            yield
        finally:
            basic._ANSIBLE_ARGS = before
    else:
        with patch_module_args(arguments):
            yield


def run_module(name: str, options: dict[str, Any], *, check: bool = False, diff: bool = True) -> dict[str, Any]:
    """What a module prints, as data, without what was put into it."""
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")
    internal = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_verbosity": 0}
    warnings._global_warnings.clear()
    printed = io.StringIO()
    with _arguments(options | internal), contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(printed.getvalue())
    result.pop("invocation", None)
    return result


def filters(plugin: str) -> dict[str, Any]:
    """The filters of a plugin file by name."""
    module = importlib.import_module(f"{PLUGINS}.filter.{plugin}")
    found: dict[str, Any] = module.FilterModule().filters()
    return found
