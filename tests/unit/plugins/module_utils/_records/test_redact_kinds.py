# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of secret is redacted and nothing around it; what only looks like one stays."""

# ruff: noqa: E501

from __future__ import annotations

import base64
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records.redact import redact_text, redact_url
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.names import names_secret
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.numbers import (
    is_card,
    my_number,
    verhoeff,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER
from tests.unit.plugins.module_utils.redact_kinds_kit import CLOSE, HARMLESS, OPEN, SECRETS

BETWEEN = re.compile(f"{OPEN}.*?{CLOSE}", re.DOTALL)


def plain(sample: str) -> str:
    return sample.replace(OPEN, "").replace(CLOSE, "")


def expected(sample: str) -> str:
    # A number becomes a text in quotes.
    sample = re.sub(f'{OPEN}"{CLOSE}(.*?){OPEN}"{CLOSE}', f'"{MARKER}"', sample)
    return BETWEEN.sub(MARKER, sample)


@pytest.mark.parametrize("sample", SECRETS)
def test_the_secret_is_redacted_and_all_around_it_stays(sample: str) -> None:
    assert redact_text(plain(sample)) == redact_url(plain(sample)) == expected(sample)


@pytest.mark.parametrize("sample", SECRETS)
def test_what_was_redacted_is_not_redacted_again(sample: str) -> None:
    assert redact_text(expected(sample)) == expected(sample)


@pytest.mark.parametrize("sample", HARMLESS)
def test_a_text_without_a_secret_stays_byte_for_byte(sample: str) -> None:
    assert redact_text(sample) == sample


@pytest.mark.parametrize("sample", HARMLESS)
def test_a_text_without_a_secret_stays_beside_one_with_a_secret(sample: str) -> None:
    text = f"{sample}\r\n\r\nuser=ada&api_token=canary&page=2"
    assert redact_text(text) == text.replace("canary", MARKER)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_a_response_in_base64_is_redacted_inside_and_encoded_again(encode, padded: bool) -> None:
    shown = (
        "HTTP/1.1 200 OK\r\nSet-Cookie: {}\r\nServer: nginx\r\n\r\n<p>Gr\u00fc\u00dfe \u65e5\u672c, " + "shoes " * 30
    )
    sent = encode(shown.format("sid=canary").encode()).decode()
    redacted = redact_text(sent if padded else sent.rstrip("=\n"))
    assert redacted is not None
    bare = "".join(redacted.split()).rstrip("=")
    assert base64.b64decode(bare.replace("-", "+").replace("_", "/") + "=" * (-len(bare) % 4)).decode() == shown.format(
        MARKER
    )


def test_bytes_that_are_no_text_are_left_in_base64() -> None:
    image = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 3).decode()
    assert redact_text(image) == image


def test_base64_inside_of_json_is_redacted_inside() -> None:
    inner = base64.b64encode(b'{"user": "ada", "password": "canary"}').decode()
    clean = base64.b64encode(f'{{"user": "ada", "password": "{MARKER}"}}'.encode()).decode()
    assert redact_text(f'{{"text":"{inner}","encoding":"base64"}}') == f'{{"text":"{clean}","encoding":"base64"}}'


@pytest.mark.parametrize(
    "name",
    [
        "token_type",
        "password_policy",
        "keyboard",
        "author",
        "sessionTimeout",
        "cookie_name",
        "public-key",
        "postal code",
    ],
)
def test_names_that_speak_about_a_secret_do_not_hold_it(name: str) -> None:
    assert not names_secret(name)


def test_a_card_needs_issuer_length_and_check_digit_together() -> None:
    assert is_card("4111111111111111")
    assert not is_card("4111111111111112")
    assert not is_card("9111111111111111")
    assert not is_card("411111111111111")
    assert not is_card("0000000000000000")


def test_the_check_digits_of_ids_are_calculated_as_published() -> None:
    assert verhoeff("2363")
    assert not verhoeff("2364")
    assert my_number("123456789018")
    assert not my_number("123456789019")


# Whatever comes

PIECES = st.sampled_from(
    [
        *(
            '"',
            "'",
            "\\",
            "=",
            ":",
            " ",
            "\n",
            "\r\n",
            "\r",
            "<",
            ">",
            "&",
            ";",
            ",",
            "{",
            "}",
            "[",
            "]",
            "(",
            ")",
            "@",
            "/",
        ),
        *(
            "token",
            "password",
            "Cookie",
            "key",
            "name",
            "value",
            "a1",
            "x",
            "%3D",
            "%5B",
            "%22",
            "&quot;",
            "&lt;",
            "://",
        ),
        *(
            "eyJhbGciOi",
            ".",
            "-",
            "--",
            "4111111111111111",
            "basic ",
            "Bearer ",
            "dXNlcjpwYXNzMQ==",
            "curl -u ",
            MARKER,
        ),
        *(
            "<![CDATA[",
            "]]>",
            "</",
            "\u5bc6\u7801",
            "\u0130",
            "-----BEGIN PRIVATE KEY-----",
            "AKIAIOSFODNN7EXAMPLE",
            "|\n ",
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_redacting_twice_is_redacting_once_for_texts_full_of_signs(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=300))
def test_no_text_can_stop_it(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


REPEATED = [
    *('"', "'", "=", ":", " ", "<", ">", "&", "%", "\\", "\n", "\r", "-", "@", "{", "[", "(", "/", ".", "4", "a"),
    *("eyJ", "://u:", "token=", "token:", "token: ", '"token" ', '"token":', '"token":"\\', "<token>", "<token a=", "key="),
    *("<token><![CDATA[", '<input name="token" ', '{"name":"token",', '{"value":"x","name":"token"', "Cookie:\n ", "\n "),
    *("-----BEGIN PRIVATE KEY-----\n", "Private-Lines: 1\nAAAA\n", "--token ", "curl -u ", "mysql -p", "Bearer a1b2c3d4e5 "),
    *("token%3D", "%74oken=", "&quot;token&quot;:", '\\"token\\":', "4111 ", "ghp_", "QUJD", "QUJD\n", "mot de passe "),
    *("name: token\n", "password: |\n x\n", "\u5bc6\u7801:", "\u0130", "\ud800", 'f("token","', "aadhaar 123412341234 "),
    *("password is ", 'token ("', 'token("a"', "password=[", "${token:", '"a"+"a"+', 'token="a"+"a"+', '"kty":', '{"kty":"d":"', "'\'\'"),
    *("(token) values (", "identified by ", 'token="""', '{"token":{"value":', '"path":"/token",', "<td>token</td><td>", "token\tb1\t"),
    *("%3A%2F%2Fa%3Ab", "//a:b@", "password: !!str ", "password 1 a1", "token: <b>", "-u a:b ", "http -a a:b ", "<token><a>", "/a"),
    *('token: process.env.a || "', "1+", "1%20", "values(", "[token", "> Authorization: x\n", "password: {", "password: a=b "),
    *("&lt;token&gt;", "user:pass1@", "IBAN DE89 3704 ", "Content-Disposition: form-data; name=\"token\"\n"),
]  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED)
@pytest.mark.parametrize(("end", "size"), [("", 40_000), ("token:", 100_000)])
def test_hostile_text_takes_time_that_grows_with_its_length_only(piece: str, end: str, size: int) -> None:
    def taken(size: int) -> float:
        text = piece * (size // len(piece)) + end
        start = time.process_time()
        redact_text(text)
        return time.process_time() - start

    taken(1_000)
    # Four times the length may take about four times as long, and never sixteen times. A machine with other work shows
    # in one of several tries.
    assert any((large := taken(size)) < 0.02 or large < 7 * taken(size // 4) for _try in range(3))
