# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a fork of the warm Python become ``ansible-playbook``, with the settings of its own environment.

Four fifths of the time of a short play go into importing Ansible and reading its own YAML files. The warm Python has
done both. A fork of it reads all settings again. If a setting differs that Ansible reads while it is imported, the fork
becomes a new Python instead.
"""

from __future__ import annotations

import ast
import atexit
import gc
import hashlib
import importlib
import importlib.resources
import inspect
import marshal
import os
import sys
import types
from collections.abc import Callable
from typing import Any

import sitecustomize

IMPORTED = (
    "ansible.cli.playbook",
    "ansible.executor.module_common",
    "ansible.executor.process.worker",
    "ansible.executor.task_executor",
    "ansible.plugins.filter.core",
    "ansible.plugins.filter.encryption",
    "ansible.plugins.filter.mathstuff",
    "ansible.plugins.filter.urls",
    "ansible.plugins.filter.urlsplit",
    "ansible.plugins.loader",
    "ansible.plugins.test.core",
    "ansible.plugins.test.files",
    "ansible.plugins.test.mathstuff",
    "ansible.plugins.test.uri",
)
PLUGINS = {
    "action": ("add_host", "assert", "debug", "fail", "include_vars", "normal", "set_fact", "validate_argument_spec"),
    "cache": ("memory",),
    "callback": ("default",),
    "connection": ("local",),
    "inventory": ("host_list",),
    "lookup": ("env", "vars"),
    "shell": ("sh",),
    "strategy": ("linear",),
}
"""What the plays of this collection load."""


class Controller:
    """An imported Ansible, and what its settings were at that time."""

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._constants: Any = importlib.import_module("ansible.constants")
        self._manager: Any = importlib.import_module("ansible.config.manager")
        self._record_reads()
        for name in IMPORTED:
            importlib.import_module(name)
        self._load_plugins()
        sitecustomize.keep_collection()
        sitecustomize.keep_templates()
        self._stop_recording()
        self._settings = self._settings_now()
        self._keep_yaml()
        _keep_imports()

    def become(self, arguments: list[str]) -> None:
        """Read all settings again; if one differs that was read while importing, become a new Python.

        Args:
            arguments: the program and its arguments.
        """
        # The folder for temporary files of the warm Python is not this run's to remove.
        atexit._clear()
        gc.disable()
        self._read_settings()
        # Plugins in the user's folder would be looked for in that of the warm Python.
        own_plugins = os.path.exists(os.path.join(self._home(), "plugins"))
        if own_plugins or self._settings_now() != self._settings:
            os.execv(sys.executable, [sys.executable, *arguments])
        sys.executable = os.environ.get("TEST_INTERPRETER") or sys.executable

    def _read_settings(self) -> None:
        """Fill the modules that others have imported already, rather than make new ones."""
        config, manager = self._constants.config, self._manager
        options = config._plugins
        config.__init__()
        config._plugins = options
        made, manager.ConfigManager = manager.ConfigManager, lambda: config
        importlib.reload(self._constants)
        manager.ConfigManager = made

    def _load_plugins(self) -> None:
        loaders = importlib.import_module("ansible.plugins.loader")
        for kind, names in PLUGINS.items():
            for name in names:
                getattr(loaders, f"{kind}_loader").get(name, class_only=True)

    def _record_reads(self) -> None:
        read, config = self._read, self._constants.config
        ask: Callable[..., Any] = config.get_config_value

        class Recording(types.ModuleType):
            def __getattribute__(self, name: str) -> Any:
                read.add(name)
                return super().__getattribute__(name)

        def recorded(name: str, *rest: Any, **more: Any) -> Any:
            read.add(name)
            return ask(name, *rest, **more)

        config.get_config_value = recorded
        self._constants.__class__ = Recording

    def _stop_recording(self) -> None:
        self._constants.__class__ = types.ModuleType
        del self._constants.config.get_config_value

    def _settings_now(self) -> dict[str, str]:
        """Each setting that was read while importing, without the folder that each run has of its own."""
        home = self._home()
        known = self._constants.config.get_configuration_definitions()
        return {name: str(getattr(self._constants, name)).replace(home, "") for name in self._read if name in known}

    def _home(self) -> str:
        return str(self._constants.config.get_config_value("ANSIBLE_HOME"))

    def _keep_yaml(self) -> None:
        """Parse the two large files of Ansible itself once: what its settings are, and where its plugins went."""
        finder: Any = importlib.import_module("ansible.utils.collection_loader._collection_finder")
        parse = importlib.import_module("ansible.utils.collection_loader._collection_meta")._meta_yml_to_dict
        definitions = self._constants.config._base_defs
        routing = importlib.resources.files("ansible.config").joinpath("ansible_builtin_runtime.yml").read_bytes()
        routes = parse(routing, ("ansible.builtin", "runtime.yml"))

        self._manager.ConfigManager._read_config_yaml_file = lambda _config, _path: definitions
        finder._meta_yml_to_dict = lambda text, name: routes if text == routing else parse(text, name)


class _Source:
    """A file's syntax tree, which is made when somebody looks at it."""

    def __init__(self, text: str | bytes) -> None:
        self.text = _bytes(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(ast.parse(self.text), name)


def _bytes(text: str | bytes) -> bytes:
    return bytes(text) if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def _keep_imports() -> None:
    """Look for the imports of each file once, and not for each module that takes the file along."""
    common: Any = importlib.import_module("ansible.executor.module_common")
    version = importlib.import_module("ansible.release").__version__
    find = common.ModuleDepFinder.__init__
    takes_tree = "tree" in inspect.signature(find).parameters

    def found(finder: Any, module_fqn: str, source: Any, is_pkg_init: bool = False) -> None:
        lazy = source if takes_tree else _Source(source)
        key = hashlib.sha256(repr((version, module_fqn, is_pkg_init)).encode() + lazy.text).hexdigest()
        kept = os.path.join(sitecustomize.FOLDER, f"imports-{key}")
        try:
            with open(kept, "rb") as file:
                finder.submodules, finder.optional_imports = marshal.loads(file.read())
        except OSError:
            find(finder, module_fqn, ast.parse(lazy.text) if takes_tree else source, is_pkg_init)
            # Only the newest versions have embeds; no module of this collection has.
            if not getattr(finder, "embeds", None):
                sitecustomize.keep(kept, (finder.submodules, finder.optional_imports))
        else:
            finder.embeds, finder.tree = set(), lazy

    if takes_tree:
        common.compile = lambda source, *_how: _Source(source)
    common.ModuleDepFinder.__init__ = found
