# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are recognised by their own form: keys, tokens with a known prefix, credentials in URLs.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from .values import MARKER, holds_nothing, is_made

_KEY_BLOCK = re.compile(
    r"(-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----)"
    r"(?:(?!-----BEGIN|---- BEGIN)[^\0])*?(?=-----END|---- END|\Z)"
)
_PUTTY = re.compile(
    r"(Private-Lines: \d+\s*?(?:\r\n|\r|\n|\\r\\n|\\n))"
    r"(?:[A-Za-z0-9+/=]+(?:\r\n|\r|\n|\\r\\n|\\n|\Z))+|(Private-MAC: )[0-9a-f]+"
)
_JWK = re.compile(r"(?<=[\"'])(?:d|p|q|dp|dq|qi|k)\\*[\"']\s{0,4}:\s{0,4}\\*[\"']([\w=+/-]{16,}+)")
_JWK_SIZE = 6000
_LINE_ENDS = re.compile(r"(?:\\r)?\\n|\r\n|\r|\n")
_PREFIXES: tuple[str, ...] = (
    # Source code and packages.
    *(f"gh{kind}_[A-Za-z0-9]{{30,255}}" for kind in "pousr"),
    r"github_pat_\w{40,255}",
    r"GR1348941[\w-]{20}",
    r"npm_[A-Za-z0-9]{36}",
    r"gl(?:pat|ptt|rt|soat|cbt|dt|ft|imt|agent|oas|ffct|rtr)-[\w.-]{20,300}",
    r"pypi-[\w-]{50,}",
    r"rubygems_[a-f0-9]{48}",
    r"oy2[a-z0-9]{43}",
    r"CLOJARS_[a-z0-9]{60}",
    r"ATATT3[\w=.-]{60,}",
    r"ATBB[A-Za-z0-9_]{24,}",
    r"ATCTT3[\w=.-]{60,}",
    r"AKCp[A-Za-z0-9]{60,}",
    r"cmVmd[A-Za-z0-9]{59}",
    r"sq[uap]_[a-f0-9]{40}",
    r"sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}",
    r"ccpat_\w{20,}",
    r"bkua_[a-z0-9]{40}",
    # Clouds.
    *(f"{kind}[A-Z2-7]{{16}}(?![A-Za-z0-9])" for kind in ("A3T[A-Z0-9]", "AKIA", "ASIA", "ABIA", "ACCA")),
    r"ABSK[A-Za-z0-9+/]{60,}={0,2}",
    r"bedrock-api-key-[\w+/=-]{20,}",
    r"AIza[\w-]{35}",
    r"ya29\.[\w.-]{20,}",
    r"1//0[\w-]{30,}",
    r"GOCSPX-[\w-]{28}",
    r"LTAI[A-Za-z0-9]{12,24}(?![A-Za-z0-9])",
    r"AKID[A-Za-z0-9]{13,40}(?![A-Za-z0-9])",
    r"do[opr]_v1_[a-f0-9]{64}",
    r"HRKU-[\w-]{30,}",
    r"fo1_[\w-]{43}",
    r"fm[12][ar]?_[A-Za-z0-9+/]{60,}={0,3}",
    r"nfp_[A-Za-z0-9]{36}",
    r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}",
    r"t1\.[A-Z0-9a-z_-]{5,300}=?\.[\w-]{86}=?",
    r"AQVN[\w-]{35,38}",
    # Infrastructure.
    r"hv[sbr]\.[\w-]{20,}",
    r"s\.[A-Za-z0-9]{24}(?![\w.])",
    r"dapi[a-f0-9]{32}(?:-\d)?",
    r"AGE-SECRET-KEY-1[A-Z0-9]{50,60}",
    r"pul-[a-f0-9]{40}",
    r"AGE-PLUGIN-[A-Z0-9-]{1,40}1[A-Z0-9]{30,}",
    r"sha256~[\w-]{43}",
    r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.]{30,60}",
    r"glc_[A-Za-z0-9+/]{32,}={0,2}",
    r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
    r"NRAK-[A-Z0-9]{27}",
    r"NR[IJ][IS]-[\w-]{19,32}",
    r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}",
    r"sntrys_[\w+/=-]{40,}",
    r"sntryu_[a-f0-9]{64}",
    r"pscale_(?:tkn|oauth|pw)_[\w=.-]{32,64}",
    r"tskey-[a-z]{1,20}-[\w-]{10,}",
    r"dckr_(?:pat|oat)_[\w-]{20,}",
    r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}",
    r"PMAT-[A-Z0-9]{26}",
    r"API-[A-Z0-9]{25,32}(?![A-Za-z0-9])",
    r"pnu_[A-Za-z0-9]{36}",
    r"ops_eyJ[A-Za-z0-9+/_-]{40,}={0,3}",
    r"A3-[A-Z0-9]{6}(?:-[A-Z0-9]{5,11}){4,5}",
    r"nvapi-[\w-]{40,}",
    r"napi_[a-z0-9]{40,}",
    r"sbp_[a-f0-9]{40}",
    r"sb_secret_[\w-]{20,}",
    r"rdme_[a-z0-9]{70}",
    r"figd_[\w-]{30,}",
    r"ico-[A-Za-z0-9]{32}",
    r"dnkey-[\w=-]{26}-[\w=-]{52}",
    # Messages and mail.
    r"xox[abeoprs](?:\.xox[bp])?-[\w-]{10,}",
    r"xapp-\d-[\w-]{20,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"key-[a-f0-9]{32}(?![\w-])",
    r"pubkey-[a-f0-9]{32}",
    r"xkeysib-[a-f0-9]{64}-\w{16}",
    r"xsmtpsib-[a-f0-9]{64}-\w{16}",
    r"mfa\.[\w-]{80,}",
    r"SK[0-9a-f]{32}(?![A-Za-z0-9])",
    r"AC[0-9a-f]{32}(?![A-Za-z0-9])",
    r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}",
    r"EAA[A-Za-z0-9]{60,}",
    # Payment and shops.
    r"sk_(?:test|live|prod)_[A-Za-z0-9]{10,200}",
    r"rk_(?:test|live|prod)_[A-Za-z0-9]{10,200}",
    r"whsec_[A-Za-z0-9+/=]{20,}",
    r"shp(?:at|ca|pa|ss|tka|ua)_[A-Fa-f0-9]{32}",
    r"sq0[a-z]{3}-[\w-]{22,60}",
    r"EAAA[\w-]{56,64}",
    r"access-(?:sandbox|development|production)-[0-9a-f-]{36}",
    r"FLWSECK(?:_TEST|_LIVE)?-[\w-]{12,}",
    r"rzp_(?:test|live)_[A-Za-z0-9]{14}",
    r"EZ[AT]K[A-Za-z0-9]{54}",
    r"shippo_(?:live|test)_[a-fA-F0-9]{40}",
    r"duffel_(?:test|live)_[\w=-]{43}",
    r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
    r"amzn\.mws\.[0-9a-f-]{36}",
    r"live_[\w=-]{40}(?![\w-])",
    # Models and data.
    r"sk-(?:ant|proj|svcacct|admin|or|lf)-[\w-]{20,}",
    r"sk-[A-Za-z0-9]{20,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"api_org_[A-Za-z0-9]{30,}",
    r"pplx-[A-Za-z0-9]{40,}",
    r"gsk_[A-Za-z0-9]{40,}",
    r"xai-[A-Za-z0-9]{60,}",
    r"r8_[A-Za-z0-9]{37}",
    r"lsv2_(?:pt|sk)_\w{30,}",
    r"tvly-[\w-]{20,}",
    r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}",
    r"pat\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}",
    r"sat\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}",
    r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}",
    r"ntn_[A-Za-z0-9]{40,}",
    r"secret_[A-Za-z0-9]{43}(?!\w)",
    r"pat-(?:na|eu|ap)\d-[0-9a-f-]{36}",
    r"tfp_[\w.=-]{40,}",
    r"sl\.[\w=-]{60,}",
    r"phx_[A-Za-z0-9]{40,}",
)
"""Tokens by their published prefixes and lengths."""


def _by_first(patterns: t.Iterable[str]) -> str:
    """An alternation in which patterns with the same first letter share it, which Python searches faster."""
    heads: dict[str, list[str]] = {}
    for pattern in patterns:
        heads.setdefault(pattern[0], []).append(pattern[1:])
    return "|".join(f"{head}(?:{'|'.join(rests)})" for head, rests in heads.items())


_TOKEN = re.compile(rf"(?<![A-Za-z0-9])(?:{_by_first(_PREFIXES)})")
_SHAPED = re.compile(
    # Terraform, Azure, Mailgun, Mailchimp, Telegram, Discord and MaxMind.
    r"(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}|(?<![\w.~-])[\w.~]{3}\dQ~[\w.~-]{31,34}|"
    r"(?<![0-9a-f])[0-9a-f]{32}-(?:[0-9a-f]{8}-[0-9a-f]{8}|us\d{1,2})(?![\w-])|(?<![\w:])\d{8,10}:A[A-Za-z0-9_-]{34}(?![\w-])|"
    r"(?<![\w.])[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w.])|(?<![A-Za-z0-9])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"
)
_SHAPE_SIGNS = ("atlasv1", "Q~", "-us", ":A", "_mmk")
_SHORTEST = 16
"""Characters of the shortest token, and of the shortest base64, that are recognised by their own form."""
_SIGNS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_LONG_RUN = b"x" * _SHORTEST
_SHAPE = bytes(120 if sign in _SIGNS else 32 for sign in range(256))
_LEAST_OF_WORD = 11
_WORDS = bytes(sign if sign in _SIGNS | frozenset(b"+=") else 32 for sign in range(256))
_TO_SPACE = {sign: " " for sign in range(128) if sign not in _SIGNS | frozenset(b"+/=.~:$%@")}
_JWT = re.compile(r"eyJ(?<![\w-]eyJ)[\w-]{6,}+\.[\w-]{2,}+\.[\w-]*+(?:\.[\w-]*+)*+")
_HOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[A-Za-z0-9+/]{20,}|(discord(?:app)?\.com/api/webhooks/\d+/)[\w-]{30,}|"
    r"(\.webhook\.office\.com/webhookb2/)[\w@/-]{40,}|(api\.telegram\.org/bot)\d+:[\w-]{30,}"
)
_SCHEME = re.compile(
    r"\b((?:bearer|basic|negotiate|ntlm|apikey|token|sharedaccesssignature|aws4-hmac-sha256)(?: |%20|\+))"
    r"([a-z0-9._~+/=%:|-]{8,})",
    re.IGNORECASE,
)
_RANDOM_WORD = re.compile(r"\d|[a-z][A-Z]|=\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_USER = re.compile(
    r"(://|%3A%2F%2F|:\\/\\/|(?<![\w:/])//(?=[\w.-]{1,60}:[^@\s/]))([^\s/?#\"'<>:@\\]{0,600}+)((?::|%3A)[^\s/?#\"'<>\\]*)?@",
    re.IGNORECASE,
)
_ENCODED_USER = re.compile(
    r"(%(?:25)?3A%(?:25)?2F%(?:25)?2F)((?:[\w.~!*'()+-]|%(?!(?:25)?(?:3A|2F|40)))*+%(?:25)?3A(?:[\w.~!*'()+-]|%(?!(?:25)?(?:2F|40)))++)(?=%(?:25)?40)",
    re.IGNORECASE,
)
_ORACLE = re.compile(r"(:(?:thin|oci8?):[\w.$-]{1,60}/)([^\s/@\"']++)(?=@)")
_LOGIN = re.compile(
    r"(?<![\w.+/@:-])([A-Za-z0-9][\w.+-]{0,60}+):([^\s@/:\"'<>()\[\]{},;&]{3,80}+)@(?=[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+)*+)"
)
_NO_LOGIN = frozenset(
    {
        "mailto",
        "email",
        "e-mail",
        "mail",
        "to",
        "from",
        "cc",
        "bcc",
        "sip",
        "sips",
        "acct",
        "xmpp",
        "user",
        "contact",
        "author",
    }
    | {
        "tel",
        "owner",
        "by",
        "name",
        "reply-to",
        "sender",
        "maintainer",
        "account",
        "login",
        "username",
        "im",
        "npm",
        "git",
    }
)


def redact_keys(value: str) -> str:
    """A text without private keys; their first and last lines stay."""
    if "PRIVATE KEY" in value:
        value = _KEY_BLOCK.sub(_key_block, value)
    if "kty" in value:
        value = _without_web_keys(value)
    return _PUTTY.sub(_putty, value) if "Private-" in value else value


def _without_web_keys(value: str) -> str:
    """A text without the private members of JSON web keys."""
    parts: list[str] = []
    start = 0
    at = value.find("kty")
    while at >= 0:
        first = max(value.rfind("{", max(start, at - _JWK_SIZE), at), start)
        last = value.find("}", at, at + _JWK_SIZE)
        last = last if last >= 0 else min(len(value), at + _JWK_SIZE)
        for member in _JWK.finditer(value, first, last):
            parts += [value[start : member.start(1)], MARKER]
            start = member.end(1)
        start_next = max(start, last)
        at = value.find("kty", start_next)
        parts.append(value[start:start_next])
        start = start_next
    return "".join([*parts, value[start:]])


def _key_block(match: re.Match[str]) -> str:
    end = _LINE_ENDS.match(match[0], len(match[1]))
    line = end[0] if end else ""
    last = line if match[0].endswith(line) and len(match[0]) > len(match[1]) + len(line) else ""
    return f"{match[1]}{line}{MARKER}{last}"


def _putty(match: re.Match[str]) -> str:
    if match[2]:
        return match[2] + MARKER
    end = _LINE_ENDS.search(match[0], len(match[0]) - 4)
    return match[1] + MARKER + (end[0] if end and end.end() == len(match[0]) else "")


def has_long_run(line: bytes) -> bool:
    """Whether a line, in ASCII, has a word that is long enough for a token. Hardly any line does."""
    return _LONG_RUN in line.translate(_SHAPE)


def has_mixed_run(line: bytes) -> bool:
    """Whether one of the long words of a line, in ASCII, has more than letters and dashes, unlike names in code."""
    words = line.translate(_WORDS, b"-_").split()
    return any(len(word) > _LEAST_OF_WORD and not word.isalpha() for word in words)


def redact_tokens(line: str, redact_run: t.Callable[[str], str]) -> str:
    """A line without tokens that have a known form.

    Args:
        line: the line.
        redact_run: redacts what a word contains besides tokens.
    """
    parts: list[str] = []
    start = at = 0
    for run in line.translate(_TO_SPACE).split():
        at = line.find(run, at)
        if len(run) >= _SHORTEST and not run.isalpha():
            clean = redact_run(_redact_token(run))
            if clean != run:
                parts += [line[start:at], clean]
                start = at + len(run)
        at += len(run)
    return "".join([*parts, line[start:]]) if parts else line


def _redact_token(run: str) -> str:
    if "eyJ" in run:
        run = _JWT.sub(MARKER, run)
    run = _TOKEN.sub(MARKER, run)
    if run.count(".") > 1 or run.count("-") > 1 or any(map(run.__contains__, _SHAPE_SIGNS)):
        run = _SHAPED.sub(MARKER, run)
    return _HOOK.sub(_hook, run) if "hook" in run or "telegram" in run else run


def _hook(match: re.Match[str]) -> str:
    return (match[match.lastindex or 0]) + MARKER


def redact_schemes(value: str) -> str:
    """A text without what follows ``Bearer``, ``Basic`` and other schemes, unless that is an ordinary word."""
    return _SCHEME.sub(_scheme, value)


def _scheme(match: re.Match[str]) -> str:
    scheme, held = match[1].rstrip(" +").lower(), match[2]
    if held.startswith(MARKER) or not _RANDOM_WORD.search(held):
        return match[0]
    if scheme in ("token", "apikey", "negotiate", "ntlm") and not is_made(held):
        return match[0]
    if scheme == "basic" and not (_BASE64.fullmatch(held) and (is_login(held) or "=" in held or len(held) >= 16)):
        return match[0]
    return match[1] + MARKER


def is_login(text: str) -> bool:
    """Whether a text is base64 of ``user:password``."""
    try:
        data = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=None, validate=True)
    except (binascii.Error, ValueError):
        return False
    user, colon, password = data.partition(b":")
    return bool(colon and user and password) and data.decode("utf-8", "replace").isprintable()


def redact_logins(value: str) -> str:
    """A text without the user and password before the host of a URL."""
    if "@" in value:
        value = _USER.sub(_user, value)
    if "%40" in value or "%2540" in value:
        value = _ENCODED_USER.sub(_first_only, value)
    if ":thin:" in value or ":oci" in value:
        value = _ORACLE.sub(_first_only, value)
    return _LOGIN.sub(_login, value) if ":" in value else value


def _first_only(match: re.Match[str]) -> str:
    return match[1] + MARKER


def _user(match: re.Match[str]) -> str:
    user, rest = match[2], match[3]
    if rest is None and not is_made(user) and "%3a" not in user.lower():
        return match[0]
    if rest is not None and holds_nothing(rest[1:]) and rest[1:2] in ("$", "{", "*"):
        return match[0]
    return f"{match[1]}{MARKER}@"


def _login(match: re.Match[str]) -> str:
    user, password = match[1], match[2]
    if user.lower() in _NO_LOGIN or holds_nothing(password) or (password.isalpha() and password.islower()):
        return match[0]
    if password.isdigit() and user.replace(".", "").isdigit():
        return match[0]
    return f"{user}:{MARKER}@"
