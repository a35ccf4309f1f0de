# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request bodies: what is written arrives as it was, and nothing can break out of its element."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.xml import Attributed, service_request

ALLOWED = st.text(st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=["Cs", "Cc"]))
CONTROLS = [chr(code) for code in range(32) if chr(code) not in "\t\n\r"]


def parsed(data: dict[str, Any]) -> ET.Element:
    found = ET.fromstring(service_request({"WebApp": data})).find("data/WebApp")
    assert found is not None
    return found


def arrived(value: str) -> str:
    return parsed({"name": value}).findtext("name") or ""


@pytest.mark.parametrize(
    "value",
    [
        "A & B",
        "<script>alert(1)</script>",
        "a ]]> b",
        "&amp; &#x41; &lt;",
        "\"quotes\" and 'quotes'",
        "</name><name>injected",
        "<!-- --><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
        "Zürich 東京 🔥 \u202e\u2028",
        "one\ntwo\tthree",
        "one\r\ntwo\rthree\r",
        "  around  ",
    ],
)
def test_a_value_arrives_byte_for_byte(value: str) -> None:
    assert arrived(value) == value
    element = parsed({"UrlEntry": Attributed(value, (("regex", value),))})[0]
    assert (element.text, element.get("regex")) == (value, value)


@given(ALLOWED)
def test_any_text_arrives_byte_for_byte(value: str) -> None:
    assert arrived(value) == value


@pytest.mark.parametrize("character", [*CONTROLS, "\ud800", "\ufffe"])
def test_a_character_that_xml_cannot_carry_is_refused_in_a_sentence(character: str) -> None:
    with pytest.raises(OptionError) as caught:
        service_request({"WebApp": {"name": f"a{character}b"}})
    assert f"U+{ord(character):04X}" in caught.value.message
    assert "name" in caught.value.message
    assert character not in str(caught.value)


def test_the_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(OptionError) as caught:
        service_request({"WebApp": {"headers": {"set": {"WebAppHeader": ["X-Token: canary\x00"]}}}})
    assert "canary" not in str(caught.value)


def test_the_shape_follows_the_schema() -> None:
    body = service_request(
        {
            "WebApp": {
                "name": "a",
                "useSitemap": True,
                "config": {"cancelScansAfterNHours": 8},
                "tags": {"set": {"Tag": [{"id": 1}, {"id": 2}]}},
                "domains": {"set": {"Domain": []}},
                "owner": None,
                "removeFromSubscription": False,
            }
        }
    )
    assert body.startswith(b"<?xml version='1.0' encoding='utf-8'?>")
    assert body.split(b"?>\n", 1)[1] == (
        b"<ServiceRequest><data><WebApp><name>a</name><useSitemap>true</useSitemap>"
        b"<config><cancelScansAfterNHours>8</cancelScansAfterNHours></config>"
        b"<tags><set><Tag><id>1</id></Tag><Tag><id>2</id></Tag></set></tags>"
        b"<domains><set /></domains><owner />"
        b"<removeFromSubscription>false</removeFromSubscription></WebApp></data></ServiceRequest>"
    )
