# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps weaknesses, firewall rules, tags, categories and keywords to attack families.

This module is private to the collection and may change at any time.

All tables are here, so that they can be reviewed in one place. Sources, all public: the ids and tags of the OWASP Core
Rule Set (CRS 3 and 4 for 911xxx to 944xxx and the outbound rules, CRS 2.2 for the others), the names of weaknesses in
MITRE's CWE list, and the names of the checks of Qualys WAS. What the two firewalls send is described in
docs/vendors/edgecast_waf.md 7 and docs/vendors/scutum_waf.md 7.
"""

from __future__ import annotations

import re

SQLI, NOSQLI, XSS, LFI, RFI, RCE = "sqli", "nosqli", "xss", "lfi", "rfi", "rce"
CODE, SSTI, SSRF, XXE, JAVA, DESERIALIZATION = "code_injection", "ssti", "ssrf", "xxe", "java", "deserialization"
LDAP, XPATH, SSI, MAIL, HEADER, SMUGGLING = "ldap", "xpath", "ssi", "mail", "header_injection", "smuggling"
FIXATION, REDIRECT, CSRF, LOGIN, UPLOAD = "session_fixation", "open_redirect", "csrf", "brute_force", "upload"
PROTOTYPE, POLLUTION, FILES, DISCLOSURE, DOS = (
    "prototype_pollution",
    "parameter_pollution",
    "file_exposure",
    "disclosure",
    "dos",
)
PROTOCOL, SCANNER, ACCESS, BOT, TEST = "protocol", "scanner", "access", "bot", "test"

WEAK = frozenset({PROTOCOL, SCANNER, ACCESS, BOT, TEST})
"""Reasons to stop a request that need not be an attack on a weakness. They count only if there is no other family."""

WEAKNESSES: dict[str, tuple[int, ...]] = {
    SQLI: (89, 564),
    NOSQLI: (943,),
    XSS: (79, 80, 81, 82, 83, 84, 85, 86, 87, 692),
    SSTI: (1336,),
    XXE: (611, 776, 827),
    SSRF: (918,),
    JAVA: (917,),
    DESERIALIZATION: (502,),
    LDAP: (90,),
    XPATH: (643, 652),
    SSI: (97,),
    PROTOTYPE: (1321,),
    LFI: (*range(22, 41), 73),
    RFI: (98,),
    RCE: (77, 78, 88),
    UPLOAD: (434,),
    CODE: (94, 95, 96),
    SMUGGLING: (444,),
    HEADER: (93, 113),
    FIXATION: (384,),
    REDIRECT: (601,),
    CSRF: (352,),
    LOGIN: (307,),
    POLLUTION: (235,),
    FILES: (425, 527, 528, 529, 530, 531, 538, 548, 552),
    DISCLOSURE: (209, 497, 550),
    DOS: (400, 770, 1333),
}
"""CWE numbers. If a finding has several weaknesses, the family listed first here wins: the one that describes an attack
more precisely."""

CHECKS: dict[str, tuple[int, ...]] = {
    XSS: (150001, 150013, 150046, 150084),
    SQLI: (150003, 150012),
    LFI: (150011,),
    REDIRECT: (150051,),
    CSRF: (150071,),
}
"""QIDs of Qualys WAS, for findings whose record has no CWE."""

RULES: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    # CRS 3 and 4.
    (911000, 911999, (PROTOCOL,)),
    (912000, 912999, (DOS,)),
    (913000, 913999, (SCANNER,)),
    (920000, 920999, (PROTOCOL,)),
    (921110, 921110, (SMUGGLING,)),
    (921120, 921169, (HEADER,)),
    (921170, 921180, (POLLUTION,)),
    (921190, 921190, (HEADER,)),
    (921200, 921200, (LDAP,)),
    (921210, 921229, (POLLUTION,)),
    (921000, 921999, (PROTOCOL,)),
    (922000, 922999, (PROTOCOL,)),
    (930130, 930130, (LFI, FILES)),
    (930000, 930999, (LFI,)),
    (931000, 931999, (RFI,)),
    (932300, 932329, (MAIL,)),
    (932000, 932999, (RCE,)),
    (933110, 933111, (CODE, UPLOAD)),
    (933170, 933170, (CODE, DESERIALIZATION)),
    (933000, 933999, (CODE,)),
    (934110, 934120, (SSRF,)),
    (934130, 934131, (PROTOTYPE,)),
    (934160, 934160, (DOS,)),
    (934170, 934170, (SSRF,)),
    (934180, 934180, (SSTI,)),
    (934190, 934190, (SSRF,)),
    (934000, 934999, (CODE,)),
    (941000, 941999, (XSS,)),
    (942290, 942290, (NOSQLI, SQLI)),
    (942000, 942999, (SQLI,)),
    (943000, 943999, (FIXATION,)),
    (944120, 944120, (JAVA, DESERIALIZATION)),
    (944200, 944299, (JAVA, DESERIALIZATION)),
    (944000, 944999, (JAVA,)),
    # CRS 2.2, which older profiles of Edgecast use.
    (950000, 950000, (FIXATION,)),
    (950001, 950001, (SQLI,)),
    (950002, 950002, (RCE,)),
    (950003, 950003, (FIXATION,)),
    (950005, 950005, (LFI,)),
    (950006, 950006, (RCE,)),
    (950007, 950007, (SQLI,)),
    (950009, 950009, (FIXATION,)),
    (950010, 950010, (LDAP,)),
    (950011, 950011, (SSI,)),
    (950012, 950012, (SMUGGLING,)),
    (950018, 950018, (XSS,)),
    (950019, 950019, (MAIL,)),
    (950103, 950103, (LFI,)),
    (950107, 950109, (PROTOCOL,)),
    (950117, 950120, (RFI,)),
    (950801, 950801, (PROTOCOL,)),
    (950901, 950901, (SQLI,)),
    (950907, 950907, (RCE,)),
    (950908, 950908, (SQLI,)),
    (950910, 950911, (HEADER,)),
    # Outbound rules of CRS 3 and 4, and of CRS 2.2.
    (950100, 956999, (DISCLOSURE,)),
    (958000, 958059, (XSS,)),
    (958400, 958423, (XSS,)),
    (958976, 958977, (CODE,)),
    (959070, 959073, (SQLI,)),
    (959151, 959151, (CODE,)),
    (960000, 960999, (PROTOCOL,)),
    (970000, 971999, (DISCLOSURE,)),
    (973300, 973399, (XSS,)),
    (981018, 981018, (XSS,)),
    (981136, 981136, (XSS,)),
    (981172, 981173, (SQLI,)),
    (981231, 981320, (SQLI,)),
    (990000, 990999, (SCANNER,)),
)
"""Rule ids of the Core Rule Set, first and last included; the first row that contains an id wins. Rules that only add
up scores (949xxx, 959100, 980xxx) identify no attack, so they are in no row."""

TAGS: dict[str, tuple[str, ...]] = {
    "attack-sqli": (SQLI,),
    "attack-xss": (XSS,),
    "attack-lfi": (LFI,),
    "attack-rfi": (RFI,),
    "attack-rce": (RCE,),
    "attack-injection-php": (CODE,),
    "attack-injection-java": (JAVA,),
    "attack-injection-nodejs": (CODE,),
    "attack-fixation": (FIXATION,),
    "attack-ssrf": (SSRF,),
    "attack-ssti": (SSTI,),
    "attack-ldap": (LDAP,),
    "attack-protocol": (PROTOCOL,),
    "attack-multipart-header": (PROTOCOL,),
    "attack-reputation-scanner": (SCANNER,),
    "attack-reputation-crawler": (BOT,),
    "attack-dos": (DOS,),
    "attack-disclosure": (DISCLOSURE,),
    "sql_injection": (SQLI,),
    "sql_injection_match": (SQLI,),
    "xss": (XSS,),
    "command_injection": (RCE,),
    "dir_traversal": (LFI,),
    "file_injection": (LFI,),
    "rfi": (RFI,),
    "remote_file_inclusion": (RFI,),
    "php_injection": (CODE,),
    "java_injection": (JAVA,),
    "cf_injection": (CODE,),
    "ldap_injection": (LDAP,),
    "ssi_injection": (SSI,),
    "email_injection": (MAIL,),
    "session_fixation": (FIXATION,),
    "request_smuggling": (SMUGGLING,),
    "response_splitting": (HEADER,),
    "http_response_splitting": (HEADER,),
    "header_injection": (HEADER,),
    "protocol_violation": (PROTOCOL,),
    "protocol_not_allowed": (PROTOCOL,),
    "policy": (PROTOCOL,),
    "automation": (SCANNER,),
    "bots": (BOT,),
    "blacklist": (ACCESS,),
    "whitelist": (ACCESS,),
    "accesslist": (ACCESS,),
}
"""Tags of rules in lower case: CRS 3 and 4 as a whole, the older ones by any part between slashes."""

CATEGORIES: dict[str, tuple[str, ...]] = {
    "SQLインジェクション": (SQLI,),
    "クロスサイトスクリプティング": (XSS,),
    "OSコマンドインジェクション": (RCE,),
    "コマンドインジェクション": (RCE,),
    "コードインジェクション": (CODE,),
    "ディレクトリトラバーサル": (LFI,),
    "パストラバーサル": (LFI,),
    "ローカルファイルインクルージョン": (LFI,),
    "リモートファイルインクルージョン": (RFI,),
    "HTTPヘッダインジェクション": (HEADER,),
    "メールヘッダインジェクション": (MAIL,),
    "LDAPインジェクション": (LDAP,),
    "XPathインジェクション": (XPATH,),
    "SSIインジェクション": (SSI,),
    "クロスサイトリクエストフォージェリ": (CSRF,),
    "サーバサイドリクエストフォージェリ": (SSRF,),
    "XML外部実体参照": (XXE,),
    "オープンリダイレクト": (REDIRECT,),
    "ブルートフォースアタック": (LOGIN,),
    "パスワードリスト攻撃": (LOGIN,),
    "Scutum攻撃テスト": (TEST,),
}
"""Scutum's categories. The list is open: an unlisted category maps to no family."""

WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        (NOSQLI, r"\bnosql\b|\bmongodb injection\b"),
        (SQLI, r"\bsql(?:[ -]+\w+)? injection\b|\bsqli\b|\binjection sql\b"),
        (XSS, r"\bxss\b|\bcross[ -]site[ -]script"),
        (SSTI, r"\btemplate injection\b|\bssti\b"),
        (XXE, r"\bxml external entit|\bxxe\b"),
        (SSRF, r"\bserver[ -]side[ -]request[ -]forgery\b|\bssrf\b"),
        (CSRF, r"\bcross[ -]site[ -]request[ -]forgery\b|\bcsrf\b"),
        (DESERIALIZATION, r"\bdeseriali[sz]ation\b"),
        (JAVA, r"\blog4j|\blog4shell\b|\bexpression language injection\b"),
        (LDAP, r"\bldap injection\b"),
        (XPATH, r"\bxpath injection\b"),
        (SSI, r"\bssi injection\b|\bserver[ -]side includes?\b"),
        (MAIL, r"\b(?:e-?mail|mail|smtp|imap)(?: header| command)? injection\b"),
        (HEADER, r"\bresponse splitting\b|(?<!mail )\bheader injection\b|\bcrlf injection\b"),
        (SMUGGLING, r"\brequest smuggling\b"),
        (RFI, r"\bremote file inclusion\b|\brfi\b"),
        (LFI, r"\blocal file inclusion\b|\b(?:path|directory) traversal\b|\blfi\b"),
        (RCE, r"\bcommand (?:injection|execution)\b|\bshell(?:shock| injection)\b"),
        (CODE, r"\b(?:code|php|perl|ruby|node(?:\.?js)?) injection\b"),
        (PROTOTYPE, r"\bprototype pollution\b"),
        (FIXATION, r"\bsession fixation\b"),
        (REDIRECT, r"\bopen redirect"),
        (LOGIN, r"\bbrute[ -]force\b|\bcredential stuffing\b"),
    )
)
"""Keywords in the title of a finding or the message of a rule, in lower case. Used if nothing better is known."""
