# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Carbon Black room of the sandbox: strictness, searches, facets, logins, its rate limit, what moves."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox import Sandbox

ANCHOR = "2026-11-20T12:00:00Z"
KEY = "SECRETSECRETSECRET000001/APIID00001"
BASE = "/containers/v1beta/orgs/ABCD1234/inventory/scan_logs"


class Caller:
    """Asks the room; keeps the headers of the last answer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        self.headers: dict[str, str] = {}

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body or None, named)
        reply = self.connection.getresponse()
        self.headers = dict(reply.getheaders())
        return reply.status, json.loads(reply.read())

    def __call__(self, what: str = "_search", **body: Any) -> tuple[int, Any]:
        data = json.dumps(body).encode()
        return self.send("POST", f"{BASE}/{what}", data, X_AUTH_TOKEN=KEY, Content_Type="application/json")

    def found(self, **body: Any) -> int:
        status, answer = self(**body)
        assert status == 200, answer
        return int(answer["num_found"])


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    settings = {"records": 300, "days": 10, "burst": 40}
    with Sandbox(findings=0, webapps=1, log_anchor=ANCHOR, carbon_black=settings) as running:
        yield running
        assert running.counters.internal_errors == 0


@pytest.fixture
def ask(sandbox: Sandbox) -> Iterator[Caller]:
    caller = Caller(sandbox)
    yield caller
    caller.connection.close()


def test_defaults_are_twenty_rows_newest_first(ask: Caller) -> None:
    status, answer = ask()
    assert (status, answer["num_found"], len(answer["results"])) == (200, 340, 20)
    times = [row["scan_time"] for row in answer["results"]]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) < 20
    row = answer["results"][0]
    assert set(row) <= {
        "full_tag", "manifest_digest", "workloads", "scan_time", "source", "vulnerabilities_summary", "has_malware",
    }  # fmt: skip


def test_pages_are_whole(ask: Caller) -> None:
    sort = [{"field": "scan_time", "order": "ASC"}]
    pages = [ask(start=start, rows=100, sort=sort)[1]["results"] for start in (0, 100, 200, 300, 400)]
    assert [len(page) for page in pages] == [100, 100, 100, 40, 0]
    assert len({row["full_tag"] for page in pages for row in page}) == 340


def test_the_data_is_as_the_vendor_page_says(ask: Caller) -> None:
    rows = ask(rows=1000)[1]["results"]
    assert any("manifest_digest" not in row for row in rows)
    assert any(row["vulnerabilities_summary"] == {} for row in rows)
    assert any("NEGLIGIBLE" in row["vulnerabilities_summary"] for row in rows)
    assert any("@sha256:" in row["full_tag"] for row in rows)
    assert any("{{" in row["full_tag"] for row in rows)
    assert any(row["has_malware"] for row in rows)
    assert max(sum(row["scan_time"] == other["scan_time"] for other in rows) for row in rows) >= 40


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"rows": 10_001}, 400),
        ({"rows": 0}, 400),
        ({"start": -1}, 400),
        ({"start": 1, "rows": 10_000}, 500),
        ({"start": 0, "rows": 10_000}, 200),
        ({"unknown": 1}, 400),
        ({"query": 1}, 400),
        ({"criteria": []}, 400),
        ({"criteria": {"cves": ["x"]}}, 400),
        ({"criteria": {"sources": "CLI"}}, 400),
        ({"criteria": {"time_range": {"range": "-1d"}}}, 400),
        ({"criteria": {"scan_time": {}}}, 200),
        ({"criteria": {"scan_time": {"range": "-1D"}}}, 400),
        ({"criteria": {"scan_time": {"start": "2026-11-01T00:00:00Z"}}}, 400),
        ({"criteria": {"scan_time": {"range": "-1d", "start": "2026-11-01", "end": "2026-11-02"}}}, 400),
        ({"criteria": {"scan_time": {"start": "2026-11-02", "end": "2026-11-01"}}}, 400),
        ({"criteria": {"scan_time": {"start": "2026-08-30T00:00:00Z", "end": "2026-09-3T00:00:00Z"}}}, 400),
        ({"sort": [{"field": "nothing"}]}, 400),
        ({"sort": [{"field": "scan_time", "order": "UP"}]}, 400),
    ],
)
def test_strictness(ask: Caller, body: dict[str, Any], status: int) -> None:
    assert ask(**body)[0] == status


def test_switches_for_what_is_uncertain(sandbox: Sandbox, ask: Caller) -> None:
    both = {"range": "-1s", "start": "2026-11-01T00:00:00Z", "end": "2026-11-2T00:00:00Z"}
    sandbox.switches.update({"carbon_black_both_times": "accept", "carbon_black_times": "lenient"})
    assert ask.found(criteria={"scan_time": both}) == 0
    sandbox.switches["carbon_black_deep_start"] = "allow"
    assert ask(start=1, rows=10_000)[0] == 200
    first = min(row["scan_time"] for row in ask(rows=1000)[1]["results"])
    last = max(row["scan_time"] for row in ask(rows=1000)[1]["results"])
    counts = []
    for bounds in ("start", "both", "neither"):
        sandbox.switches["carbon_black_bounds"] = bounds
        counts.append(ask.found(criteria={"scan_time": {"start": first, "end": last}}))
    assert counts[1] == 340
    assert counts[1] > counts[0] > counts[2]
    sandbox.switches["carbon_black_metadata"] = "missing"
    assert ask.send("GET", f"{BASE}/metadata", X_AUTH_TOKEN=KEY) == (200, {"clusters": []})


def test_criteria(ask: Caller) -> None:
    assert ask.found(criteria={"sources": ["CLI", "FEED_UPDATE"]}) == sum(
        ask.found(criteria={"sources": [source]}) for source in ("CLI", "FEED_UPDATE")
    )
    assert ask.found(criteria={"vulnerabilities": ["CRITICAL"], "registries": ["quay.io"]}) > 0
    assert ask.found(criteria={"clusters": ["nowhere"]}) == 0
    assert ask.found(query="NGINX") == ask.found(query="nginx") > 0
    assert ask.found(criteria={"scan_time": {"range": "-1M"}}) == 340
    assert 29 <= ask.found(criteria={"scan_time": {"range": "-1d"}}) <= 31


def test_facets(sandbox: Sandbox, ask: Caller) -> None:
    terms = {"fields": ["sources", "scan_status", "nothing"], "rows": 2}
    answer = ask("_facet", terms=terms)[1]["terms"]
    assert [term["field"] for term in answer] == ["scan_status", "sources"]
    assert [len(term["values"]) for term in answer] == [2, 2]
    assert answer[0]["values"][0]["name"] == "SCANNED"
    sandbox.switches["carbon_black_unknown_facet"] = "reject"
    assert ask("_facet", terms=terms)[0] == 400
    assert ask("_facet")[0] == 400


def test_refusals(sandbox: Sandbox, ask: Caller) -> None:
    metadata = f"{BASE}/metadata"
    assert ask.send("GET", metadata, X_AUTH_TOKEN="wrong/APIID00001")[0] == 401
    assert ask.send("GET", metadata, X_AUTH_TOKEN="SECRETSECRETSECRET000001/APIID00403")[0] == 403
    assert ask.send("GET", metadata.replace("ABCD1234", "OTHER"), X_AUTH_TOKEN=KEY)[0] == 404
    assert ask.send("POST", metadata, b"{}", X_AUTH_TOKEN=KEY)[0] == 405
    assert ask.send("POST", f"{BASE}/_search", b"{}", X_AUTH_TOKEN=KEY, Content_Type="text/plain")[0] == 400
    assert ask.send("POST", f"{BASE}/_search", b"{", X_AUTH_TOKEN=KEY, Content_Type="application/json")[0] == 400
    assert ask.send("GET", metadata)[0] == 401
    for shape in ("message", "error_message", "reason"):
        sandbox.switches["carbon_black_error_shape"] = shape
        assert ask(rows=0)[1][shape] == "rows must be a whole number from 1"


def test_logins(sandbox: Sandbox, ask: Caller) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    authorize, token = "/csp/gateway/am/api/auth/api-tokens/authorize", "/csp/gateway/am/api/auth/token"
    status, answer = ask.send("POST", authorize, b"api_token=csp-api-token-000001", **form)
    assert (status, answer["expires_in"]) == (200, 1800)
    login = "Basic " + base64.b64encode(b"csp-client:csp-client-secret").decode()
    other = ask.send("POST", token, b"grant_type=client_credentials", Authorization=login, **form)[1]
    assert other["access_token"] != answer["access_token"]
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    assert ask.send("GET", f"{BASE}/metadata", **bearer)[0] == 200
    sandbox.carbon_black.revoke_tokens()
    assert ask.send("GET", f"{BASE}/metadata", **bearer)[0] == 401
    assert ask.send("POST", authorize, b"api_token=wrong", **form)[0] == 400
    assert ask.send("POST", token, b"grant_type=client_credentials", Authorization="Basic eA==", **form)[0] == 401


def test_calls_while_it_blocks_make_the_block_longer(sandbox: Sandbox, ask: Caller) -> None:
    sandbox.switches.update({"carbon_black_rate_limit": 2, "carbon_black_rate_limit_window_s": 30})
    statuses, waits = [], []
    for _time in range(4):
        statuses.append(ask.send("GET", f"{BASE}/metadata", X_AUTH_TOKEN=KEY)[0])
        waits.append(int(ask.headers.get("Retry-After", "0")))
    assert statuses == [200, 200, 429, 429]
    assert 29 <= waits[2] <= 30
    assert 59 <= waits[3] <= 60


def test_what_moves_between_pages(sandbox: Sandbox, ask: Caller) -> None:
    sandbox.faults.add(
        {"kind": "mutate_between_pages", "n": 3}, {"kind": "mutate_between_pages", "action": "delete", "n": 5}
    )
    assert (ask.found(), ask.found()) == (343, 338)
    sandbox.faults.add({"kind": "wrong_count", "n": 3}, {"kind": "half_page"}, {"kind": "duplicate_record"})
    assert ask.found() == 341
    assert len(ask()[1]["results"]) == 10
    assert len(ask(start=20)[1]["results"]) == 21
    for name, arguments in (("add", [2, 60]), ("delete_newest", [1]), ("revoke_tokens", [])):
        assert ask.send("POST", f"/_sandbox/carbon_black/{name}", json.dumps(arguments).encode())[0] == 200
    assert ask.found() == 339
    sandbox.reset()
    assert ask.found() == 340
