# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults, counters, control plane, command line, TLS."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox
from tests.unit.sandbox.client import WAS, Client, walk

ROOT = Path(__file__).resolve().parents[3]
COUNT = f"{WAS}/count/was/webapp"
LOST = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected, http.client.IncompleteRead)


def fresh(sandbox: Sandbox) -> Client:
    return Client(sandbox)


def test_status_with_headers_then_normal(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add(
        match={"route": "count/was"}, kind="status", status=429, headers={"X-RateLimit-ToWait-Sec": 7}, times=2
    )
    status, headers, body = client.raw("GET", COUNT)
    assert (status, headers["X-RateLimit-ToWait-Sec"]) == (429, "7")
    assert b"<html>" in body
    assert client.raw("GET", COUNT)[0] == 429
    assert client.raw("GET", COUNT)[0] == 200
    assert sandbox.counters.requests == 3
    assert sandbox.faults.pending() == 0


def test_skip_and_method_and_route(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"match": {"route": "was/webapp", "method": "GET"}, "kind": "status", "status": 503, "skip": 1})
    assert client.raw("GET", COUNT)[0] == 200
    assert client.raw("POST", COUNT)[0] == 200
    assert client.raw("GET", f"{WAS}/count/was/finding")[0] == 200
    assert client.raw("GET", COUNT)[0] == 503


def test_two_one_shot_faults_hit_two_requests(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 502}, {"kind": "status", "status": 503})
    assert [client.raw("GET", COUNT)[0] for _turn in range(3)] == [502, 503, 200]


def test_probability_is_seeded(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 500, "times": -1, "probability": 0.5})
    statuses = [client.raw("GET", COUNT)[0] for _turn in range(40)]
    assert 5 < statuses.count(500) < 35


def test_response_code_and_html(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add(
        {"kind": "response_code", "code": "OTHER_ERROR", "message": "m", "resolution": "r"}, {"kind": "html_200"}
    )
    reply = client.json("GET", "/count/was/webapp")
    assert reply == {
        "responseCode": "OTHER_ERROR",
        "responseErrorDetails": {"errorMessage": "m", "errorResolution": "r"},
    }
    status, headers, _body = client.raw("GET", COUNT)
    assert (status, headers["Content-Type"]) == (200, "text/html")


def test_resets(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "reset"}, {"kind": "reset_mid_body"})
    for _turn in range(2):
        client = fresh(sandbox)
        with pytest.raises(LOST):
            client.raw("POST", f"{WAS}/search/was/finding")
        client.close()
    assert [item["status"] for item in sandbox.counters.recent] == [0, 200]


def test_truncated_json_has_the_right_length(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "truncated_json"})
    _status, headers, body = client.raw("POST", f"{WAS}/search/was/finding", Accept="application/json")
    assert int(headers["Content-Length"]) == len(body)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(body)


def test_half_page_loses_records_silently(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"match": {"route": "search/was/finding"}, "kind": "half_page", "skip": 1})
    found = [item["id"] for item in walk(client, "finding", "Finding", 100)]
    assert len(found) == 250
    assert client.count("finding") == 300


def test_duplicate_record(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"match": {"route": "search/was/finding"}, "kind": "duplicate_record", "skip": 1})
    found = [item["id"] for item in walk(client, "finding", "Finding", 100)]
    assert len(found) == 301
    assert len(set(found)) == 300
    assert found[99] == found[100]


def test_wrong_count(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "wrong_count", "n": -3})
    assert client.count("finding") == 297


def test_mutation_between_pages(client: Client, sandbox: Sandbox) -> None:
    route = {"route": "search/was/finding"}
    sandbox.faults.add({"match": route, "kind": "mutate_between_pages", "action": "delete", "n": 5, "skip": 1})
    assert len(walk(client, "finding", "Finding", 100)) == 295
    sandbox.faults.add({"match": route, "kind": "mutate_between_pages", "action": "insert", "n": 4, "skip": 1})
    assert len(walk(client, "finding", "Finding", 100)) == 299
    sandbox.faults.add({"match": route, "kind": "mutate_between_pages", "n": 2, "where": "seen", "skip": 1})
    assert len(walk(client, "finding", "Finding", 100)) == 299
    assert len(sandbox.qualys.findings) == 297


def test_slow_and_trickle(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "slow", "delay_ms": 120}, {"kind": "trickle", "chunk_bytes": 100, "delay_ms": 20})
    started = time.monotonic()
    assert client.count("webapp") == 30
    assert time.monotonic() - started > 0.12
    assert client.count("webapp") == 30


def test_redirect(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "redirect", "location": "https://other.example/", "status": 307})
    status, headers, _body = client.raw("GET", COUNT)
    assert (status, headers["Location"]) == (307, "https://other.example/")


def test_ambiguous_writes(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "apply_then_reset"}, {"kind": "apply_then_status", "status": 502})
    client = fresh(sandbox)
    body = json.dumps({"ServiceRequest": {"data": {"WebApp": {"name": "n", "url": "https://n.test/"}}}}).encode()
    with pytest.raises(LOST):
        client.raw("POST", f"{WAS}/create/was/webapp", body, Content_Type="application/json")
    client = fresh(sandbox)
    assert client.raw("POST", f"{WAS}/create/was/webapp", body, Content_Type="application/json")[0] == 502
    assert client.count("webapp", ("name", "EQUALS", "n")) == 2
    assert sandbox.counters.writes == 2
    client.close()


@pytest.mark.parametrize(
    "fault", [{"kind": "none"}, {"kind": "status", "delay_ms": 3}, {"kind": "status", "match": {"path": "x"}}]
)
def test_wrong_faults_are_refused(sandbox: Sandbox, fault: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault|match"):
        sandbox.faults.add(fault)


def test_counters(client: Client, sandbox: Sandbox) -> None:
    key = sandbox.qualys.webapps.ids[0]
    client.count("webapp")
    client.get(key)
    client.update(key, name="x")
    client.raw("POST", f"{WAS}/reopen/was/finding")
    counters = sandbox.counters
    assert counters.requests == 4
    assert counters.by_route["GET /qps/rest/3.0/get/was/webapp/<id>"] == 1
    assert counters.by_route["POST /qps/rest/3.0/update/was/webapp/<id>"] == 1
    assert counters.writes == 2
    assert counters.writes_applied == 1
    assert counters.connections == 1
    assert counters.bytes_sent > 1000
    assert [item["response_code"] for item in counters.recent] == ["SUCCESS", "SUCCESS", "SUCCESS", "INVALID_URL"]
    assert sandbox.username not in json.dumps(counters.snapshot())
    sandbox.reset_counters()
    assert sandbox.counters.requests == 0


def test_in_flight_maximum_and_concurrency_limit(sandbox: Sandbox) -> None:
    sandbox.latency_ms = 150
    statuses: list[int] = []

    def work() -> None:
        client = fresh(sandbox)
        statuses.append(client.raw("GET", COUNT)[0])
        client.close()

    def run(number: int) -> None:
        threads = [threading.Thread(target=work) for _turn in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run(4)
    assert statuses == [200] * 4
    assert sandbox.counters.in_flight_max == 4
    assert sandbox.counters.in_flight == 0
    sandbox.switches["concurrency_limit"] = 2
    statuses.clear()
    run(4)
    assert sorted(statuses)[-1] == 409
    assert statuses.count(200) >= 2


def test_control_plane(client: Client, sandbox: Sandbox) -> None:
    def control(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        status, _headers, reply = client.raw(method, f"/_sandbox/{path}", data, Authorization="")
        return status, json.loads(reply)

    assert control("POST", "faults", [{"kind": "status", "status": 500}])[0] == 200
    assert control("POST", "faults", [{"kind": "x"}])[0] == 400
    assert client.raw("GET", COUNT)[0] == 500
    assert control("POST", "switches", {"over_cap": "reject"})[1]["over_cap"] == "reject"
    assert control("POST", "switches", {"over_cap": "maybe"})[0] == 400
    assert control("POST", "switches", {"unknown": "x"})[0] == 400
    assert control("GET", "counters")[1]["requests"] == 1
    assert control("POST", "counters/reset")[0] == 200
    assert control("GET", "counters")[1]["requests"] == 0
    sandbox.qualys.webapps.clear()
    assert control("POST", "reset")[0] == 200
    assert client.count("webapp") == 30
    assert control("GET", "nothing")[0] == 404


def test_bad_requests_and_pipelined_bytes(sandbox: Sandbox) -> None:
    for data in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) as connection:
            connection.sendall(data)
            assert connection.recv(100).startswith(b"HTTP/1.1 400") or data.startswith(b"GET / HTTP/1.1\r\nBad")


def test_chunked_request_body(client: Client, sandbox: Sandbox) -> None:
    parts = [b'{"ServiceRequest": {"prefer', b'ences": {"limitResults": 3}}}']
    headers = {
        "Authorization": client.authorization,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Transfer-Encoding": "chunked",
    }
    client.connection.request("POST", f"{WAS}/search/was/webapp", iter(parts), headers, encode_chunked=True)
    assert json.loads(client.connection.getresponse().read())["ServiceResponse"]["count"] == 3


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, from the openssl program."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(cert)]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return cert, key
    pytest.skip("openssl is not there")


def test_tls(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with Sandbox(webapps=3, findings=10, certfile=str(cert), keyfile=str(key)) as sandbox:
        assert sandbox.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection("127.0.0.1", sandbox.port, context=context, timeout=5)
        headers = {"Authorization": Client(sandbox).authorization}
        for _turn in range(3):
            connection.request("GET", COUNT, headers=headers)
            assert b"<count>3</count>" in connection.getresponse().read()
        connection.close()
        assert sandbox.counters.connections == 1
        # A client that opens a connection and says nothing must not stop the others.
        with socket.create_connection(("127.0.0.1", sandbox.port)):
            other = http.client.HTTPSConnection("127.0.0.1", sandbox.port, context=context, timeout=5)
            other.request("GET", COUNT, headers=headers)
            assert other.getresponse().status == 200
            other.close()


@pytest.mark.parametrize("how", [["-m", "tests.sandbox"], ["tests/sandbox"]])
def test_command_line(how: list[str]) -> None:
    command = [sys.executable, *how, "--webapps", "4", "--findings", "12", "--switch", "over_cap=reject"]
    command += ["--password-env", "SANDBOX_TEST_PASSWORD", "--username", "someone"]
    environment = {**os.environ, "SANDBOX_TEST_PASSWORD": "other"}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        assert ready["pid"] == process.pid
        host, _colon, port = ready["url"].removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        connection.request("GET", COUNT, headers={"Authorization": "Basic c29tZW9uZTpvdGhlcg=="})
        assert b"<count>4</count>" in connection.getresponse().read()
        connection.close()
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
        assert time.monotonic() - started < 2
