# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings for tests, pictures and measurements of the report: realistic ones from a seed, and hostile ones."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import json
import pathlib
import random
import typing as t

NOW = "2026-11-20T09:12:00Z"
Record = dict[str, t.Any]

# Each runs, breaks out, or lies to a reader in at least one of the formats.
PAYLOADS = (
    "<script>window.__pwned=1;alert(1)</script>",
    "</script><script>window.__pwned=2</script>",
    "<!--<script>window.__pwned=3",
    '"><img src=x onerror="window.__pwned=4">',
    "' onmouseover='window.__pwned=5' x='",
    "<svg/onload=window.__pwned=6>",
    "javascript:window.__pwned=7",
    "]]><b>&lt;&amp;&#x3c;script&#x3e;",
    "[[script]] [[data]] {{ lookup('pipe', 'id') }} {% raw %}",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "  =1+1",
    '"=1+1',
    "a|b\n| --- | injected |",
    "`code` ```fence``` ~~~",
    "[click](javascript:alert(1)) ![x](https://evil.example/x.png)",
    "@everyone @octocat #1 !2 ~label https://evil.example www.evil.example me@evil.example",
    "::error::owned\n::set-output name=x::y",
    "##vso[task.setvariable variable=x]y ##[error]z",
    "\x1b[2J\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "user\u202etxt.exe\u2066x\u2069",
    "zero\u200bwidth\ufeff\u00ad soft\U000e0041tag",
    "line\u2028separator\u2029paragraph\x85next\x0bvt\x0cff",
    "nul\x00byte \ud800 lone surrogate \x7f\x9b31m",
    "Ünïcödé 日本語 🙂 مرحبا",
    "# heading\n- list\n> quote\n---",
    "<https://evil.example> <a href=//evil.example>x</a>",
    "\\| \\\\| \\` \\<b>",
    "x" * 20_000,
    "",
)

_RULES: tuple[tuple[t.Any, ...], ...] = (
    ("150001", "Reflected cross-site scripting (XSS)", "high", 6.1, [79], (3, "Injection"), "XSS"),
    ("150003", "SQL injection", "critical", 9.8, [89], (3, "Injection"), "SQL"),
    ("150012", "Blind SQL injection", "critical", 9.1, [89], (3, "Injection"), "SQL"),
    ("150046", "Server-side template injection", "critical", 9.8, [94], (3, "Injection"), "INFO"),
    ("150055", "Path-based directory traversal", "high", 7.5, [22], (1, "Broken Access Control"), "PATH"),
    ("150076", "DOM-based cross-site scripting", "high", 6.1, [79], (3, "Injection"), "XSS"),
    ("150084", "Unencoded characters in a response", "low", 3.1, [116], (3, "Injection"), "INFO"),
    ("150086", "Insecure direct object reference", "high", 7.1, [639], (1, "Broken Access Control"), "PATH"),
    ("150104", "Form contains an e-mail address field", "info", None, [], None, "INFO"),
    ("150122", "Cookie without Secure", "medium", 4.3, [614], (5, "Security Misconfiguration"), "INFO"),
    (
        "150123",
        "Cookie without HttpOnly",
        "medium",
        4.3,
        [1004],
        (5, "Security Misconfiguration"),
        "INFO",
    ),
    (
        "150145",
        "Outdated JavaScript library",
        "medium",
        5.3,
        [1104],
        (6, "Vulnerable Components"),
        "INFO",
    ),
    (
        "150162",
        "JavaScript library out of support",
        "low",
        3.7,
        [1104],
        (6, "Vulnerable Components"),
        "INFO",
    ),
    ("150202", "Missing header: X-Content-Type-Options", "low", 3.1, [16], (5, "Security Misconfiguration"), "INFO"),
    ("150206", "Content security policy not implemented", "low", 3.1, [16], (5, "Security Misconfiguration"), "INFO"),
    ("150210", "Session identifier in a URL", "medium", 5.4, [598], (7, "Authentication Failures"), "INFO"),
    ("150247", "Web server version disclosed", "info", None, [200], None, "INFO"),
    ("150263", "Login form over an insecure transport", "high", 7.4, [319], (2, "Cryptographic Failures"), "INFO"),
    (
        "150307",
        "External interaction over DNS",
        "high",
        8.2,
        [918],
        (10, "SSRF"),
        "SSRF",
    ),
    (
        "150371",
        "Server-side request forgery in an image proxy",
        "critical",
        9.3,
        [918],
        (10, "SSRF"),
        "SSRF",
    ),
)
_AREAS = (
    "Shop",
    "Payments",
    "Partners",
    "Careers",
    "Claims",
    "Booking",
    "Loyalty",
    "Intranet",
    "Support",
    "Identity",
)
_REGIONS = ("DE", "AT", "CH", "FR", "UK", "NL", "ES", "IT", "PL", "US")
_STAGES = ("production", "staging")
_PATHS = ("/search", "/login", "/account/orders", "/api/v2/items", "/checkout/address", "/download", "/profile/avatar")
_PARAMETERS = ("q", "id", "next", "file", "callback", "lang", "sort", None)
_REASONS = ("False positive", "Risk accepted", "Not applicable")


def finding(number: int = 1, **changes: t.Any) -> Record:
    """One complete, harmless finding; keyword arguments replace members."""
    record: Record = {
        "record": "finding",
        "schema": 1,
        "source": "qualys",
        "id": str(9_000_000 + number),
        "unique_id": f"7f3c{number:032x}",
        "rule_id": "150003",
        "title": "SQL injection",
        "kind": "vulnerability",
        "severity": "critical",
        "severity_native": "5",
        "original_severity": None,
        "cvss_score": 9.8,
        "cvss_vector": "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "detection_score": 95,
        "status": "open",
        "ignored": None,
        "asset": {"id": "100", "name": "Shop DE", "url": "https://shop.example.de", "tags": ["internet", "tier 1"]},
        "url": f"https://shop.example.de/item?id={number}",
        "method": "GET",
        "parameter": "id",
        "first_seen": "2026-10-01T04:00:00Z",
        "last_seen": "2026-11-19T04:00:00Z",
        "last_tested": "2026-11-19T04:00:00Z",
        "fixed_at": None,
        "times_seen": 7,
        "cwe": [89],
        "owasp": [{"code": 3, "name": "Injection", "url": None}],
        "wasc": [{"code": 19, "name": "SQL Injection", "url": None}],
        "group": "SQL",
        "finding_type": "QUALYS",
        "potential": False,
        "external_ref": None,
        "patch": None,
        "ssl": None,
        "evidence": [],
        "fingerprint": hashlib.sha256(str(number).encode()).hexdigest(),
    }
    return record | changes


def evidence(**changes: t.Any) -> Record:
    """One item of evidence."""
    item: Record = {
        "payload": "id=1%27%20OR%201%3D1--",
        "method": "GET",
        "url": "https://shop.example.de/item?id=1%27%20OR%201%3D1--",
        "headers": "Host: shop.example.de\r\nCookie: VALUE_REDACTED\r\nUser-Agent: Mozilla/5.0",
        "body": None,
        "response": "HTTP/1.1 500 Internal Server Error\r\n\r\nYou have an error in your SQL syntax",
        "result": None,
        "authenticated": True,
    }
    return item | changes


TEXT_FIELDS = (
    "source",
    "id",
    "unique_id",
    "rule_id",
    "title",
    "severity_native",
    "original_severity",
    "cvss_vector",
    "url",
    "method",
    "parameter",
    "first_seen",
    "last_seen",
    "last_tested",
    "fixed_at",
    "group",
    "finding_type",
    "external_ref",
    "patch",
    "fingerprint",
)


def poisoned(payload: str, number: int = 1, **changes: t.Any) -> Record:
    """A finding whose every text is the payload."""
    record = finding(number, **dict.fromkeys(TEXT_FIELDS, payload))
    record["ignored"] = None
    record["asset"] = {"id": payload, "name": payload, "url": payload, "tags": [payload]}
    record["owasp"] = [{"code": 3, "name": payload, "url": payload}]
    record["wasc"] = [{"code": 8, "name": payload, "url": payload}]
    record["evidence"] = [dict.fromkeys(evidence(), payload) | {"authenticated": None}]
    return record | changes


def hostile_findings() -> list[Record]:
    """Every payload in every text, open and ignored."""
    found = []
    for number, payload in enumerate(PAYLOADS):
        severity = ("critical", "high", "medium", "low", "info", "unknown")[number % 6]
        found.append(poisoned(payload, number, severity=severity, id=f"{number}{payload}"))
        reasons = dict.fromkeys(("reason", "by", "at", "until", "comment"), payload)
        found.append(poisoned(payload, number, severity=severity, id=f"i{number}{payload}", ignored=reasons))
    return found


def webapps(count: int = 200, seed: int = 7) -> list[Record]:
    """Web application records in option form; every eleventh was never scanned."""
    dice = random.Random(seed)
    listed = []
    for number in range(count):
        area, region = _AREAS[number % len(_AREAS)], _REGIONS[number // len(_AREAS) % len(_REGIONS)]
        stage = _STAGES[number // (len(_AREAS) * len(_REGIONS)) % 2]
        host = f"{area.split()[0].lower()}.{region.lower()}.{'www' if stage == 'production' else 'stage'}.example"
        scan = {"date": f"2026-11-{dice.randrange(10, 20)}T0{dice.randrange(10)}:00:00Z", "status": "FINISHED"}
        listed.append(
            {
                "id": str(100_000 + number),
                "name": f"{area} {region} {stage}",
                "url": f"https://{host}/",
                "tags": [region, stage],
                "last_scan": None if number % 11 == 10 else scan,
                "risk_score": dice.randrange(100, 1000),
            }
        )
    return listed


def _realistic(number: int, dice: random.Random, estate: list[Record], weights: list[float]) -> Record:
    app = dice.choices(estate, weights)[0]
    rule, title, severity, cvss, cwe, owasp, group = dice.choices(_RULES, _RULE_WEIGHTS)[0]
    age = min(int(dice.expovariate(1 / 75)), 900)
    kind = "information" if severity == "info" else "sensitive_content" if dice.random() < 0.03 else "vulnerability"
    status = dice.choices(("new", "open", "reopened", "fixed", "protected", "retesting"), (10, 55, 5, 26, 2, 2))[0]
    ignored = None
    if dice.random() < 0.06:
        comment = "Seen with the team, not reachable from outside."
        reason = dice.choice(_REASONS)
        ignored = {"reason": reason, "by": "a.keller", "at": "2026-09-02T10:00:00Z", "until": None, "comment": comment}
    path, parameter = dice.choice(_PATHS), dice.choice(_PARAMETERS)
    return finding(
        number,
        rule_id=rule,
        title=title,
        severity=severity,
        kind=kind,
        cvss_score=cvss,
        cwe=cwe,
        owasp=[{"code": owasp[0], "name": owasp[1], "url": None}] if owasp else [],
        group=group,
        status=status,
        ignored=ignored,
        asset={"id": app["id"], "name": app["name"], "url": app["url"], "tags": app["tags"]},
        url=f"{app['url'].rstrip('/')}{path}?{parameter or 'page'}={dice.randrange(9999)}",
        parameter=parameter,
        method=dice.choice(("GET", "GET", "POST")),
        first_seen=_days_before(age),
        last_seen="2026-11-19T04:00:00Z",
        last_tested="2026-11-19T04:00:00Z",
        fixed_at="2026-11-18T03:00:00Z" if status == "fixed" else None,
        times_seen=dice.randrange(1, 40),
        detection_score=dice.randrange(20, 99),
        evidence=[evidence()] if severity in ("critical", "high") else [],
    )


_RULE_WEIGHTS = [9, 1.5, 1, 0.3, 2, 4, 9, 2, 8, 10, 10, 9, 7, 12, 12, 4, 8, 2, 1.5, 0.4]


def _days_before(days: int) -> str:
    moment = datetime.datetime(2026, 11, 19, 4, tzinfo=datetime.UTC) - datetime.timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def estate_findings(count: int = 5000, applications: int = 200, seed: int = 7) -> t.Iterator[Record]:
    """Findings of an estate as one would expect them, the same for the same seed."""
    dice = random.Random(seed)
    estate = [app for app in webapps(applications, seed) if app["last_scan"]]
    weights = [dice.paretovariate(1.3) for _app in estate]
    for number in range(count):
        yield _realistic(number, dice, estate, weights)


def estate_before(findings: t.Iterable[Record], seed: int = 8) -> t.Iterator[Record]:
    """The same estate a week earlier: some findings not there yet, some milder, some still open, some since gone."""
    dice = random.Random(seed)
    for number, record in enumerate(findings):
        luck = dice.random()
        if record["status"] == "new" and luck < 0.5:
            continue
        before = record | {"last_seen": "2026-11-12T04:00:00Z", "last_tested": "2026-11-12T04:00:00Z"}
        if record["status"] == "fixed":
            before |= {"status": "open", "fixed_at": None} if luck < 0.2 else {}
        elif record["status"] == "reopened":
            before |= {"status": "fixed"}
        elif luck < 0.01 and record["severity"] in ("high", "critical"):
            before |= {"severity": "medium"}
        yield before
        if luck > 0.995:
            yield record | {"id": f"gone{number}", "unique_id": f"gone{number}", "status": "open", "ignored": None}


def write_snapshot(
    path: pathlib.Path, findings: t.Iterable[Record], *, manifest: bool = True, finished: str = NOW, **changes: t.Any
) -> pathlib.Path:
    """An NDJSON file, gzip when its name says so, with a fitting manifest unless told otherwise."""
    records, assets = 0, set()
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        for record in findings:
            file.write(json.dumps(record).encode() + b"\n")
            records += 1
            assets.add(str(record["asset"]["id"]))
    content = {
        "record": "manifest",
        "schema": 1,
        "source": "qualys",
        "stream": "findings",
        "file": path.name,
        "compressed": path.suffix == ".gz",
        "filters": [],
        "detail": "verbose",
        "since": None,
        "started": "2026-11-20T09:00:00Z",
        "finished": finished,
        "announced_before": records,
        "announced_after": records,
        "records": records,
        "complete": True,
        "assets": sorted(assets),
        "unknown_values": {},
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    if manifest:
        path.with_name(path.name + ".manifest.json").write_text(json.dumps(content | changes))
    return path
