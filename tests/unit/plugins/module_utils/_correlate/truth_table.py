# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finding and events together amount to, pair by pair, written by hand.

A row is: its name, what is particular about the finding, what is particular about each event, and the class. The rest
of a finding is an open SQL injection in ``q`` of ``https://HOST/search``, the rest of an event a blocked attack of that
kind on the same parameter; each row has a host of its own in the place of ``HOST``. ``LOOKALIKES`` must not match.
"""

from __future__ import annotations

from typing import Any

ATTACKED, BLOCKED, SCANNER, UNOBSERVED = "attacked_not_blocked", "blocked", "scanner_only", "unobserved"
Row = tuple[str, dict[str, Any], list[dict[str, Any]], str]

SCANNER_SOURCES = {
    "addresses": ["192.0.2.7", "2001:db8::7"],
    "networks": ["203.0.113.0/28", "2001:db8:5c::/48"],
    "user_agents": ["*Qualys*", "acme scanner/*"],
}


def at(path: str, **more: Any) -> dict[str, Any]:
    """At another path, or URL."""
    url = path if path.startswith("http") else f"https://HOST{path}"
    rest = url.partition("://")[2]
    return {"url": url, "path": f"/{rest.partition('/')[2]}".partition("?")[0], **more}


def rules(*pairs: tuple[str, str | None], **more: Any) -> dict[str, Any]:
    """Rules that were broken, each with what it looked at."""
    return {
        "rule_ids": [rule for rule, _where in pairs],
        "sub_events": [{"rule_id": rule, "message": None, "matched_on": where} for rule, where in pairs],
        **more,
    }


def told(*categories: str, message: str | None = None, **more: Any) -> dict[str, Any]:
    """Categories and a message, and no rule."""
    return {"rule_ids": [], "sub_events": [], "categories": list(categories), "message": message, **more}


def scutum(*categories: str, **more: Any) -> dict[str, Any]:
    """An alert of Scutum."""
    return told(*categories, source="scutum", url="/search?q=1", path="/search", user_agent=None, **more)


XSS = {"cwe": [79], "title": "XSS"}
PATH = {"cwe": [22], "title": "Path traversal"}
UNTOLD = rules(("80009", None))
"""Some rule of which nobody knows what it is about."""

TABLE: list[Row] = [
    # What the firewall did.
    ("blocked", {}, [{"action": "blocked"}], BLOCKED),
    ("challenged", {}, [{"action": "challenged"}], BLOCKED),
    ("redirected", {}, [{"action": "redirected"}], BLOCKED),
    ("alerted", {}, [{"action": "alerted"}], ATTACKED),
    ("allowed", {}, [{"action": "allowed"}], ATTACKED),
    ("unknown action", {}, [{"action": "unknown"}], ATTACKED),
    ("no action", {}, [{"action": None}], ATTACKED),
    ("an action of tomorrow", {}, [{"action": "quarantined"}], ATTACKED),
    ("all blocked", {}, [{"id": "1"}, {"id": "2"}, {"id": "3", "action": "redirected"}], BLOCKED),
    ("one of many was not", {}, [{"id": "1"}, {"id": "2", "action": "alerted"}, {"id": "3"}], ATTACKED),
    ("no event", {}, [], UNOBSERVED),
    # Where it went.
    ("other query", {}, [at("/search?other=2")], BLOCKED),
    ("no query", {}, [at("/search")], BLOCKED),
    ("slash at the end", {}, [at("/search/")], BLOCKED),
    ("slash at the end of the finding", {"url": "https://HOST/search/?q=1"}, [at("/search")], BLOCKED),
    ("fragment", {"url": "https://HOST/search#top"}, [at("/search")], BLOCKED),
    ("percent encoding", {}, [at("/%73earch")], BLOCKED),
    ("percent encoding of the finding", {"url": "https://HOST/%73e%61rch"}, [at("/search")], BLOCKED),
    ("small hexadecimal digits", {"url": "https://HOST/caf%c3%a9"}, [at("/caf%C3%A9")], BLOCKED),
    ("written out", {"url": "https://HOST/caf%C3%A9"}, [at("/caf\u00e9")], BLOCKED),
    ("a number in the path", {"url": "https://HOST/order/1/edit"}, [at("/order/4711/edit")], BLOCKED),
    ("two numbers", {"url": "https://HOST/a/1/b/2"}, [at("/a/3/b/4")], BLOCKED),
    (
        "a UUID in the path",
        {"url": "https://HOST/u/5f1a9a3e-0c6f-4f4c-9d63-0d2f0b6a7c11"},
        [at("/u/00000000-0000-4000-8000-00000000000A")],
        BLOCKED,
    ),
    ("a number and a UUID", {"url": "https://HOST/u/17"}, [at("/u/00000000-0000-4000-8000-00000000000a")], BLOCKED),
    (
        "a hash in the path",
        {"url": "https://HOST/d/507f1f77bcf86cd799439011"},
        [at("/d/5f43a1d2c3b4a5968778695a")],
        BLOCKED,
    ),
    ("a number with a suffix", {"url": "https://HOST/p/1.html"}, [at("/p/22.html")], BLOCKED),
    ("a date in the path", {"url": "https://HOST/log/2026-01-01"}, [at("/log/2025-12-31")], BLOCKED),
    (
        "a session in the path",
        {"url": "https://HOST/cart;jsessionid=AB12/view"},
        [at("/cart;jsessionid=CD/view")],
        BLOCKED,
    ),
    ("a session of ASP.NET", {"url": "https://HOST/(S(abc123))/cart"}, [at("/cart")], BLOCKED),
    ("the root", {"url": "https://HOST"}, [at("/")], BLOCKED),
    ("the root with a query", {"url": "https://HOST?q=1"}, [at("/?q=2")], BLOCKED),
    ("host in capitals", {}, [{"host": "HOST!upper"}], BLOCKED),
    ("host of the finding in capitals", {"url": "https://HOST!upper/search"}, [{}], BLOCKED),
    ("default port", {}, [{"host": "HOST:443"}], BLOCKED),
    ("default port of the finding", {"url": "https://HOST:443/search"}, [{}], BLOCKED),
    ("http and its port", {"url": "http://HOST:80/search"}, [{"host": "HOST:80"}], BLOCKED),
    ("http and https", {"url": "http://HOST/search"}, [{}], BLOCKED),
    ("dot at the end of the host", {}, [{"host": "HOST."}], BLOCKED),
    ("another port on both sides", {"url": "https://HOST:8443/search"}, [{"host": "HOST:8443"}], BLOCKED),
    ("user in the URL", {"url": "https://jo@HOST/search"}, [{}], BLOCKED),
    ("host only in the URL", {}, [{"host": None}], BLOCKED),
    ("path only in the URL", {}, [{"path": None}], BLOCKED),
    ("another method", {"method": "POST"}, [{"method": "GET"}], BLOCKED),
    ("a method that is not told", {"method": None}, [{"method": "DELETE"}], BLOCKED),
    # Which attack it was.
    ("XSS", XSS, [rules(("941100", "ARGS:q"))], BLOCKED),
    ("path traversal", PATH, [rules(("930110", "ARGS:q"))], BLOCKED),
    ("command injection", {"cwe": [78]}, [rules(("932100", "ARGS:q"))], BLOCKED),
    ("template injection", {"cwe": [94, 1336]}, [rules(("934180", "ARGS:q"))], BLOCKED),
    ("SSRF", {"cwe": [918]}, [rules(("934110", "ARGS:q"))], BLOCKED),
    ("session fixation", {"cwe": [384]}, [rules(("943100", "ARGS:q"))], BLOCKED),
    ("Log4Shell", {"cwe": [917, 502]}, [rules(("944150", "ARGS:q"))], BLOCKED),
    ("deserialization", {"cwe": [502]}, [rules(("944210", "ARGS:q"))], BLOCKED),
    ("remote file inclusion", {"cwe": [98]}, [rules(("931100", "ARGS:q"))], BLOCKED),
    ("response splitting", {"cwe": [113]}, [rules(("921120", "ARGS:q"))], BLOCKED),
    ("an old rule id", {}, [rules(("981255", "ARGS:q"))], BLOCKED),
    ("a weakness as text", {"cwe": ["CWE-89"]}, [{}], BLOCKED),
    ("a check without a weakness", {"cwe": [], "title": "A check"}, [{}], BLOCKED),
    ("a title without a weakness", {"cwe": [], "source": "burp", "title": "SQL injection"}, [{}], BLOCKED),
    ("a tag", {}, [told("OWASP_CRS/WEB_ATTACK/SQL_INJECTION")], BLOCKED),
    ("a newer tag", {}, [told("attack-sqli")], BLOCKED),
    ("scores in the message", {}, [told(message="Anomaly Score Exceeded (Total Score: 5, SQLi=5, XSS=0)")], BLOCKED),
    ("a rule in the message", {}, [told(message="Last Matched Message: 942100-SQL")], BLOCKED),
    ("words in the message", {}, [told(message="SQL injection attack")], BLOCKED),
    ("a category of Scutum", {}, [scutum("SQLインジェクション")], BLOCKED),
    ("two categories of Scutum", XSS, [scutum("クロスサイトスクリプティング", "SQLインジェクション")], BLOCKED),
    ("an alert that passed Scutum", {}, [scutum("SQLインジェクション", action="alerted")], ATTACKED),
    ("a category that nobody knows", {}, [scutum("未知の攻撃")], BLOCKED),
    ("an attack that is not told", {}, [UNTOLD], BLOCKED),
    ("only a score", {}, [rules(("949110", None))], BLOCKED),
    ("neither side tells", {"cwe": [], "rule_id": "1", "title": "Debug page"}, [UNTOLD], BLOCKED),
    ("two attacks at once", XSS, [rules(("942100", "ARGS:a"), ("941100", "ARGS:q"))], BLOCKED),
    (
        "a missing header beside the attack",
        {},
        [rules(("920320", "REQUEST_HEADERS:Accept"), ("942100", "ARGS:q"))],
        BLOCKED,
    ),
    # Which parameter.
    ("no parameter in the finding", {"parameter": None}, [rules(("942100", "ARGS:other"))], BLOCKED),
    ("no parameter in the event", {}, [rules(("942100", "REQUEST_URI"))], BLOCKED),
    ("one of two parameters", {}, [rules(("942100", "ARGS:a"), ("942110", "ARGS:q"))], BLOCKED),
    ("name of a parameter", {}, [rules(("942100", "ARGS_NAMES:q"))], BLOCKED),
    ("body", {}, [rules(("942100", "ARGS_POST:q"))], BLOCKED),
    ("cookie", {"parameter": "sid"}, [rules(("942100", "REQUEST_COOKIES:sid"))], BLOCKED),
    ("header", {"parameter": "Referer"}, [rules(("942100", "REQUEST_HEADERS:Referer"))], BLOCKED),
    ("JSON", {"parameter": "user.name"}, [rules(("942100", "ARGS:json.user.name"))], BLOCKED),
    ("brackets", {"parameter": "user%5Bname%5D"}, [rules(("942100", "ARGS:user[name]"))], BLOCKED),
    # Scanners.
    ("address of a scanner", {}, [{"client_ip": "192.0.2.7"}], SCANNER),
    ("network of a scanner", {}, [{"client_ip": "203.0.113.14"}], SCANNER),
    ("scanner over IPv6", {}, [{"client_ip": "2001:DB8:0:0::7"}], SCANNER),
    ("network of IPv6", {}, [{"client_ip": "2001:db8:5c:1::1"}], SCANNER),
    ("IPv4 in IPv6", {}, [{"client_ip": "::ffff:203.0.113.1"}], SCANNER),
    ("agent of a scanner", {}, [{"user_agent": "Mozilla/5.0 (QUALYS WAS)"}], SCANNER),
    ("scanner that was not blocked", {}, [{"client_ip": "192.0.2.7", "action": "alerted"}], SCANNER),
    (
        "scanner beside a blocked attack",
        {},
        [{"id": "1", "client_ip": "192.0.2.7", "action": "alerted"}, {"id": "2"}],
        BLOCKED,
    ),
    (
        "scanner beside an attack",
        {},
        [{"id": "1", "client_ip": "192.0.2.7"}, {"id": "2", "action": "alerted"}],
        ATTACKED,
    ),
    ("neighbour of a scanner", {}, [{"client_ip": "203.0.113.16"}], BLOCKED),
    ("nearly the agent of a scanner", {}, [{"user_agent": "not an acme scanner/2"}], BLOCKED),
    ("an address that is none", {}, [{"client_ip": "192.0.2.7.evil.test"}], BLOCKED),
    # Findings that are there although their status says something else.
    ("reopened", {"status": "reopened"}, [{"action": "alerted"}], ATTACKED),
    ("protected", {"status": "protected"}, [{"action": "alerted"}], ATTACKED),
    ("status of tomorrow", {"status": "dormant"}, [{}], BLOCKED),
    ("ignored", {"ignored": {"reason": "RISK_ACCEPTED"}}, [{"action": "alerted"}], ATTACKED),
    (
        "seen after it was fixed",
        {"status": "fixed", "fixed_at": "2026-11-01T00:00:00Z", "last_seen": "2026-11-02T00:00:00Z"},
        [{}],
        BLOCKED,
    ),
    # The newest content of an event holds.
    ("an event that came twice", {}, [{"id": "1"}, {"id": "1"}], BLOCKED),
]

LOOKALIKES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("another host", {}, {"host": "www.HOST"}),
    ("a host that ends the same", {}, {"host": "evilHOST"}),
    ("a host that begins the same", {}, {"host": "HOST.evil.test"}),
    ("another port", {}, {"host": "HOST:8443"}),
    ("another port of the finding", {"url": "https://HOST:8443/search"}, {}),
    ("the host as a user", {"url": "https://HOST@evil.test/search"}, {}),
    ("no host at all", {}, {"host": None, "url": "/search?q=1", "path": "/search"}),
    ("a longer path", {}, at("/search/more")),
    ("a shorter path", {"url": "https://HOST/search/more"}, at("/search")),
    ("a path that begins the same", {}, at("/search2")),
    ("a path in capitals", {}, at("/Search")),
    ("another version", {"url": "https://HOST/v1/users"}, at("/v2/users")),
    ("a word in the place of a number", {"url": "https://HOST/order/1"}, at("/order/new")),
    ("a word of hexadecimal digits", {"url": "https://HOST/order/1"}, at("/order/deadbeef")),
    ("another suffix", {"url": "https://HOST/p/1.html"}, at("/p/1.json")),
    ("a number too many", {"url": "https://HOST/order/1"}, at("/order/1/2")),
    ("an encoded slash", {"url": "https://HOST/a/b"}, at("/a%2Fb")),
    ("encoded twice", {}, at("/%2573earch")),
    ("the path in the query", {}, at("/?next=/search")),
    ("the path in a redirect", {}, at("/go/https://HOST/search")),
    ("one level up", {}, at("/search/../admin")),
    ("two slashes", {"url": "https://HOST/a/search"}, at("/a//search")),
    ("XSS on a SQL injection", {}, rules(("941100", "ARGS:q"))),
    ("SQL injection on an XSS", XSS, rules(("942100", "ARGS:q"))),
    ("path traversal on a SQL injection", {}, rules(("930110", "ARGS:q"))),
    ("NoSQL finding, SQL rule", {"cwe": [943]}, {}),
    ("a tag of another attack", {}, told("attack-xss")),
    ("a category of another attack", {}, scutum("ディレクトリトラバーサル")),
    ("the test of Scutum", {}, scutum("Scutum攻撃テスト")),
    ("a score of zero", {}, told(message="Anomaly Score Exceeded (Total Score: 5, SQLi=0, XSS=5)")),
    ("a country that is denied", {}, told("BLACKLIST/COUNTRY", message="Country not allowed")),
    ("a protocol violation", {}, rules(("920320", None))),
    ("a scanner's signature", {}, rules(("913100", None))),
    ("told by the event, not by the finding", {"cwe": [], "rule_id": "1", "title": "Debug page"}, {}),
    ("another parameter", {}, rules(("942100", "ARGS:page"))),
    ("a parameter in capitals", {}, rules(("942100", "ARGS:Q"))),
    ("a parameter that begins the same", {}, rules(("942100", "ARGS:q2"))),
    ("two other parameters", {}, rules(("942100", "ARGS:a"), ("942110", "ARGS:b"))),
    ("another header", {}, rules(("942100", "REQUEST_HEADERS:Referer"))),
    ("the parameter of another attack", {}, rules(("942100", "ARGS:page"), ("920320", "ARGS:q"))),
    ("a finding without a URL", {"url": None}, {}),
    ("a URL that is none", {"url": "search"}, {}),
]
