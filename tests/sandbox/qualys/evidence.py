# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scanner sent and got: the resultList of a finding, made when it is read."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from . import hostile
from .tree import NULL, Padded, QList, Shared, Url, shared

Tree = dict[str, Any]

_PAYLOADS: dict[str, tuple[str, ...]] = {
    "xss": ("%22'%3E%3Cqss%20a=X140252%3E", *hostile.MARKUP[:4]),
    "sqli": ("1%20AND%20SLEEP(5)%20--", *hostile.SQL),
    "template": hostile.TEMPLATES,
    "command": ("%7C%20ping%20-n%2020%20127.0.0.1", "; cat /etc/passwd"),
    "traversal": hostile.PATHS[:2],
    "redirect": ("https://evil.example/%2f..", "//evil.example"),
    "xxe": ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',),
    "ssrf": ("http://169.254.169.254/latest/meta-data/", "http://[::1]:8080/"),
}

_HTML = "HTTP/1.1 200 OK\nContent-Type: text/html\n"
_BODIES: tuple[str, ...] = tuple(
    "".join(parts)
    for parts in (
        (
            "HTTP/1.1 200 OK\nContent-Type: text/html; charset=UTF-8\nServer: nginx\nX-Powered-By: Express\n\n",
            "<html><head><title>Search</title></head><body><h1>Results for \"'><qss a=X140252></h1>",
            '<p>No products were found.</p><form action="/search"><input name="q"></form></body></html>\n',
        ),
        (
            "HTTP/1.1 500 Internal Server Error\nContent-Type: text/html\n\n<pre>org.postgresql.util.PSQLException: ",
            'ERROR: unterminated quoted string at or near "\'" Position: 47\n  at org.postgresql.core.v3.',
            "QueryExecutorImpl.receiveErrorResponse(QueryExecutorImpl.java:2676)\n",
            "  at example.shop.ProductDao.find(ProductDao.java:88)</pre>\n",
        ),
        ("HTTP/1.1 302 Found\nLocation: https://evil.example/\nSet-Cookie: JSESSIONID=0F1E2D3C4B5A; Path=/\n\n",),
        (
            "HTTP/1.1 200 OK\nContent-Type: application/json\nAccess-Control-Allow-Origin: *\n\n",
            '{"user": {"id": 42, "email": "jane.doe@example.com", "token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"}}\n',
        ),
        (
            f"{_HTML}\n<script>alert(document.domain)</script>{{{{ 7 * 7 }}}}",
            "\x1b[31m::error::]]>=1+1|\u202e</script>\n",
        ),
        (
            "HTTP/1.1 200 OK\nContent-Type: text/plain\n\n",
            "root:x:0:0:root:/:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:\n",
        ),
        (
            f'{_HTML}Set-Cookie: sid=abc123; path=/\n\n<ul><li><a href="/backup/">backup/</a></li>',
            '<li><a href="/old.zip">old.zip</a></li><li>Größe: 12 МБ 日本語</li></ul>\n',
        ),
    )
)
RECORDED = 450
"""Characters of a response, when findings are to have the size that they have on real applications."""
_WORDS = (
    "basket", "blanket", "bottle", "candle", "chair", "coat", "copper", "cotton",
    "desk", "green", "jacket", "kettle", "lamp", "leather", "paper", "silver",
)  # fmt: skip
_FOR_KIND = {"xss": (0, 4), "sqli": (1,), "error": (1,), "redirect": (2,), "token": (3,), "traversal": (5,),
             "command": (5,), "xxe": (5,), "path": (6,), "template": (4,)}  # fmt: skip

_INFO_LINES = "\n".join(f"https://www.example.com/page/{number}" for number in range(1, 13))
_DIAGNOSTICS = (
    "Scan diagnostics\nCrawl duration: 00:14:32\nRequests: 8211\nAverage response time: 0.112 s\n"
    'No form authentication was attempted: <none> & "none".\n'
)
_INFO = (
    f"Number of links: 12\n{_INFO_LINES}\n",
    _DIAGNOSTICS,
    "Server: nginx/1.24.0\nX-Powered-By: PHP/8.1.2\nContent-Security-Policy: not set\n",
)


def base64_text(text: str, *, strip: bool) -> str:
    """Base64, with the padding missing where the vendor loses it."""
    encoded = base64.b64encode(text.encode()).decode()
    return encoded.rstrip("=") if strip else encoded


def _body(text: str, seed: int, target: int) -> Shared | Padded | str:
    """The recorded response: one of a few, or with a target one of which no other payload has the like."""
    if not target:
        return shared(text)
    body = text + recorded_page(seed, RECORDED - len(text))
    return Padded(body, target) if target > 1 else body


def recorded_page(seed: int, size: int) -> str:
    """The rest of a response, of about so many characters: a page of a shop, with a token as such pages have."""
    lines = []
    while size > 0:
        seed = seed * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
        first, second = _WORDS[seed >> 33 & 15], _WORDS[seed >> 38 & 15]
        if seed >> 60 == 3:
            line = f'<input type="hidden" name="csrf_token" value="{seed:016x}">'
        else:
            line = (
                f'<li><a href="/{first}/{second}?id={seed >> 43 & 0xFFFFF}">{first.title()} {second}</a>'
                f"<b>{seed >> 50 & 511}.{seed >> 20 & 63:02d} EUR</b></li>"
            )
        lines.append(line)
        size -= len(line) + 1
    return "\n".join(lines)


def results(record: Mapping[str, Any], *, padding: bool, target: int) -> QList:
    """The resultList; ``padding`` keeps base64 padding, ``target`` is the least size of the whole record in bytes.

    With a target the evidence has the size that it has on real applications: one payload or two, each with a response
    of its own of about ``RECORDED`` characters.
    """
    variant = int(record.get("_variant", 0))
    if record["type"] == "INFORMATION_GATHERED":
        response = _body(_INFO[variant % len(_INFO)], variant, target)
        payloads = QList("PayloadInstance", [{"response": response}])
        return QList("Result", [{"authentication": variant % 2 == 0, "payloads": payloads}])
    count = 2 if variant % 17 == 0 and not target else 1
    listed = [_result(record, variant + index, padding=padding, target=target) for index in range(count)]
    return QList("Result", listed)


def _result(record: Mapping[str, Any], variant: int, *, padding: bool, target: int) -> Tree:
    url = str(record.get("url", ""))
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}/"
    result: Tree = {"authentication": variant % 3 == 0, "ajax": variant % 11 == 0}
    if variant % 11 == 0:
        result["ajaxRequestId"] = f"ajax-{variant % 97}"
    if variant % 7 == 0:
        result["formLocation"] = url
    if variant % 13:
        result["accessPath"] = QList("Url", [Url(root), Url(root + "catalog")][: 1 + variant % 2])
    number = 1 + variant % 2 if target else 3 if variant % 19 == 0 else 1
    listed = [
        # Only one of them is padded, when the record has not its size yet.
        _payload(record, variant + index, padding=padding, target=min(target, 1) if index else target)
        for index in range(number)
    ]
    result["payloads"] = QList("PayloadInstance", listed)
    return result


def _payload(record: Mapping[str, Any], variant: int, *, padding: bool, target: int) -> Tree:
    kind = str(record.get("_evidence", ""))
    url = str(record.get("url", ""))
    choices = _PAYLOADS.get(kind)
    payload = choices[variant % len(choices)] if choices else "N/A"
    method = "POST" if variant % 4 == 0 else "GET"
    strip = variant % 5 == 0 and not padding
    headers = (
        f"Host: {urlsplit(url).netloc}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) WAS\r\nAccept: */*\r\n"
        f"Cookie: JSESSIONID={variant % 0xFFFFFF:06X}A7F3; theme=dark\r\n"
    )
    body: Any = NULL
    if method == "POST":
        body = base64_text(f"{record.get('param', 'q')}={payload}&csrf=f00d{variant % 9999}", strip=strip)
    request = {"method": method, "link": url, "headers": base64_text(headers, strip=strip), "body": body}
    bodies = _FOR_KIND.get(kind, (0, 3, 6))
    response = _body(_BODIES[bodies[variant % len(bodies)]], variant, target)
    instance: Tree = {"payload": payload, "request": request, "response": response}
    if kind == "xss":
        instance["payloadResponce"] = {"offset": 181, "length": 19}
    return instance


def ssl_data(record: Mapping[str, Any]) -> Tree:
    """The sslData of a finding about TLS."""
    parts = urlsplit(str(record.get("url") or "https://www.example.com/"))
    variant = int(record.get("_variant", 0))
    names = ("ECDHE-RSA-AES128-SHA", "AES256-SHA", "DES-CBC3-SHA", "ECDHE-RSA-AES256-GCM-SHA384")
    ciphers = [
        {"protocol": f"TLSv1.{index % 3}", "name": name, "keyExchange": name.split("-", maxsplit=1)[0], "auth": "RSA",
         "mac": "SHA1", "encryption": "AES(128)", "grade": "MEDIUM" if index else "STRONG"}
        for index, name in enumerate(names)
    ]  # fmt: skip
    kexes = [
        {"protocol": f"TLSv1.{index}", "kex": kex, "keysize": size, "fwdsec": "yes", "classical": 128, "quantum": "low"}
        for index, (kex, size) in enumerate((("RSA", 2048), ("ECDHE", 256), ("DHE", 2048)))
    ]
    properties = [
        {"name": "Heartbeat", "value": "no", "protocol": "TLSv1.1"},
        {"name": "Truncated HMAC", "value": "no", "protocol": "TLSv1.2"},
        {"name": "OCSP stapling", "value": "no", "protocol": "TLSv1.2"},
    ]
    info = {
        "certificateFingerprint": f"{variant % 0xFFFFFFFF:08X}" * 8,
        "sslDataCipherList": QList("SSLDataCipher", ciphers),
        "sslDataKexList": QList("SSLDataKex", kexes),
        "sslDataPropList": QList("SSLDataProp", properties),
    }
    return {
        "protocol": "tcp",
        "virtualhost": parts.hostname or "www.example.com",
        "ip": f"192.0.2.{variant % 250 + 1}",
        "port": 443,
        "result": "SSL/TLS service detected",
        "flags": "0",
        "sslDataInfoList": QList("SSLDataInfo", [info]),
    }
