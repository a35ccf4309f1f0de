# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of authentication records share: options, secrets that must never be seen, and the sandbox's state."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record_fields import OPTIONS
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from .qualys_kit import Options, client_of

CANARY = "kanarienvogel"
HARD = f"{CANARY} \"'`&amp; <b> ]]> True False\r\n\tü東京 \\ {{{{ x }}}} %s "
"""A secret with everything that has ever been mangled on the way."""


def pem(label: str = "CERTIFICATE", text: str = CANARY) -> str:
    lines = base64.encodebytes(f"{text} not a real one ".encode() * 8).decode()
    return f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n"


PEM = pem() + pem("PRIVATE KEY", f"{CANARY} key")
PEM_CANARIES = PEM.splitlines()[1:3]
SCRIPT = {"name": "login.html", "data": f"<html>\r\n<td>{HARD}</td></html>", "regex": "Log ?out & <more>"}
LOGIN = [{"name": "username", "value": "bob & <co>"}, {"name": "password", "value": HARD}]
URLS = {"access_token_url": "https://login.test/token?a=1&b=2", "scope": "openid <all>"}
CLIENT = {"client_id": "scanner & co", "client_secret": HARD}
PATTERN = {"access_token_expired_msg_pattern": "(?i)token <expired>"}

RECORDS: dict[str, Options] = {
    "form standard": {"form": {"type": "STANDARD", "ssl_only": True, "fields": LOGIN}},
    "form custom": {
        "form": {
            "type": "CUSTOM",
            "fields": [
                {"name": "tenant", "value": "eu & <us>"},
                {"name": "answer", "value": HARD, "secured": True},
                {"name": "passwd", "value": HARD, "secured": False},
            ],
        }
    },
    "form selenium": {"form": {"type": "SELENIUM", "selenium_creds": True, "selenium_script": SCRIPT, "fields": LOGIN}},
    "form vault": {"form": {"type": "STANDARD", "auth_vault": True}},
    "server basic": {"server": {"ssl_only": True, "fields": [{"type": "BASIC", "username": "u", "password": HARD}]}},
    "server mixed": {
        "server": {
            "fields": [
                {"type": "DIGEST", "domain": "realm", "username": "d", "password": HARD},
                {"type": "NTLM", "domain": "CORP & <co>", "username": "n", "password": f"{HARD}2"},
            ]
        }
    },
    "server certificate": {"server": {"certificate": {"name": "client.pem", "contents": PEM, "passphrase": HARD}}},
    "form and server": {
        "form": {"type": "STANDARD", "fields": LOGIN},
        "server": {
            "certificate": {"name": "client.pem", "contents": PEM},
            "fields": [{"type": "NTLM", "domain": "CORP", "username": "n", "password": HARD}],
        },
    },
    "oauth2 code": {
        "oauth2": {
            "grant_type": "AUTH_CODE",
            "selenium_script": SCRIPT,
            "redirect_url": "https://shop.test/callback?x=1&y",
            **URLS,
            **CLIENT,
            **PATTERN,
            "selenium_creds": True,
        }
    },
    "oauth2 implicit": {
        "oauth2": {"grant_type": "IMPLICIT", "selenium_script": SCRIPT, "redirect_url": "https://shop.test/callback"}
    },
    "oauth2 password": {
        "oauth2": {"grant_type": "PASSWORD", **URLS, **CLIENT, **PATTERN, "username": "svc", "password": HARD}
    },
    "oauth2 client": {"oauth2": {"grant_type": "CLIENT_CREDS", **URLS, **CLIENT}},
}
"""One record of each kind, as a user writes it."""


NEW = "Shöp & <login> 東京"
MODES = ["clear_unless_secured", "masked", "absent"]
all_modes = pytest.mark.parametrize("mode", MODES)
secret_modes = pytest.mark.parametrize("mode", MODES[1:])
kinds = pytest.mark.parametrize("kind", RECORDS)


def filled(value: Any, spec: Options) -> Any:
    """A value of an option as Ansible hands it over: every suboption there, null where it was not given."""
    if value is None or "options" not in spec:
        return value
    if isinstance(value, list):
        return [filled(item, {**spec, "type": "dict"}) for item in value]
    unknown = set(value) - set(spec["options"])
    assert not unknown, unknown
    return {name: filled(value.get(name), inner) for name, inner in spec["options"].items()}


def record_entry(**options: Any) -> Options:
    """One entry of the option ``auth_records``."""
    blank = {"id": None, **{name: spec.get("default") for name, spec in OPTIONS.items()}}
    assert not set(options) - set(blank), options
    return {**blank, **{name: filled(value, OPTIONS.get(name, {})) for name, value in options.items()}}


def record_options(state: str = "present", **options: Any) -> Options:
    """The options of ``qualys_was_auth_record``."""
    return {"state": state, **record_entry(**options)}


def records_options(*records: Options, **options: Any) -> Options:
    """The options of ``qualys_was_auth_records``."""
    blank = {"state": "present", "auth_records": [record_entry(**record) for record in records], "prune": False}
    blank |= {"prune_filters": None, "ids": None, "filters": None, "filters_strict": True, "max_deletes": None}
    assert not set(options) - set(blank), options
    return {**blank, **options}


class Records:
    """Runs the room's logic against a sandbox, counts what it sees, and looks for secrets in all that comes out."""

    def __init__(self, sandbox: Sandbox, client: QualysClient) -> None:
        self.sandbox = sandbox
        self.writes = 0
        self._client = client

    def __call__(self, *, check: bool = False, **options: Any) -> Result:
        self.sandbox.reset_counters()
        try:
            result = run(record_options(**options), self._client, check)
        except Exception as error:
            nothing_secret_in(vars(error), str(error))
            raise
        finally:
            counters = self.sandbox.counters.snapshot()
            self.writes = counters["writes"]
            assert counters["internal_errors"] == 0
            assert not check or self.writes == 0
        nothing_secret_in(result.values, result.diff)
        return result

    def stored(self, key: int | str) -> Any:
        """What the sandbox holds of a record, by id or name."""
        table = self.sandbox.qualys.auth_records
        return table[key] if isinstance(key, int) else next(item for item in table.values() if item["name"] == key)

    def secrets(self, key: int | str) -> dict[str, str]:
        return stored_secrets(self.stored(key))


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Sandbox, QualysClient]]:
    with Sandbox(webapps=0, findings=0) as sandbox, client_of(sandbox, retries=1) as client:
        yield sandbox, client


@pytest.fixture
def records(running: tuple[Sandbox, QualysClient]) -> Iterator[Records]:
    """The seeded records of a subscription without web applications, as they were."""
    sandbox, client = running
    before = dict(sandbox.switches)
    yield Records(sandbox, client)
    sandbox.switches.update(before)
    sandbox.faults.clear()
    sandbox.reset()


def nothing_secret_in(*seen: Any) -> None:
    printed = json.dumps(seen, default=str, ensure_ascii=False)
    assert CANARY not in printed
    assert not [line for line in PEM_CANARIES if line in printed]


def stored_secrets(record: Any) -> dict[str, str]:
    """Every secret that the sandbox holds of a record, by its path."""
    found: dict[str, str] = {}
    form, server, oauth2 = (record.get(name) or {} for name in ("formRecord", "serverRecord", "oauth2Record"))
    for field in form.get("fields", ()):
        found[f"form.{field['name']}"] = field["value"]
    for field in server.get("fields", ()):
        found[f"server.{field['type']}"] = field.get("password")
    for name, value in (server.get("certificate") or {}).items():
        found[f"certificate.{name}"] = value
    for part in (form, oauth2):
        if part.get("seleniumScript"):
            found["script"] = part["seleniumScript"]["data"]
    found |= {name: oauth2[name] for name in ("password", "clientSecret") if name in oauth2}
    return found


def without(result: Result) -> Options:
    """A returned record without the keys that are no options, and without its id."""
    record = result.values["auth_record"]
    return {name: value for name, value in record.items() if name in OPTIONS}
