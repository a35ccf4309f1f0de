# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three parts of an authentication record: form, server and OAuth2 (docs/vendors/qualys_was.md 10.2).

This module is private to the collection and may change at any time.

A part is a mapping of option names. The value of a secret is either text, which will be written, or the marker, which
stands for the unknown secret that Qualys has, or None, if there is no secret. Whatever Qualys returns as the value of a
secret, masked or not, is replaced by the marker at once, so that it is never compared or shown. Some tenants also mask
or omit user names and other values; these are replaced by the marker too, so that a mask is never written back.
"""

from __future__ import annotations

import re
import typing as t

from ..._reconcile.spec import Record
from ..._records.redaction.values import MARKER
from ..api.shapes import Raw, items, text, truth
from ..resource.elements import is_masked, word

Part = dict[str, t.Any]

FORM_TYPES = ("STANDARD", "CUSTOM", "SELENIUM")
SERVER_TYPES = ("BASIC", "DIGEST", "NTLM")
FORM_KEYS = ("name", "value", "secured")
"""Members that identify a form field, the most important first: Qualys may have several fields with one name."""
LOGIN_KEYS = ("type", "domain", "username")
"""Members that identify a login of a server, the most important first."""
_CLIENT = ("client_id", "client_secret", "scope")


class Grant(t.NamedTuple):
    """The required and the optional members of a grant."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]


GRANTS: dict[str, Grant] = {
    "AUTH_CODE": Grant(
        ("selenium_script", "redirect_url", "access_token_url"),
        (*_CLIENT, "access_token_expired_msg_pattern", "selenium_creds"),
    ),
    # Qualys' page lists no scope for this grant, but RFC 6749 section 4.2.1 does, and existing records have one.
    "IMPLICIT": Grant(("selenium_script", "redirect_url"), ("scope", "selenium_creds")),
    "PASSWORD": Grant(("access_token_url", "username", "password"), (*_CLIENT, "access_token_expired_msg_pattern")),
    "CLIENT_CREDS": Grant(("access_token_url",), _CLIENT),
}

OAUTH2_TEXTS: dict[str, str] = {
    "redirect_url": "redirectUrl",
    "access_token_url": "accessTokenUrl",
    "username": "username",
    "client_id": "clientId",
    "scope": "scope",
    "access_token_expired_msg_pattern": "accessTokenExpiredMsgPattern",
}
"""Members of an OAuth2 record that are text and not secret, with Qualys' names."""

OAUTH2_SECRETS: dict[str, str] = {"password": "password", "client_secret": "clientSecret"}
"""Members of an OAuth2 record that are secrets, with Qualys' names."""

_RAW_SECRETS = (*OAUTH2_SECRETS.values(), "data", "contents", "passphrase")

# Options. A part without any given member is empty, which clears it. So no member has a default, and members are not
# required by Ansible if an empty mapping is valid.

_SCRIPT_OPTIONS: dict[str, t.Any] = {
    "name": {"type": "str"},
    "data": {"type": "str", "no_log": True},
    "regex": {"type": "str"},
}
_FLAGS: dict[str, t.Any] = {"ssl_only": {"type": "bool"}, "auth_vault": {"type": "bool"}}
FORM_OPTION: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "type": {"type": "str", "choices": list(FORM_TYPES)},
        **_FLAGS,
        "selenium_creds": {"type": "bool"},
        "selenium_script": {"type": "dict", "options": _SCRIPT_OPTIONS},
        "fields": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                # Most values are not secret, but no_log cannot depend on the name of the field.
                "value": {"type": "str", "no_log": True},
                "secured": {"type": "bool"},
            },
        },
    },
}
SERVER_OPTION: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        **_FLAGS,
        "certificate": {
            "type": "dict",
            "options": {
                "name": {"type": "str"},
                "contents": {"type": "str", "no_log": True},
                "passphrase": {"type": "str", "no_log": True},
            },
        },
        "fields": {
            "type": "list",
            "elements": "dict",
            "options": {
                "type": {"type": "str", "choices": list(SERVER_TYPES), "required": True},
                "domain": {"type": "str"},
                "username": {"type": "str"},
                "password": {"type": "str", "no_log": True},
            },
        },
    },
}
OAUTH2_OPTION: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "grant_type": {"type": "str", "choices": list(GRANTS)},
        "selenium_script": {"type": "dict", "options": _SCRIPT_OPTIONS},
        "selenium_creds": {"type": "bool"},
        "redirect_url": {"type": "str"},
        "access_token_url": {"type": "str", "no_log": False},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "client_id": {"type": "str"},
        "client_secret": {"type": "str", "no_log": True},
        "scope": {"type": "str"},
        "access_token_expired_msg_pattern": {"type": "str", "no_log": False},
    },
}


# Secrets

_SECRET_NAME = re.compile(r"pass|pwd|secret|token|credential|api.?key|^pin$", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Return whether the name of a form field indicates a secret, even if it is not marked as secured."""
    return _SECRET_NAME.search(name) is not None


def is_secret(field: Part) -> bool:
    """Return whether the value of a form field is a secret."""
    return bool(field.get("secured")) or is_secret_name(field["name"])


_SECRET_MEMBERS = (*OAUTH2_SECRETS, "data", "contents", "passphrase")
_CONNECTION_SECRETS = ("password", "client_secret", "proxy")


def plain_values(params: t.Mapping[str, t.Any], _environ: t.Mapping[str, str] | None = None) -> set[str]:
    """Return the values of form fields that are not secret, such as user names, so that results may show them.

    Args:
        params: the options of the module for one record or for many.
        _environ: not used.
    """
    plain: set[str] = set()
    secret = {str(params[name]) for name in _CONNECTION_SECRETS if params.get(name)}
    for record in (params, *(params.get("auth_records") or ())):
        for part in (record.get(name) or {} for name in ("form", "server", "oauth2")):
            groups = [part, *(part.get(name) or {} for name in ("selenium_script", "certificate"))]
            fields = part.get("fields") or ()
            secret |= {str(group[name]) for group in (*groups, *fields) for name in _SECRET_MEMBERS if group.get(name)}
            for field in fields:
                if field.get("value"):
                    (secret if is_secret(field) else plain).add(str(field["value"]))
    return plain - secret


def _with_secrets(part: Part, change: t.Callable[[t.Any], t.Any]) -> Part:
    """Return a copy of a part in which every secret is replaced by the result of ``change``."""
    copy = dict(part)
    for name in OAUTH2_SECRETS:
        if name in copy:
            copy[name] = change(copy[name])
    for name, members in (("selenium_script", ("data",)), ("certificate", ("contents", "passphrase"))):
        if copy.get(name) is not None:
            copy[name] = {key: change(item) if key in members else item for key, item in copy[name].items()}
    if "fields" in copy:
        copy["fields"] = [_field_with_secrets(field, change) for field in copy["fields"]]
    return copy


def _field_with_secrets(field: Part, change: t.Callable[[t.Any], t.Any]) -> Part:
    if "password" in field:
        return {**field, "password": change(field["password"])}
    return {**field, "value": change(field["value"])} if is_secret(field) else field


def shown(part: Part) -> Part:
    """Return a part with the marker for every secret."""
    return _with_secrets(part, lambda value: None if value is None else MARKER)


def agree(wanted: t.Any, found: t.Any) -> bool:
    """Return whether two parts are equal, without secrets and masked values. The order of fields does not matter."""
    one, other = (None if part is None else _with_secrets(part, lambda _value: None) for part in (wanted, found))
    if one is None or other is None:
        return one is other
    names = set(one) | set(other)
    keys = (*FORM_KEYS, *LOGIN_KEYS)
    fields = paired(other.get("fields") or [], one.get("fields") or [], keys)
    return (
        all(_alike(one.get(name), other.get(name)) for name in names - {"fields"})
        and len(one.get("fields") or []) == len(other.get("fields") or [])
        and all(held is not None and _alike(wanted_field, held) for held, wanted_field in fields)
    )


def _alike(one: t.Any, other: t.Any) -> bool:
    if MARKER in (one, other):
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_alike(one.get(name), other.get(name)) for name in set(one) | set(other))
    return bool(one == other)


def paired(held: list[Part], wanted: list[Part], keys: t.Sequence[str]) -> list[tuple[Part | None, Part]]:
    """Return each desired field with the present field that it replaces, or None.

    Args:
        held: the present fields.
        wanted: the desired fields.
        keys: members that identify a field, the most important first. A desired field is paired with the present field
            that agrees in the most of them, counted from the first; the first has to agree.
    """
    keys = [key for key in keys if any(key in field for field in (*held, *wanted))]
    left, found = list(held), dict[int, Part]()
    for count in range(len(keys), 0, -1):
        for field in wanted:
            if id(field) in found:
                continue
            match = next((item for item in left if all(item.get(key) == field.get(key) for key in keys[:count])), None)
            if match is not None:
                left = [item for item in left if item is not match]
                found[id(field)] = match
    return [(found.get(id(field)), field) for field in wanted]


def compared(part: Part) -> str:
    """Return the key by which parts are compared. The order of fields does not matter."""
    return repr({name: _ordered(value) for name, value in sorted(part.items())})


def _ordered(value: t.Any) -> t.Any:
    if isinstance(value, list):
        return sorted(repr(sorted(item.items())) for item in value)
    return sorted(value.items()) if isinstance(value, dict) else value


def written_secrets(part: Part | None) -> list[str]:
    """Return the secrets of a part that will be written."""
    found: list[str] = []
    _with_secrets(part or {}, lambda value: found.append(value) if value not in (None, MARKER) else None)
    return found


def returned_secrets(raw: Raw) -> list[str]:
    """Return the secrets that Qualys returned with a record, masked or not: a message of the vendor may quote them.

    Args:
        raw: the record as Qualys sent it.
    """
    found = [text(raw.get(key)) for key in _RAW_SECRETS]
    for part in (item for item in raw.values() if isinstance(item, dict)):
        found += returned_secrets(part)
        for field in (item for item in items(part.get("fields")) if isinstance(item, dict)):
            found.append(text(field.get("password")))
            if is_secret({"name": text(field.get("name")) or "", "secured": truth(field.get("secured"))}):
                found.append(text(field.get("value")))
    return [secret for secret in found if secret]


def held_secrets(parts: Record) -> set[str]:
    """Return the paths of the secrets that Qualys has, as far as this can be seen.

    Args:
        parts: a record in option form, with ``form``, ``server`` and ``oauth2``.
    """
    found: set[str] = set()
    for name in ("form", "server", "oauth2"):
        part = parts.get(name) or {}
        # Some tenants mask other values as well.
        found |= {f"{name}.{key}" for key in (*OAUTH2_SECRETS, *OAUTH2_TEXTS) if part.get(key) == MARKER}
        for key in ("selenium_script", "certificate"):
            held = part.get(key) or {}
            found |= {f"{name}.{key}.{member}" for member, value in held.items() if value == MARKER}
        # With a vault, a login needs no password, so a missing password does not mean that it was lost.
        for field in part.get("fields") or () if not (name == "server" and part.get("auth_vault")) else ():
            found |= {f"{field_path(name, field)}.{key}" for key, value in field.items() if value == MARKER}
    return found


def field_path(part: str, field: Part) -> str:
    """Return what messages call an entry of ``fields``."""
    return f"{part}.fields[{field['name'] if part == 'form' else field['type']}]"


# Reading


def _held(value: t.Any) -> str | None:
    return MARKER if text(value) else None


def _script(value: t.Any) -> Part | None:
    if not isinstance(value, dict) or not value:
        return None
    # Every script has data, so Qualys has it even if it does not return it.
    return {"name": text(value.get("name")), "data": MARKER, "regex": text(value.get("regex"))}


def _flags(raw: Raw) -> Part:
    return {"ssl_only": bool(truth(raw.get("sslOnly"))), "auth_vault": bool(truth(raw.get("authVault")))}


def _form_field(raw: Raw) -> Part:
    field = {"name": text(raw.get("name")) or "", "value": None, "secured": bool(truth(raw.get("secured")))}
    # Every form field has a value, so Qualys has it even if it does not return it.
    return {**field, "value": MARKER if is_secret(field) else _needed_text(raw.get("value"))}


def _plain_text(value: t.Any) -> str | None:
    """Return a text that is not secret; the marker if Qualys masks it, None if there is none."""
    found = word(value)
    return MARKER if is_masked(found) else found


def _needed_text(value: t.Any) -> str:
    """Return a text that always exists; the marker if Qualys masks it or does not return it."""
    found = text(value)
    return MARKER if found is None or is_masked(found) else found


def form_from_raw(raw: t.Any) -> Part | None:
    """Return the form part of a record; None if there is none."""
    if not isinstance(raw, dict) or text(raw.get("type")) in (None, "NONE"):
        return None
    return {
        "type": text(raw["type"]),
        **_flags(raw),
        "selenium_creds": bool(truth(raw.get("seleniumCreds"))),
        "selenium_script": _script(raw.get("seleniumScript")),
        "fields": [_form_field(item) for item in items(raw.get("fields")) if isinstance(item, dict)],
    }


def _certificate(value: t.Any) -> Part | None:
    if not isinstance(value, dict) or not value:
        return None
    return {"name": text(value.get("name")), "contents": MARKER, "passphrase": _held(value.get("passphrase"))}


def _server_field(raw: Raw, *, vault: bool) -> Part:
    return {
        "type": text(raw.get("type")),
        "domain": _plain_text(raw.get("domain")),
        "username": _plain_text(raw.get("username")) if vault else _needed_text(raw.get("username")),
        "password": _held(raw.get("password")) if vault else MARKER,
    }


def server_from_raw(raw: t.Any) -> Part | None:
    """Return the server part of a record; None if it has neither fields nor a certificate."""
    if not isinstance(raw, dict):
        return None
    flags = _flags(raw)
    found = [item for item in items(raw.get("fields")) if isinstance(item, dict)]
    fields = [_server_field(item, vault=flags["auth_vault"]) for item in found]
    certificate = _certificate(raw.get("certificate"))
    return {**flags, "certificate": certificate, "fields": fields} if fields or certificate else None


def oauth2_from_raw(raw: t.Any) -> Part | None:
    """Return the OAuth2 part of a record; None if there is none."""
    if not isinstance(raw, dict) or text(raw.get("grantType")) in (None, "NONE"):
        return None
    grant = text(raw["grantType"])
    part: Part = {
        "grant_type": grant,
        "selenium_script": _script(raw.get("seleniumScript")),
        "selenium_creds": bool(truth(raw.get("seleniumCreds"))),
    }
    part |= {name: _plain_text(raw.get(element)) for name, element in OAUTH2_TEXTS.items()}
    part |= {name: _held(raw.get(element)) for name, element in OAUTH2_SECRETS.items()}
    if grant == "PASSWORD":
        # The grant requires both, so Qualys has them even if it does not return them.
        part |= {"password": MARKER, "username": _needed_text(raw.get("username"))}
    return part
