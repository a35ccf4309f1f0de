# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML as plain text, and XML without its dangers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.safe_xml import parse_xml, root_name
from ansible_collections.appsec.perimeter.plugins.module_utils._records.plain import plain_text

TEXTS = {
    None: None,
    "": None,
    "<p> </p>": None,
    "One\ntwo   three": "One two three",
    "One<br>two<BR/>three": "One\ntwo\nthree",
    "One<P>two</P>three": "One\n\ntwo\n\nthree",
    "Do:<ul><li>this</li><li>that</li></ul>Done": "Do:\n\n- this\n- that\n\nDone",
    "<pre>a\n  b</pre>": "a\nb",
    "a &lt;b&gt; &amp; c&nbsp;d": "a <b> & c d",
    "x<script>alert(1)</script><style>p{}</style>y": "xy",
    "<b>unclosed <i>tags": "unclosed tags",
    "</script></pre>stray": "stray",
    "<!-- gone -->stays": "stays",
}


@pytest.mark.parametrize(("markup", "expected"), TEXTS.items())
def test_words_stay_and_markup_goes(markup: str | None, expected: str | None) -> None:
    assert plain_text(markup) == expected


@given(st.text(max_size=200))
def test_nothing_breaks_it(markup: str) -> None:
    found = plain_text(markup)
    assert found is None or found == found.strip() != ""


GOOD = b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "https://example.com/a.dtd"><a b="1">x<c/>&amp;</a>'
BAD = {
    "bomb": b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>',
    "external": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
    "parameter": b'<!DOCTYPE a [<!ENTITY % x SYSTEM "https://example.com/x"> %x;]><a/>',
    "attributes": b'<!DOCTYPE a [<!ATTLIST a b CDATA "c">]><a/>',
    "half": b"<a><b>",
    "two": b"<a/><b/>",
    "nothing": b"",
    "text": b"hello",
}


def test_a_document_type_without_declarations_is_read() -> None:
    root = parse_xml(GOOD)
    assert (root.tag, root.get("b"), root.text, root[0].tail) == ("a", "1", "x", "&")


@pytest.mark.parametrize("document", BAD.values(), ids=BAD)
def test_the_rest_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError):
        parse_xml(document)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    try:
        parse_xml(document)
    except ValueError:
        pass
    root_name(document)


def test_the_root_is_named_without_reading_on() -> None:
    assert root_name(b"\xef\xbb\xbf<?xml version='1.0'?><!-- x --><ServiceResponse><broken") == "ServiceResponse"
    assert [root_name(document) for document in (b"", b"text", b"{}", BAD["bomb"])] == [None] * 4
