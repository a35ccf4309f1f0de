# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two URLs of one place have one host and one template, and two places never do."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records import path_templates
from ansible_collections.appsec.perimeter.plugins.module_utils._records.path_templates import host_of, path_template
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER

ANY = st.text(max_size=60)
PATHS = st.lists(st.sampled_from("/%;?#.()@{}-_ \\&+=aZ09é\u2003\x00\ud800") | st.characters(), max_size=40).map(
    "".join
)
WORDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/;?#%"), min_size=1), min_size=1, max_size=4)

HOSTS = [
    ("https://shop.example.com/cart", "shop.example.com"),
    ("https://SHOP.Example.com", "shop.example.com"),
    ("https://shop.example.com:443/", "shop.example.com"),
    ("http://shop.example.com:80", "shop.example.com"),
    ("http://shop.example.com:443/", "shop.example.com:443"),
    ("https://shop.example.com:8443?x=1", "shop.example.com:8443"),
    ("https://shop.example.com.:0443/", "shop.example.com"),
    ("https://user:secret@shop.example.com/", "shop.example.com"),
    ("https://evil.test\\@shop.example.com/", "evil.test"),
    ("shop.example.com", "shop.example.com"),
    ("shop.example.com:443", "shop.example.com"),
    ("Shop.example.com.:80", "shop.example.com"),
    ("shop.example.com:8080", "shop.example.com:8080"),
    ("https://[2001:DB8::1]:443/", "[2001:db8::1]"),
    ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
    ("2001:db8::80", "2001:db8::80"),
    ("https://b\u00fccher.example.com/", "xn--bcher-kva.example.com"),
    ("XN--bcher-kva.example.com", "xn--bcher-kva.example.com"),
    (" https://shop.example.com/ ", "shop.example.com"),
    ("/only/a/path", ""),
    ("//a/path/too", ""),
    ("", ""),
    ("?q=1", ""),
]

TEMPLATES = [
    ("https://shop.example.com/search?q=1", "/search"),
    ("/search/", "/search"),
    ("/search//", "/search"),
    ("/search#top", "/search"),
    ("/s%65arch", "/search"),
    ("https://shop.example.com", "/"),
    ("https://shop.example.com?x=/a", "/"),
    ("/", "/"),
    ("", ""),
    ("search", ""),
    ("*", ""),
    ("/order/4711", "/order/{id}"),
    ("/order/%34711", "/order/{id}"),
    ("/order/4711/item/2", "/order/{id}/item/{id}"),
    ("/order/4711.html", "/order/{id}.html"),
    ("/log/1740754801234_101_20001", "/log/{id}"),
    ("/archive/2026-11-29", "/archive/{id}"),
    ("/u/5f1a9a3e-0c6f-4f4c-9d63-0d2f0b6a7c11/edit", "/u/{id}/edit"),
    ("/u/{5F1A9A3E-0C6F-4F4C-9D63-0D2F0B6A7C11}", "/u/{id}"),
    ("/doc/507f1f77bcf86cd799439011", "/doc/{id}"),
    ("/doc/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/doc/{id}"),
    ("/t/dGhpc0lzQVRva2VuMTIz", "/t/{id}"),
    ("/reset/VALUE_REDACTED/done", "/reset/{id}/done"),
    ("/user/jo@example.com", "/user/{id}"),
    ("/order/{id}", "/order/{id}"),
    ("/cart;jsessionid=0A1B/view", "/cart/view"),
    ("/(S(lit3py55t21z5v55vlm25s55))/cart", "/cart"),
    ("/%28S(lit3py55t21z5v55vlm25s55)%29/cart", "/cart"),
    # What only looks like an id.
    ("/v1/users", "/v1/users"),
    ("/v2/users", "/v2/users"),
    ("/deadbeef", "/deadbeef"),
    ("/lib/3.6.0/jquery.js", "/lib/3.6.0/jquery.js"),
    ("/how-to-build-2-things-in-3-days", "/how-to-build-2-things-in-3-days"),
    ("/Product-Name-2024-Edition-X1", "/Product-Name-2024-Edition-X1"),
    ("/internationalisation", "/internationalisation"),
    ("/Search", "/Search"),
    ("/a%2Fb", "/a%2Fb"),
    ("/a/../b", "/a/../b"),
    ("/100%", "/100%25"),
    ("/%zz", "/%25zz"),
    ("/a%3Fb", "/a%3Fb"),
    ("/caf%C3%A9", "/caf\u00e9"),
    ("/\x1b[31m", "/%1B[31m"),
    ("/%ff", "/%FF"),
    ("//evil.test/x", "//evil.test/x"),
    ("/redirect/http://evil.test/x", "/redirect/http://evil.test/x"),
]


@pytest.mark.parametrize(("given", "expected"), HOSTS)
def test_the_host_is_told_in_one_way(given: str, expected: str) -> None:
    assert host_of(given) == expected


@pytest.mark.parametrize(("given", "expected"), TEMPLATES)
def test_the_path_is_told_in_one_way(given: str, expected: str) -> None:
    assert path_template(given) == expected


@given(PATHS | ANY | PATHS.map("/".__add__) | PATHS.map("https://shop.test/".__add__))
def test_a_template_is_its_own_template(text: str) -> None:
    found = path_template(text)
    assert path_template(found) == found
    assert found == "" or found.startswith("/")
    assert not set(found) & set("?#; \n\r\t\x00\x1b")


@given(WORDS, st.data())
def test_what_is_encoded_without_need_makes_no_difference(words: list[str], data: st.DataObject) -> None:
    plain = "/" + "/".join(quote(word, safe="") for word in words)
    harder = "/" + "/".join(
        "".join(
            "".join(f"%{byte:02x}" for byte in sign.encode()) if data.draw(st.booleans()) else quote(sign, safe="")
            for sign in word
        )
        for word in words
    )
    assert path_template(plain) == path_template(harder)
    assert path_template(plain + "/?a=b#c") == path_template(f"https://shop.test{harder};sid=1")


@given(ANY)
def test_a_host_never_fails_and_is_in_lower_case(text: str) -> None:
    assert host_of(text) == host_of(text).lower()
    assert not set(host_of(text)) & set("/?#@")


def test_the_marker_of_redaction_counts_as_an_id() -> None:
    assert path_templates._REDACTED == MARKER


@pytest.mark.parametrize(
    "hostile",
    ["/" * 10**5, "/" + "1_" * 10**5, "/" + "a1" * 10**5, "/" + "%" * 10**5, "/" + "(S(" * 10**5, "@." * 10**5],
)
def test_a_long_text_takes_no_longer_than_it_has_to(hostile: str) -> None:
    begun = time.process_time()
    path_template(hostile)
    host_of(hostile)
    # A second where time grows with the length, hours where it grows faster.
    assert time.process_time() - begun < 30
