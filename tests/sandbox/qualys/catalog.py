# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vulnerabilities that the seed draws findings from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VULN, SENSITIVE, INFO = "VULNERABILITY", "SENSITIVE_CONTENT", "INFORMATION_GATHERED"

_OWASP_2021 = {
    1: ("Broken Access Control", "A01_2021-Broken_Access_Control"),
    2: ("Cryptographic Failures", "A02_2021-Cryptographic_Failures"),
    3: ("Injection", "A03_2021-Injection"),
    4: ("Insecure Design", "A04_2021-Insecure_Design"),
    5: ("Security Misconfiguration", "A05_2021-Security_Misconfiguration"),
    6: ("Vulnerable and Outdated Components", "A06_2021-Vulnerable_and_Outdated_Components"),
    7: ("Identification and Authentication Failures", "A07_2021-Identification_and_Authentication_Failures"),
    8: ("Software and Data Integrity Failures", "A08_2021-Software_and_Data_Integrity_Failures"),
    10: ("Server-Side Request Forgery", "A10_2021-Server-Side_Request_Forgery_(SSRF)"),
}
_OWASP_2017 = {
    1: ("Injection", "Top_10-2017_A1-Injection"),
    3: ("Sensitive Data Exposure", "Top_10-2017_A3-Sensitive_Data_Exposure"),
    4: ("XML External Entities (XXE)", "Top_10-2017_A4-XML_External_Entities_(XXE)"),
    6: ("Security Misconfiguration", "Top_10-2017_A6-Security_Misconfiguration"),
    7: ("Cross-Site Scripting (XSS)", "Top_10-2017_A7-Cross-Site_Scripting_(XSS)"),
}
_WASC = {
    4: "INSUFFICIENT TRANSPORT LAYER PROTECTION",
    8: "CROSS-SITE SCRIPTING",
    9: "CROSS-SITE REQUEST FORGERY",
    13: "INFORMATION LEAKAGE",
    14: "SERVER MISCONFIGURATION",
    15: "APPLICATION MISCONFIGURATION",
    19: "SQL INJECTION",
    24: "HTTP REQUEST SPLITTING",
    31: "OS COMMANDING",
    33: "PATH TRAVERSAL",
    37: "SESSION FIXATION",
    38: "URL REDIRECTOR ABUSE",
    43: "XML EXTERNAL ENTITIES",
    47: "INSUFFICIENT SESSION EXPIRATION",
}


def owasp_2021(code: int) -> dict[str, Any]:
    """An OWASP item of the 2021 list."""
    name, page = _OWASP_2021[code]
    return {"name": name, "url": f"https://owasp.org/Top10/{page}/", "code": code}


def owasp_2017(code: int) -> dict[str, Any]:
    """An OWASP item of the 2017 list."""
    name, page = _OWASP_2017[code]
    return {"name": name, "url": f"https://owasp.org/www-project-top-ten/2017/{page}", "code": code}


def wasc(code: int) -> dict[str, Any]:
    """A WASC item."""
    name = _WASC[code]
    page = name.title().replace(" ", "-")
    return {"name": name, "url": f"http://projects.webappsec.org/w/page/{page}", "code": code}


@dataclass(frozen=True, slots=True)
class Template:
    """One entry: what every finding of this QID shares."""

    qid: int
    name: str
    type: str
    group: str
    severity: int
    weight: int
    cwe: list[int]
    owasp: list[dict[str, Any]]
    wasc: list[dict[str, Any]]
    cvss: dict[str, Any] | None
    evidence: str
    potential: bool = False


def _cvss(base: float, vector: str = "Network") -> dict[str, Any]:
    return {"base": base, "temporal": round(base * 0.91, 1), "attackVector": vector}


def _vuln(
    qid: int, name: str, group: str, severity: int, weight: int, cwe: list[int], owasp: tuple[int, int], wasc_code: int,
    base: float, evidence: str, *, potential: bool = False, vector: str = "Network",
) -> Template:  # fmt: skip
    old, new = owasp
    listed = ([owasp_2017(old)] if old else []) + ([owasp_2021(new)] if new else [])
    wascs = [wasc(wasc_code)] if wasc_code else []
    cvss = _cvss(base, vector) if base else None
    return Template(qid, name, VULN, group, severity, weight, cwe, listed, wascs, cvss, evidence, potential)


def _sensitive(qid: int, name: str, group: str, severity: int) -> Template:
    return Template(qid, name, SENSITIVE, group, severity, 3, [200, 359], [owasp_2021(2)], [wasc(13)], None, "content")


def _info(qid: int, name: str, severity: int = 1, evidence: str = "info") -> Template:
    return Template(qid, name, INFO, "INFO", severity, 4, [], [], [], None, evidence)


CATALOG: list[Template] = [
    _vuln(150001, "Reflected Cross-Site Scripting (XSS) Vulnerabilities", "XSS", 5, 14, [79], (7, 3), 8, 6.1, "xss"),
    _vuln(150046, "Reflected Cross-Site Scripting in HTTP Header", "XSS", 4, 5, [79], (7, 3), 8, 6.1, "xss"),
    _vuln(150013, "Browser-Specific Cross-Site Scripting (XSS)", "XSS", 3, 4, [79], (7, 3), 8, 4.7, "xss"),
    _vuln(150084, "Unencoded Characters", "XSS", 1, 9, [79], (7, 3), 8, 0.0, "xss", potential=True),
    _vuln(150246, "Stored Cross-Site Scripting (XSS)", "XSS", 5, 5, [79, 80], (7, 3), 8, 8.0, "xss"),
    _vuln(150251, "DOM-Based Cross-Site Scripting (XSS)", "XSS", 5, 4, [79], (7, 3), 8, 6.1, "xss"),
    _vuln(150003, "SQL Injection", "SQL", 5, 7, [89], (1, 3), 19, 9.8, "sqli"),
    _vuln(150012, "Blind SQL Injection", "SQL", 5, 5, [89], (1, 3), 19, 9.1, "sqli"),
    _vuln(150144, "Possible SQL Injection", "SQL", 3, 3, [89], (1, 3), 19, 7.3, "sqli", potential=True),
    _vuln(150060, "Server-Side Template Injection", "SQL", 5, 2, [94, 1336], (1, 3), 31, 9.8, "template"),
    _vuln(150055, "OS Command Injection", "PATH", 5, 2, [78], (1, 3), 31, 9.8, "command"),
    _vuln(150011, "Local File Inclusion", "PATH", 5, 3, [22, 98], (1, 1), 33, 7.5, "traversal"),
    _vuln(150026, "Directory Traversal", "PATH", 4, 4, [22], (1, 1), 33, 7.5, "traversal"),
    _vuln(150042, "Server Returns HTTP 5XX Error Code During Scanning", "INFO", 2, 8, [550], (6, 5), 14, 0.0, "error"),
    _vuln(150022, "Verbose Error Message", "INFO", 2, 8, [209], (6, 5), 13, 5.3, "error"),
    _vuln(150004, "Predictable Resource Location", "PATH", 2, 8, [425], (6, 5), 13, 5.3, "path"),
    _vuln(150006, "Directory Listing", "PATH", 2, 5, [548], (6, 5), 13, 5.3, "path"),
    _vuln(150072, "Backup or Old File Found", "PATH", 3, 3, [530], (6, 5), 13, 5.3, "path"),
    _vuln(150081, "X-Frame-Options Header Is Not Set", "INFO", 1, 14, [1021], (6, 5), 15, 4.3, "header"),
    _vuln(150202, "Missing Header: X-Content-Type-Options", "INFO", 1, 14, [16], (6, 5), 15, 3.1, "header"),
    _vuln(150206, "Content-Security-Policy Not Implemented", "INFO", 1, 14, [693, 1021], (6, 5), 15, 3.1, "header"),
    _vuln(150248, "Missing Header: Strict-Transport-Security", "INFO", 2, 9, [523], (6, 5), 4, 4.8, "header"),
    _vuln(150122, "Cookie Does Not Contain the Secure Attribute", "INFO", 2, 9, [614], (3, 5), 4, 4.3, "cookie"),
    _vuln(150123, "Cookie Does Not Contain the HTTPOnly Attribute", "INFO", 2, 9, [1004], (6, 5), 15, 4.3, "cookie"),
    _vuln(150069, "Session Fixation", "INFO", 3, 2, [384], (6, 7), 37, 6.5, "cookie"),
    _vuln(150051, "Open Redirect", "PATH", 3, 5, [601], (0, 1), 38, 6.1, "redirect"),
    _vuln(150071, "Form Can Be Manipulated with Cross-Site Request Forgery (CSRF)", "XSS", 3, 6, [352], (0, 1), 9, 6.5,
          "csrf", potential=True),
    _vuln(150112, "Sensitive Form Field Has Not Disabled Autocomplete", "INFO", 1, 6, [200], (0, 4), 13, 0.0, "form"),
    _vuln(150085, "Slow HTTP POST Vulnerability", "INFO", 3, 3, [400], (6, 5), 14, 5.3, "error", potential=True),
    _vuln(150053, "Login Form Is Not Submitted via HTTPS", "INFO", 4, 3, [319], (3, 2), 4, 7.4, "form",
          vector="Adjacent"),
    _vuln(150303, "JSON Web Token Accepted with Weak Signature", "INFO", 4, 2, [347], (0, 2), 0, 7.5, "token"),
    _vuln(150307, "XML External Entity Injection", "PATH", 5, 2, [611], (4, 5), 43, 9.1, "xxe"),
    _vuln(150372, "Server-Side Request Forgery (SSRF)", "PATH", 5, 2, [918], (0, 10), 0, 8.6, "ssrf"),
    _vuln(150544, "Insecure Deserialization", "PATH", 5, 1, [502], (0, 8), 0, 9.8, "token"),
    _vuln(150163, "Missing SameSite Attribute on Session Cookie", "INFO", 2, 7, [1275], (0, 1), 9, 3.5, "cookie"),
    _vuln(150262, "Outdated jQuery Library with Known Vulnerabilities", "INFO", 3, 8, [1104, 79], (0, 6), 14, 6.1,
          "library"),
    _vuln(150263, "Outdated Bootstrap Library with Known Vulnerabilities", "INFO", 3, 5, [1104], (0, 6), 14, 6.1,
          "library"),
    _vuln(150440, "Apache Log4j Remote Code Execution (Log4Shell)", "PATH", 5, 1, [917, 502], (1, 6), 31, 10.0,
          "template"),
    _vuln(150511, "GraphQL Introspection Enabled", "INFO", 2, 3, [200], (6, 5), 13, 5.3, "path"),
    _vuln(150602, "Custom Detection: Legacy Debug Console", "CUSTOM", 4, 2, [], (0, 5), 15, 0.0, "path"),
    _vuln(150630, "Cross-Origin Resource Sharing Allows Any Origin", "INFO", 3, 4, [942], (6, 5), 14, 5.4, "header"),
    _sensitive(150016, "Credit Card Number Pattern Found", "CC", 4),
    _sensitive(150017, "Social Security Number Pattern Found", "SSN_US", 4),
    _sensitive(150115, "Custom Sensitive Content: Internal Project Names", "CUSTOM", 3),
    _info(150009, "Links Crawled"),
    _info(150021, "Scan Diagnostics"),
    _info(150010, "External Links Discovered"),
    _info(150125, "HTTP Response Headers Collected"),
    _info(150148, "AJAX Links Crawled"),
    _info(150152, "Forms Crawled"),
    _info(150247, "Web Server and Technologies Detected", 2),
    _info(150528, "Server Certificate and TLS Configuration", 1, "ssl"),
    _info(150141, "Cookies Collected"),
]  # fmt: skip

SSL_TEMPLATES = [
    _vuln(150621, "TLS Server Supports Deprecated Protocol TLSv1.0", "INFO", 3, 4, [326], (3, 2), 4, 5.9, "ssl"),
    _vuln(150622, "TLS Server Supports Weak Ciphers", "INFO", 3, 3, [327], (3, 2), 4, 5.9, "ssl"),
    _vuln(150623, "TLS Certificate Expires Within 30 Days", "INFO", 2, 2, [298], (3, 2), 4, 0.0, "ssl"),
]
CATALOG.extend(SSL_TEMPLATES)
