# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of secrets, for all vendors: the one word list that decides what is redacted.

This module is private to the collection and may change at any time.

The words of a name decide: ``newPassword``, ``user[token]`` and ``ASP.NET_SessionId`` name secrets; ``keyboard``,
``token_type`` and ``password_policy`` do not.
"""

from __future__ import annotations

import enum
import functools
import itertools
import re
import typing as t
from urllib.parse import unquote


class Secrecy(enum.IntEnum):
    """What a name says about its value."""

    NONE = 0
    MAYBE = 1
    """The value is a secret if it looks machine-made: ``key``, ``code``, ``ticket``."""
    SECRET = 2


_WORDS = frozenset(
    {"sid", "cookie", "session", "auth", "csrf", "xsrf", "jwt", "otp", "totp", "pin", "cvv", "cvc", "cvv2", "signature"}
    | {
        "credential",
        "credentials",
        "creds",
        "authorization",
        "authorisation",
        "pw",
        "psw",
        "pswd",
        "pwrd",
        "mdp",
    }
    | {
        "passw",
        "bindpw",
        "rootpw",
        "pwdhash",
        "zugangscode",
        "sicherheitscode",
        "passwrd",
        "pword",
        "wpnonce",
        "samlresponse",
        "samlart",
        "wresult",
        "assertion",
        "passcodes",
        "authn",
    }
    # Names of personal identification numbers.
    | {
        "ssn",
        "aadhaar",
        "aadhar",
        "mynumber",
        "socialsecurity",
        "cardnumber",
        "ccnumber",
        "creditcard",
        "ccnum",
        "iban",
    }
    # Other languages.
    | {"contrasena", "contrasenia", "clave", "senha", "segredo", "segreto", "secreto", "sekret", "geheim", "geheimnis"}
    | {
        "haslo",
        "heslo",
        "jelszo",
        "losenord",
        "adgangskode",
        "kodeord",
        "passord",
        "salasana",
        "parola",
        "parol",
        "sifre",
    }
    | {"katasandi", "matkhau", "jeton", "parool", "lozinka", "geslo", "zaporka", "slaptazodis", "zugangsdaten"}
)
_ENDS = (
    *("token", "password", "passwd", "pwd", "passphrase", "passcode", "secret", "sessionid", "sessid", "apikey", "jwt"),
    *("passwort", "kennwort", "wachtwoord", "motdepasse", "contrasena", "lozinka", "cookie", "passwords", "passkey"),
)
_STARTS = ("password", "passwd", "passwort")
_GLUED = (
    "pass",
    "sesskey",
    "sessionkey",
    "accesskey",
    "secretkey",
    "privatekey",
    "authkey",
    "csrf",
    "xsrf",
    "authcode",
    "pincode",
)
"""Last parts of words that are written together, such as ``dbpass``."""
_NOT_GLUED = frozenset(
    {
        "compass",
        "bypass",
        "trespass",
        "overpass",
        "underpass",
        "surpass",
        "encompass",
        "outpass",
        "bandpass",
        "lowpass",
        "highpass",
    }
    | {"multipass", "onepass", "twopass", "singlepass", "renderpass", "firstpass"}
)
_TOGETHER = frozenset(
    {first + "key" for first in (
        *("api", "access", "private", "secret", "session", "signing", "encryption", "auth", "functions", "function"),
        *("subscription", "master", "host", "admin", "client", "account", "shared", "storage", "customer", "license"),
        *("application", "app", "developer", "dev", "user", "webhook", "service", "crypto", "cipher", "aes", "ssh"),
        *("decryption", "security", "product", "deploy", "integration", "consumer", "totp", "rest", "write", "ingest"),
    )}
    | {first + "code" for first in (
        *("verification", "security", "auth", "authorization", "access", "reset", "backup", "recovery", "mfa", "sms"),
        *("confirmation", "otp", "totp", "pin", "unlock", "device", "login", "activation", "fa", "factor"),
    )}
    | {"sessionid", "passphrase", "passcode", "passwd", "passkey", "socialsecurity", "cardnumber", "creditcard"}
    | {"clesecrete", "cleapi", "motpasse", "depasse", "palavrapasse", "clavesecreta", "chavesecreta", "chaveapi"}
    | {"chiavesegreta", "chiaveapi", "dordine", "codicesegreto", "codesecret", "katasandi", "matkhau", "gizlianahtar"}
    | {"kluczapi", "apisleutel", "apischlussel", "geheimerschlussel", "codeverifier", "rememberme", "encryptkey"}
    | {"samlresponse", "mynumber", "onetime", "sharedaccess", "oidcdata"}
    | {"codigoseguranca", "codigoseguridad", "codigosecreto", "codicesicurezza", "codeconfidentiel", "numeroseguridad"}
)  # fmt: skip
_CARRIERS = frozenset(
    {
        "value",
        "text",
        "string",
        "confirm",
        "confirmation",
        "again",
        "repeat",
        "new",
        "old",
        "current",
        "verify",
        "plain",
    }
    | {
        "raw",
        "enc",
        "encrypted",
        "encoded",
        "env",
        "prod",
        "dev",
        "test",
        "staging",
        "live",
        "default",
        "hash",
        "word",
        "phrase",
    }
)
"""Words that may follow the name of a secret without changing that it names one."""
_MAYBE = frozenset(
    {"key", "keys", "code", "sig", "hmac", "ticket", "chave", "chiave", "klucz", "sleutel"}
    | {"tokens", "secrets", "cookies"}
    | {"cle", "schlussel", "schluessel", "anahtar", "bearer", "sessions", "otc", "sas", "saml"}
)
SEVERAL = ("tokens", "credentials", "secrets", "passwords", "cookies")
"""Last parts of the names of groups, whose members are secrets whatever their names."""
_NOT_BEFORE = frozenset(
    {
        "public",
        "idempotency",
        "websocket",
        "socket",
        "cache",
        "partition",
        "surrogate",
        "routing",
        "sort",
        "primary",
        "foreign",
    }
    | {
        "country",
        "postal",
        "zip",
        "status",
        "error",
        "language",
        "lang",
        "currency",
        "object",
        "content",
        "etag",
        "file",
    }
    | {
        "palabra",
        "parola_chiave",
        "integrity",
        "git",
        "commit",
        "build",
        "dedup",
        "group",
        "row",
        "index",
        "translation",
    }
    | {"cachebuster", "csp", "script", "product", "item", "order", "tracking", "promo", "coupon", "discount", "source"}
    | {"response", "exit", "http", "region", "area", "dial", "color", "colour", "hotkey", "shortcut", "react"}
)
"""Words before ``key``, ``code`` or ``hash`` that make it harmless, as in ``Idempotency-Key`` or ``postal code``."""
_HARMLESS = frozenset(
    {"type", "count", "length", "limit", "policy", "expires", "expiry", "expiration", "required", "strength", "enabled"}
    | {"max", "min", "age", "reset", "forgot", "forgotten", "help", "url", "uri", "field", "label", "status", "name"}
    | {
        "names",
        "timeout",
        "domain",
        "path",
        "method",
        "methods",
        "endpoint",
        "expire",
        "expired",
        "expiresin",
        "in",
        "at",
    }
    | {
        "hint",
        "placeholder",
        "title",
        "message",
        "error",
        "errors",
        "invalid",
        "valid",
        "rules",
        "rule",
        "page",
        "link",
    }
    | {"size", "format", "version", "provider", "mode", "state", "changed", "updated", "created", "visible", "toggle"}
    | {
        "input",
        "form",
        "button",
        "icon",
        "class",
        "style",
        "color",
        "colour",
        "width",
        "height",
        "description",
        "index",
    }
    | {"history", "strategy", "config", "settings", "options", "manager", "storage", "store", "file", "location", "dir"}
    | {"algorithm", "alg", "issuer", "audience", "scope", "realm", "prefix", "suffix", "param", "params", "header"}
    | {"time", "date", "start", "started", "end", "duration", "lifetime", "ttl", "days", "attempts", "retries", "tries"}
    | {"consent", "banner", "notice", "law", "preferences", "samesite", "secure", "httponly", "sha", "flow", "level"}
    | {"usage", "used", "kind", "source", "target", "group", "role", "roles", "user", "username", "email", "issue"}
    | {"callback", "handler", "listener", "check", "validator", "validation", "complexity", "score", "meter", "last"}
    | {
        "present",
        "missing",
        "exists",
        "supported",
        "allowed",
        "disabled",
        "needed",
        "question",
        "changing",
        "minlength",
    }
    | {
        "rate",
        "ratio",
        "percent",
        "percentage",
        "total",
        "average",
        "encryption",
        "hashing",
        "encoding",
        "plugin",
        "backend",
    }
    | {
        "registry",
        "service",
        "services",
        "filter",
        "factory",
        "controller",
        "repository",
        "encoder",
        "decoder",
        "util",
        "utils",
    }
    | {
        "helper",
        "interceptor",
        "middleware",
        "module",
        "exception",
        "builder",
        "parser",
        "resolver",
        "adapter",
        "dao",
        "impl",
    }
    | {"component", "model", "endpoints", "spec", "worker", "job", "task", "context", "pool", "guard", "ref"}
    | {"reference", "references", "refs", "initializer", "generator", "converter", "customizer", "scheduler", "cleaner"}
    | {
        "java",
        "py",
        "js",
        "ts",
        "tsx",
        "jsx",
        "go",
        "rs",
        "rb",
        "php",
        "cs",
        "cpp",
        "kt",
        "css",
        "html",
        "scala",
        "swift",
    }
    | {"maxlength", "pattern", "autocomplete", "wrapper", "container", "box", "view", "screen", "dialog", "modal"}
)
"""Last words of names that describe a secret but do not hold it, such as ``token_type``."""

_FOREIGN: tuple[str, ...] = (
    *(
        "contraseña",
        "mot de passe",
        "clé secrète",
        "clé api",
        "schlüssel",
        "hasło",
        "jelszó",
        "lösenord",
        "şifre",
        "parolă",
    ),
    *("пароль", "парол", "секрет", "токен", "κωδικός", "συνθηματικό", "كلمة المرور", "كلمة السر", "סיסמה", "סיסמא"),
    *(
        "पासवर्ड",
        "รหัสผ่าน",
        "mật khẩu",
        "パスワード",
        "暗証番号",
        "秘密鍵",
        "トークン",
        "シークレット",
        "合言葉",
        "マイナンバー",
    ),
    *(
        "密码",
        "密碼",
        "口令",
        "密钥",
        "密鑰",
        "秘钥",
        "令牌",
        "비밀번호",
        "암호",
        "패스워드",
        "토큰",
        "비밀키",
        "クッキー",
        "salasõna",
    ),
)
"""Parts of names in non-ASCII letters."""

STEMS: tuple[str, ...] = (
    *("session id", "segur", "social", "principal", "oidc"),
    *(
        "pass",
        "pwd",
        "pwrd",
        "psw",
        "pword",
        "secret",
        "token",
        "key",
        "auth",
        "cookie",
        "sess",
        "sid",
        "srf",
        "jwt",
        "otp",
    ),
    *("pin", "cvv", "cvc", "cred", "sig", "code", "ticket", "saml", "wresult", "assertion", "nonce", "hmac"),
    *("mdp", "kennwort", "contrase", "clave", "senha", "segre", "secre", "sekret", "geheim", "wachtwoord", "haslo"),
    *("heslo", "jelszo", "losenord", "adgangskode", "kodeord", "salasana", "parol", "sifre", "sandi", "khau", "jeton"),
    *("chave", "chiave", "klucz", "sleutel", "schluss", "schluess", "gizli", "lozinka", "geslo", "zaporka", "slaptaz"),
    *("zugangsdaten", "ssn", "aadha", "mynumber", "cardn", "creditcard", "ccnum", "iban", "remember", "ordine", "pw"),
)
"""Parts that every name of a secret contains, in lower case: the search looks for these first."""

_STEM_OF = {
    "mot de passe": "passe",
    "clé secrète": "clé",
    "clé api": "clé",
    "пароль": "парол",
    "κωδικός": "κωδικ",
    "συνθηματικό": "συνθηματικ",
    "סיסמה": "סיסמ",
    "סיסמא": "סיסמ",
    "mật khẩu": "khẩu",
}
"""Words of which a part is enough for the search, because they have several forms or occur in several names."""

FOREIGN_STEMS: tuple[str, ...] = tuple(dict.fromkeys(_STEM_OF.get(word, word) for word in _FOREIGN))

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LETTERS = re.compile(r"[a-z]+")
_NAME_CHARACTERS = 300


@functools.lru_cache(maxsize=8192)
def secrecy_of(name: str) -> Secrecy:
    """What a name says about its value. Only its last 300 characters count."""
    written = unquote(name[-_NAME_CHARACTERS:])
    if "%" in written:
        written = unquote(written)
    words = [word.lower() for word in _PARTS.findall(written)]
    if not written.isascii() and any(part in written.lower() for part in _FOREIGN):
        return Secrecy.SECRET
    if not words or words[-1] in _HARMLESS:
        return Secrecy.NONE
    # Once more ignoring case, which means nothing in a name such as cOoKiE.
    flat = _LETTERS.findall(written.lower())
    if any(map(_secret_word, (*words, *flat))) or any(_pairs(words)) or any(_pairs(flat)) or _ends_secret(words):
        return Secrecy.SECRET
    return _maybe(words, flat, written)


def names_secret(name: str) -> bool:
    """Whether a value with this name is a secret whatever it looks like."""
    return secrecy_of(name) is Secrecy.SECRET


def _pairs(words: t.Sequence[str]) -> t.Iterator[bool]:
    return (one + two in _TOGETHER for one, two in itertools.pairwise(words))


def _ends_secret(words: list[str]) -> bool:
    """Whether the last word names a secret only at the end of a name, such as ``db_pass`` but not ``pass_rate``."""
    while len(words) > 1 and words[-1] in _CARRIERS:
        words = words[:-1]
    last = words[-1]
    if last == "pass" or words[-2:] == ["client", "principal"]:
        return True
    return last.endswith(_GLUED) and last not in _NOT_GLUED


def _maybe(words: list[str], flat: list[str], written: str) -> Secrecy:
    last = words[-1]
    if not (_MAYBE & {last, flat[-1]}) and not last.endswith("key"):
        return Secrecy.NONE
    before = words[-2] if len(words) > 1 else ""
    if before in _NOT_BEFORE or last.removesuffix("key") in _NOT_BEFORE:
        return Secrecy.NONE
    # Gateways use such header names, for instance x-functions-key.
    if last == "key" and re.fullmatch(r"(?i)x-[\w-]+-key", written):
        return Secrecy.SECRET
    return Secrecy.MAYBE


def _secret_word(word: str) -> bool:
    if word in _WORDS or word in _TOGETHER or word.endswith(_ENDS):
        return True
    return any(word.startswith(start) and word.removeprefix(start) not in _HARMLESS for start in _STARTS)
