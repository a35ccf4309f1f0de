# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the machine on which modules run. Sends nothing and writes nothing.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import platform
import shutil
import typing as t

from .._base.errors import MissingLibrary, PerimeterError
from .._base.files import unwritable
from .._http.session import HttpSession
from .._http.settings import parse_proxy, settings_from
from .._records.result import Result
from .._state.directory import state_directory, warn_of_group
from .checks import Check
from .libraries import MACHINE, check_libraries, version_numbers

Params = t.Mapping[str, t.Any]
LOWEST_PYTHON = "3.11"
LOWEST_CORE = "2.16"
LITTLE_SPACE = 100 * 1024 * 1024
"""Bytes. Positions and caches are small; the logs of a busy day are not."""
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def run(params: Params, _check_mode: bool) -> Result:
    """Check the machine. This only reads, so check mode makes no difference."""
    environ = os.environ
    checks = [
        _version("Python", platform.python_version(), LOWEST_PYTHON),
        *([_version("ansible-core", params["core_version"], LOWEST_CORE)] if params.get("core_version") else []),
        *check_libraries(params["required_libraries"]),
        *_state_directory(params.get("state_dir"), environ),
        *_network(params, environ),
    ]
    return Result(values={"checks": [check.to_dict() for check in checks]})


def shown(params: Params, _environ: t.Mapping[str, str]) -> list[str]:
    """The address of a proxy without credentials, which is not secret and is useful to see."""
    proxy = params.get("proxy")
    return [proxy] if proxy and "@" not in proxy else []


def _version(name: str, found: str, lowest: str) -> Check:
    if version_numbers(found) < version_numbers(lowest):
        text = f"{name} {found} is older than {lowest}."
        return Check(MACHINE, name, "failed", text, f"Run modules with {name} {lowest} or newer.")
    return Check(MACHINE, name, "ok", f"{name} {found} is used.")


def _state_directory(option: str | None, environ: t.Mapping[str, str]) -> list[Check]:
    name = "state directory"
    try:
        folder = state_directory(option, environ, create=False)
    except PerimeterError as error:
        return [Check(MACHINE, name, "failed", error.message, error.hint)]
    place = _nearest(folder)
    if (problem := "it is not a directory" if not place.is_dir() else unwritable(place)) is not None:
        text = f"state_dir: {folder} cannot be written, because of {place}: {problem}."
        hint = "Give a folder that this user can write, with state_dir or PERIMETER_STATE_DIR."
        return [Check(MACHINE, name, "failed", text, hint)]
    where = f"{folder} can be written." if place == folder else f"{folder} can be created."
    found = [Check(MACHINE, name, "ok", where)]
    if (free := shutil.disk_usage(place).free) < LITTLE_SPACE:
        text = f"state_dir: only {free // (1024 * 1024)} MiB are free in {place}."
        found.append(Check(MACHINE, "space", "warning", text, "Free disk space, or give another state_dir."))
    hint = "Remove the write permission of the group (chmod g-w), unless the volume needs it."
    found += [Check(MACHINE, name, "warning", text, hint) for text in warn_of_group(folder)]
    return found


def _nearest(folder: pathlib.Path) -> pathlib.Path:
    """The folder itself, or its nearest existing parent."""
    return next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)


def _network(params: Params, environ: t.Mapping[str, str]) -> list[Check]:
    """The checks of proxy, CAs and client certificate that need no request."""
    try:
        HttpSession(settings_from(params)).close()
    except MissingLibrary:
        return []  # the check of the package reports it
    except PerimeterError as error:
        return [Check(MACHINE, "network settings", "failed", error.message, error.hint)]
    found = [_proxy(params.get("proxy"), environ)]
    if not params.get("validate_certs", True):
        text = "validate_certs is false: anybody on the network can read and change everything, credentials included."
        found.append(Check(MACHINE, "tls", "warning", text, "Set validate_certs to true, and give the CA by ca_path."))
    return found


def _proxy(option: str | None, environ: t.Mapping[str, str]) -> Check:
    name, text = ("proxy", option) if option else ("", "")
    if not text:
        name, text = next(((item, environ[item]) for item in _PROXIES if environ.get(item)), ("", ""))
    if not text:
        return Check(MACHINE, "proxy", "ok", "No proxy is set.")
    try:
        return Check(MACHINE, "proxy", "ok", f"The proxy is {parse_proxy(text, name).url}, from {name}.")
    except PerimeterError as error:
        return Check(MACHINE, "proxy", "failed", error.message, error.hint)
