# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivery to a real rsyslog, plain and with TLS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trustme

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import TlsError
from tests.unit.plugins.module_utils.deliver_kit import HOSTILE, event, records, sink

from .servers import Rsyslog


def received(syslog: Rsyslog, count: int) -> list[dict[str, str]]:
    return [json.loads(line) for line in syslog.lines(count)]


def check(syslog: Rsyslog, batch: list[object]) -> None:
    got = received(syslog, len(batch))
    assert len(got) == len(batch)
    first = got[0]
    assert (first["app"], first["msgid"], first["pri"]) == ("appsec.perimeter", "event", "131")
    assert 'delivery_id="' in first["data"]
    documents = [json.loads(item["message"].lstrip("\ufeff \u00ef\u00bb\u00bf")) for item in got]
    assert [document["id"] for document in documents] == [f"id-{number}" for number in range(len(batch))]
    assert documents[1]["message"] == HOSTILE


def batch_of(count: int) -> list[dict[str, object]]:
    return [event(number, message=HOSTILE if number == 1 else "fine") for number in range(count)]


def test_every_message_arrives_whole_over_tcp(syslog: Rsyslog) -> None:
    documents = batch_of(500)
    target = sink("syslog", {"host": "127.0.0.1", "port": syslog.port, "tls": False})
    assert target.send(records(*documents)).delivered == 500
    check(syslog, list(documents))


def test_every_message_arrives_whole_over_tls(syslog_tls: Rsyslog, ca_path: Path) -> None:
    documents = batch_of(500)
    target = sink("syslog", {"host": "127.0.0.1", "port": syslog_tls.port}, ca_path=str(ca_path))
    assert target.send(records(*documents)).delivered == 500
    check(syslog_tls, list(documents))


def test_a_receiver_with_a_certificate_of_somebody_else_gets_nothing(syslog_tls: Rsyslog, tmp_path: Path) -> None:
    stranger = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    target = sink("syslog", {"host": "127.0.0.1", "port": syslog_tls.port}, ca_path=str(stranger))
    with pytest.raises(TlsError, match="did not agree on TLS"):
        target.send(records(event(1)))
    assert syslog_tls.lines(0) == []


def test_cef_arrives_as_one_line(syslog: Rsyslog) -> None:
    target = sink("syslog", {"host": "127.0.0.1", "port": syslog.port, "tls": False, "format": "cef"})
    target.send(records(event(1, message=HOSTILE, url=HOSTILE)))
    (got,) = received(syslog, 1)
    assert "CEF:0|Edgecast|WAF|" in got["message"]
