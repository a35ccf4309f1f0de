# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the Qualys rooms and modules share: sandboxes, clients, options, and modules run in this process.

Everything travels over real sockets to the sandbox; only the pauses between tries are taken out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import warnings
from ansible.module_utils.common.parameters import PASS_VARS

from ansible_collections.appsec.perimeter.plugins.module_utils._http import governor, session
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient, connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.connection import ENVIRONMENT
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import FIELDS
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile import settle
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.spec import option_spec
from tests.sandbox import Sandbox

Options = dict[str, Any]

PROXY_VARIABLES = [f"{name}_proxy" for name in ("http", "https", "all", "no")]
OUTSIDE = [
    *ENVIRONMENT.values(),
    *PROXY_VARIABLES,
    *(name.upper() for name in PROXY_VARIABLES),
    "PERIMETER_CA_PATH",
    "PERIMETER_PROXY",
    "PERIMETER_STATE_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits, and nothing outside of the test has a say."""
    monkeypatch.setattr(settle, "DELAYS", (0.0,) * 5)
    monkeypatch.setattr(session, "backoff", lambda _attempt, **_options: 0.0)
    monkeypatch.setattr(governor, "backoff", lambda _attempt, **_options: 0.0)
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared_estate() -> Iterator[Sandbox]:
    with Sandbox(webapps=200, findings=700) as running:
        yield running


@pytest.fixture
def estate(shared_estate: Sandbox) -> Iterator[Sandbox]:
    """200 web applications and 700 findings, for tests that only read."""
    shared_estate.reset_counters()
    shared_estate.faults.clear()
    before = dict(shared_estate.switches)
    yield shared_estate
    shared_estate.switches.update(before)
    shared_estate.faults.clear()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A subscription of its own with twenty web applications and no findings, for tests that write."""
    with Sandbox(webapps=20, findings=0) as running:
        yield running


@pytest.fixture
def empty() -> Iterator[Sandbox]:
    """A subscription without web applications."""
    with Sandbox(webapps=0, findings=0) as running:
        yield running


def connection(sandbox: Sandbox, **options: Any) -> Options:
    """Connection options for a sandbox."""
    return {"api_url": sandbox.url, "username": sandbox.username, "password": sandbox.password, **options}


@contextlib.contextmanager
def client_of(sandbox: Sandbox, **options: Any) -> Iterator[QualysClient]:
    """A client of the sandbox; keywords are further connection options."""
    with connect(connection(sandbox, **options), {}) as client:
        yield client


_FILTERING = {"filters": None, "filters_strict": True}


def webapp_options(**options: Any) -> Options:
    """The options of ``qualys_was_webapp`` as Ansible hands them over: every one there, the defaults filled in."""
    blank = {name: spec.get("default") for name, spec in option_spec(FIELDS).items()}
    own = {"state": "present", "id": None, "reactivate_if_exists": False, "remove_from_subscription": True}
    unknown = set(options) - set(blank) - set(own)
    assert not unknown, unknown
    return {**blank, **own, **options}


def entry(**options: Any) -> Options:
    """One entry of the option ``webapps``."""
    whole = webapp_options(**options)
    return {name: value for name, value in whole.items() if name not in ("state", "remove_from_subscription")}


def webapps_options(*webapps: Options, **options: Any) -> Options:
    """The options of ``qualys_was_webapps``."""
    blank = {
        "state": "present",
        "webapps": list(webapps) if webapps or options.get("state", "present") == "present" else None,
        "prune": False,
        "prune_filters": None,
        "ids": None,
        **_FILTERING,
        "max_deletes": None,
        "remove_from_subscription": True,
    }
    assert not set(options) - set(blank), options
    return {**blank, **options}


def info_options(**options: Any) -> Options:
    """The options of both ``_info`` modules."""
    blank = {"id": None, **_FILTERING, "detail": "summary", "count_only": False, "limit": None, "query": None}
    return {**blank, "sensitive": "redact", "include_raw": False, **options}


def export_options(dest: Any, **options: Any) -> Options:
    """The options of ``qualys_was_finding_export``."""
    blank = {**_FILTERING, "detail": "verbose", "since": None, "compress": None}
    return {"dest": str(dest), **blank, "sensitive": "redact", "include_raw": False, **options}


def fed_back(shown: Mapping[str, Any]) -> Options:
    """A returned web application as options, without the keys that are no options."""
    known = {"id", *(field.name for field in FIELDS)}
    return {name: value for name, value in shown.items() if name in known}


def routes(sandbox: Sandbox, word: str = "") -> list[str]:
    """The requests that the sandbox has seen, in order, as ``METHOD path``."""
    seen = [f"{item['method']} {item['path']}" for item in sandbox.counters.snapshot()["recent"]]
    return [item for item in seen if word in item]


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a module printed, and how it ended."""

    result: dict[str, Any]
    code: int
    printed: str

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))

    @property
    def msg(self) -> str:
        return str(self.result.get("msg", ""))


@contextlib.contextmanager
def module_arguments(arguments: Options) -> Iterator[None]:
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


def run_main(
    main: Callable[[], None],
    arguments: Options,
    *,
    check: bool = False,
    diff: bool = False,
    verbosity: int = 0,
    tracebacks: Sequence[str] = (),
) -> Ran:
    """Run a module's ``main`` in this process, with Ansible's real handling of arguments and results."""
    internal = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_verbosity": verbosity}
    if "tracebacks_for" in PASS_VARS:
        internal["_ansible_tracebacks_for"] = list(tracebacks)
        # ansible-core looks this up once in the life of a process, and a module is a process of its own.
        events = importlib.import_module("ansible.module_utils._internal._traceback")
        events._module_tracebacks_enabled_events = None
    printed = io.StringIO()
    warnings._global_warnings.clear()
    with module_arguments(arguments | internal), contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as end:
        main()
    text = printed.getvalue()
    code = end.value.code
    return Ran(json.loads(text), code if isinstance(code, int) else 0, text)


def run_module(name: str, sandbox: Sandbox | None, /, **options: Any) -> Ran:
    """Run a module of the collection against a sandbox; ``check``, ``diff`` and ``verbosity`` are taken out."""
    steering = {key: options.pop(key) for key in ("check", "diff", "verbosity", "tracebacks") if key in options}
    module = importlib.import_module(f"ansible_collections.appsec.perimeter.plugins.modules.{name}")
    arguments = options if sandbox is None else connection(sandbox) | options
    return run_main(module.main, arguments, **steering)
