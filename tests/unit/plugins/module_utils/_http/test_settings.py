# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options, and the address of a service."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._http.settings import (
    HttpSettings,
    check_base_url,
    check_settings,
    environment_ca,
    is_loopback,
    origin_of,
    parse_proxy,
    settings_from,
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com", "https://api.example.com"),
        (" https://API.example.com/ ", "https://api.example.com"),
        ("HTTPS://api.example.com:8443", "https://api.example.com:8443"),
        ("https://[2001:db8::1]:8443/", "https://[2001:db8::1]:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://localhost:1", "http://localhost:1"),
        ("https://my_host.internal", "https://my_host.internal"),
    ],
)
def test_good_addresses(url: str, expected: str) -> None:
    assert check_base_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://api.example.com",
        "https://",
        "https:///path",
        "https://host/path",
        "https://host/?",
        "https://host/#",
        "https://host?a=b",
        "https://user@host",
        "https://user:c4n4ry@host",
        "https://host:99999",
        "https://host:0",
        "https://host:x",
        "https://host:-1",
        "https://ho st",
        "https://host\\@evil.example.com",
        "https://host\n.example.com",
        "https://[::1",
        "https://[1.2.3.4]",
        "https://[fe80::1%25eth0]",
        "https://[v1.x]",
        "https://-host",
        "https://h\u00f6st",
        "https://%68ost",
    ],
)
def test_bad_addresses(url: str) -> None:
    with pytest.raises(OptionError, match=r"^api_url ") as caught:
        check_base_url(url)
    assert "c4n4ry" not in str(caught.value)
    with pytest.raises(OptionError, match=r"^csp_url "):
        check_base_url(url, name="csp_url")


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_breaks_the_check(text: str) -> None:
    for url in (text, f"https://{text}", f"https://host{text}"):
        try:
            good = check_base_url(url)
        except OptionError:
            continue
        assert check_base_url(good) == good


@pytest.mark.parametrize(
    "host", ["example.com", "10.0.0.1", "128.0.0.1", "[2001:db8::1]", "localhost.example.com", "0.0.0.0"]
)
def test_plain_http_stays_on_this_machine(host: str) -> None:
    with pytest.raises(OptionError, match="api_url uses plain http") as caught:
        check_base_url(f"http://{host}")
    assert "allow_http" in caught.value.hint
    assert check_base_url(f"http://{host}", allow_http=True) == f"http://{host}"


def test_small_helpers() -> None:
    assert [is_loopback(host) for host in ("LOCALHOST", "::1", "127.0.0.2", "local")] == [True, True, True, False]
    assert origin_of("https", "::1", 443) == "https://[::1]:443"
    assert HttpSettings(timeout=3).connect_timeout == 3
    assert HttpSettings().connect_timeout == 15
    check_settings(HttpSettings())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout": 0}, "timeout must be more than 0, not 0"),
        ({"timeout": float("nan")}, "timeout must be a number"),
        ({"timeout": float("inf")}, "timeout must be a number"),
        ({"timeout": True}, "timeout must be a number"),
        ({"retries": -1}, "retries must be at least 0, not -1"),
        ({"retries": "5"}, "retries must be a number"),
        ({"max_wait": -0.5}, "max_wait must be at least 0"),
        ({"max_connections": 0}, "max_connections must be at least 1"),
        ({"max_response_bytes": 0}, "max_response_bytes must be at least 1"),
    ],
)
def test_values_out_of_range(options: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        check_settings(HttpSettings(**options))


@pytest.mark.parametrize(
    ("text", "url", "headers"),
    [
        ("proxy:3128", "http://proxy:3128", {}),
        ("http://proxy", "http://proxy:80", {}),
        ("HTTPS://Proxy/", "https://proxy:443", {}),
        ("http://[::1]:3128", "http://[::1]:3128", {}),
        ("http://u:p@proxy:1", "http://proxy:1", {"Proxy-Authorization": "Basic dTpw"}),
        ("u%3A:p%40@proxy:1", "http://proxy:1", {"Proxy-Authorization": "Basic dTo6cEA="}),
        ("http://u@proxy:1", "http://proxy:1", {"Proxy-Authorization": "Basic dTo="}),
    ],
)
def test_proxies(text: str, url: str, headers: dict[str, str]) -> None:
    proxy = parse_proxy(text, "proxy")
    assert (proxy.url, dict(proxy.headers)) == (url, headers)
    assert "Basic" not in repr(proxy)


def test_settings_from_the_options_of_a_task() -> None:
    options = {"timeout": 3, "retries": None, "validate_certs": False, "state": "present"}
    assert settings_from(options) == HttpSettings(timeout=3, validate_certs=False)


def test_the_order_of_ca_variables() -> None:
    every = {"SSL_CERT_FILE": "c", "CURL_CA_BUNDLE": "b", "REQUESTS_CA_BUNDLE": "a"}
    assert environment_ca(every) == ("REQUESTS_CA_BUNDLE", "a")
    assert environment_ca({**every, "REQUESTS_CA_BUNDLE": ""}) == ("CURL_CA_BUNDLE", "b")
    assert environment_ca({}) is None
