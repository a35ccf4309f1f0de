# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Qualys is and who asks: platforms, credentials, and an environment that binds late."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.connection import PLATFORMS, resolve

BASIC = {"username": "ada", "password": "canary-password"}
TOKEN = {"client_id": "robot", "client_secret": "canary-secret"}

# The table of docs/vendors/qualys_was.md 2.2.
TABLE = """
qg1 qualysapi.qualys.com gateway.qg1.apps.qualys.com
qg2 qualysapi.qg2.apps.qualys.com gateway.qg2.apps.qualys.com
qg3 qualysapi.qg3.apps.qualys.com gateway.qg3.apps.qualys.com
qg4 qualysapi.qg4.apps.qualys.com gateway.qg4.apps.qualys.com
eu1 qualysapi.qualys.eu gateway.qg1.apps.qualys.eu
eu2 qualysapi.qg2.apps.qualys.eu gateway.qg2.apps.qualys.eu
eu3 qualysapi.qg3.apps.qualys.it gateway.qg3.apps.qualys.it
in1 qualysapi.qg1.apps.qualys.in gateway.qg1.apps.qualys.in
ca1 qualysapi.qg1.apps.qualys.ca gateway.qg1.apps.qualys.ca
ae1 qualysapi.qg1.apps.qualys.ae gateway.qg1.apps.qualys.ae
uk1 qualysapi.qg1.apps.qualys.co.uk gateway.qg1.apps.qualys.co.uk
au1 qualysapi.qg1.apps.qualys.com.au gateway.qg1.apps.qualys.com.au
ksa1 qualysapi.qg1.apps.qualysksa.com gateway.qg1.apps.qualysksa.com
"""
HOSTS = [line.split() for line in TABLE.strip().splitlines()]
ALIASES = {"us1": "qg1", "us2": "qg2", "us3": "qg3", "us4": "qg4"}


def of(environ: dict[str, str] | None = None, **params: Any) -> Any:
    return resolve(params, environ or {})


@pytest.mark.parametrize(("platform", "api", "gateway"), HOSTS, ids=[row[0] for row in HOSTS])
def test_each_platform_has_its_api_server_and_its_gateway(platform: str, api: str, gateway: str) -> None:
    assert of(platform=platform, **BASIC).api_url == f"https://{api}"
    found = of(platform=platform.upper(), **TOKEN)
    assert (found.api_url, found.gateway_url) == (f"https://{api}", f"https://{gateway}")


@pytest.mark.parametrize(("alias", "platform"), ALIASES.items())
def test_the_old_names_of_the_american_platforms_are_aliases(alias: str, platform: str) -> None:
    assert of(platform=alias, **TOKEN) == of(platform=platform, **TOKEN)


def test_thirteen_platforms_and_four_aliases_are_known() -> None:
    assert set(PLATFORMS) == {row[0] for row in HOSTS} | set(ALIASES)
    assert len(HOSTS) == 13


def test_an_api_url_replaces_the_platform() -> None:
    assert of(api_url="https://qualysapi.corp.example:8443/", **BASIC).api_url == "https://qualysapi.corp.example:8443"


def test_a_gateway_url_replaces_that_of_the_platform() -> None:
    found = of(platform="eu1", gateway_url="https://gw.example", **TOKEN)
    assert (found.api_url, found.gateway_url) == ("https://qualysapi.qualys.eu", "https://gw.example")


ENVIRON = {
    "QUALYS_WAS_PLATFORM": "qg2",
    "QUALYS_WAS_USERNAME": "env-user",
    "QUALYS_WAS_PASSWORD": "env-password",
}
ENVIRON_TOKEN = {
    "QUALYS_WAS_URL": "https://env.example",
    "QUALYS_WAS_GATEWAY_URL": "https://env-gateway.example",
    "QUALYS_WAS_CLIENT_ID": "env-client",
    "QUALYS_WAS_CLIENT_SECRET": "env-secret",
}


def test_everything_may_come_from_the_environment() -> None:
    found = of(ENVIRON)
    assert (found.api_url, found.username, found.password) == (
        "https://qualysapi.qg2.apps.qualys.com",
        "env-user",
        "env-password",
    )
    found = of(ENVIRON_TOKEN)
    assert (found.api_url, found.gateway_url, found.client_id, found.client_secret) == tuple(ENVIRON_TOKEN.values())


def test_an_option_of_the_task_beats_its_variable() -> None:
    found = of(ENVIRON, platform="eu1", username="ada")
    assert (found.api_url, found.username, found.password) == ("https://qualysapi.qualys.eu", "ada", "env-password")


def test_an_option_of_the_task_beats_the_variables_of_the_other_way_to_say_it() -> None:
    assert of(ENVIRON, api_url="https://task.example").api_url == "https://task.example"
    assert of(ENVIRON_TOKEN, platform="eu1").api_url == "https://qualysapi.qualys.eu"
    basic = of(ENVIRON_TOKEN, **BASIC)
    assert (basic.username, basic.client_id) == ("ada", None)
    token = of(ENVIRON, **TOKEN)
    assert (token.username, token.client_id) == (None, "robot")


def test_an_empty_option_counts_as_not_given() -> None:
    assert of(ENVIRON, platform="", username="", password=None).username == "env-user"


@pytest.mark.parametrize(
    ("environ", "params", "words"),
    [
        ({}, BASIC, "platform is missing"),
        ({}, {"platform": "qg9", **BASIC}, "platform: qg9 is not a Qualys platform"),
        ({}, {"platform": "eu1"}, "username is missing"),
        ({}, {"platform": "eu1", "username": "ada"}, "password is missing"),
        ({}, {"platform": "eu1", "client_id": "robot"}, "client_secret is missing"),
        ({}, {"platform": "eu1", "client_secret": "canary-secret"}, "client_id is missing"),
        ({}, {"api_url": "https://a.example", **TOKEN}, "gateway_url is required"),
        ({}, {"platform": "eu1", "api_url": "https://a.example", **BASIC}, "platform cannot be combined with api_url"),
        ({}, {"platform": "eu1", **BASIC, **TOKEN}, "cannot be combined with client_id and client_secret"),
        (ENVIRON | ENVIRON_TOKEN, {}, "cannot be combined"),
        (ENVIRON | ENVIRON_TOKEN, {"platform": "eu1"}, "username and password cannot be combined"),
        ({}, {"api_url": "http://a.example", **BASIC}, "api_url uses plain http"),
        ({}, {"api_url": "https://a.example/path", **BASIC}, "api_url holds more than"),
        ({}, {"platform": "eu1", "gateway_url": "nonsense", **TOKEN}, "gateway_url does not start with https"),
        ({}, {"platform": "eu1", "gateway_url": "http://a.example", **TOKEN}, "gateway_url uses plain http"),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_one_sentence_about_the_option(
    environ: dict[str, str], params: dict[str, str], words: str
) -> None:
    with pytest.raises(OptionError) as caught:
        resolve(params, environ)
    assert words in caught.value.message
    assert caught.value.hint
    assert "canary" not in str(caught.value)
    assert "env-password" not in str(caught.value)


def test_a_missing_credential_names_its_variable() -> None:
    with pytest.raises(OptionError) as caught:
        of(platform="eu1")
    assert "QUALYS_WAS_USERNAME" in caught.value.hint


def test_plain_http_to_another_host_needs_to_be_allowed() -> None:
    assert of(api_url="http://a.example", allow_http=True, **BASIC).api_url == "http://a.example"
    assert of(api_url="http://127.0.0.1:8080", **BASIC).api_url == "http://127.0.0.1:8080"


def test_a_connection_never_shows_its_secrets() -> None:
    for found in (of(platform="eu1", **BASIC), of(platform="eu1", **TOKEN)):
        assert "canary" not in repr(found)
        assert len(found.secrets()) == 1
