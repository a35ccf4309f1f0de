# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes the desired parts of an authentication record from the options and the present parts.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 10.2, 10.3.

A secret that is not given stays. A secret that is given is only written if there is none yet, or with
``update_secret: always``. Some elements can only be written as a whole, including their secrets: a form of another
type, another grant, a script, a certificate. If the secrets of such an element are not given, they would be lost, so
the task is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from ..._base.errors import OptionError
from ..._records.redaction.values import MARKER
from .auth_record_parts import (
    FORM_KEYS,
    FORM_TYPES,
    GRANTS,
    LOGIN_KEYS,
    OAUTH2_SECRETS,
    OAUTH2_TEXTS,
    Grant,
    Part,
    compared,
    field_path,
    is_secret,
    is_secret_name,
    paired,
)

Options = t.Mapping[str, t.Any]

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?\n(.*?)-----END \1-----", re.DOTALL)
_PEM_HEADERS = re.compile(r"\A(?:[A-Za-z0-9-]+:[^\n]*\n|[ \t]+[^\n]*\n)+[ \t]*\r?\n")
_ANY_GRANT = Grant((), (*OAUTH2_TEXTS, *OAUTH2_SECRETS, "selenium_script", "selenium_creds"))
_STANDARD_FIELDS = ("username", "password")


class Secrets:
    """Decides for each secret whether it is written, and collects the paths of given secrets that are not.

    Args:
        always: whether to write secrets even if Qualys already has one.
    """

    def __init__(self, *, always: bool) -> None:
        self.always = always
        self.not_compared: list[str] = []

    def choose(self, path: str, written: t.Any, held: str | None, *, fresh: bool) -> str | None:
        """Return the desired value of a secret.

        Args:
            path: the option, for messages.
            written: the value as the user wrote it; the marker stands for the present secret.
            held: the marker if Qualys has a secret, else None.
            fresh: whether the element with the secret is written as a whole, so that the present secret would be lost.

        Returns:
            A text to write, the marker for a secret that stays, or None for no secret.

        Raises:
            OptionError: the marker was given, but a secret has to be written.
        """
        if written == MARKER:
            if self.always or fresh:
                raise OptionError(f"{path}: {MARKER} is not a secret.", hint="Give the secret itself.")
            return held
        if written is None:
            return None if fresh else held
        if written == "":
            return None
        if fresh or self.always:
            return str(written)
        self.not_compared.append(path)
        return held


def is_empty(part: Options | None) -> bool:
    """Return whether a given mapping has no values, so that it clears the part. Ansible fills it with nulls."""
    return part is not None and all(value is None for value in part.values())


def _plain(written: t.Any, held: t.Any) -> t.Any:
    """Return the given text or, if none is given, the present one; None for empty text. For text that is not secret."""
    return (held if written is None else written) or None


def _text(path: str, written: t.Any, held: str | None, secrets: Secrets, *, fresh: bool) -> t.Any:
    """Return the desired value of a text that is not secret, but which Qualys may mask; then it is treated as a secret.

    Raises:
        OptionError: the element with the text is written as a whole, and its present value is not known.
    """
    if held != MARKER:
        return _plain(None if written == MARKER else written, held)
    if fresh and written in (None, MARKER):
        raise OptionError(
            f"{path} is required: Qualys shows it masked, and this change would lose it.", hint="Give the value."
        )
    return secrets.choose(path, written, held, fresh=fresh)


def _unless_changed(wanted: Part, present: Part | None) -> Part | None:
    """Return the present part if the desired one is equal, so that a present part is never refused as invalid."""
    return present if present is not None and compared(wanted) == compared(present) else None


def _flag(written: t.Any, held: t.Any) -> bool:
    return bool(held if written is None else written)


# Form


def desired_form(given: Options, present: Part | None, secrets: Secrets) -> Part | None:
    """Return the desired form; None for no form.

    Raises:
        OptionError: a member is missing or not allowed for the type, or a secret would be lost.
    """
    if is_empty(given):
        return None
    kind = given.get("type") or (present or {}).get("type")
    if kind is None:
        raise OptionError("form.type is required.", hint=f"Use one of {', '.join(FORM_TYPES)}.")
    fresh = present is None or present["type"] != kind
    held = present or {}
    form: Part = {
        "type": kind,
        "ssl_only": _flag(given.get("ssl_only"), held.get("ssl_only")),
        "auth_vault": _flag(given.get("auth_vault"), held.get("auth_vault")),
        # A form of another type may have them too. There they have no effect, and stay.
        "selenium_creds": not fresh and bool(held.get("selenium_creds")),
        "selenium_script": None if fresh else held.get("selenium_script"),
    }
    if kind == "SELENIUM":
        form["selenium_creds"] = _flag(given.get("selenium_creds"), held.get("selenium_creds"))
        form["selenium_script"] = _script("form", given.get("selenium_script"), held, secrets)
    form["fields"] = _form_fields(given.get("fields"), held.get("fields") or [], secrets, fresh=fresh)
    unchanged = _unless_changed(form, present)
    if unchanged is not None and not _selenium_surplus(given, form, held):
        return unchanged
    surplus = _selenium_surplus(given, form, {} if fresh else held)
    if surplus:
        raise OptionError(
            f"form.{surplus[0]} is not allowed with form.type {kind}.", hint="It is only allowed with SELENIUM."
        )
    kept = [] if fresh else held.get("fields") or []
    _check_form(form, kept, changes_type=fresh and present is not None)
    return form


def _form_fields(written: t.Any, held: list[Part], secrets: Secrets, *, fresh: bool) -> list[Part]:
    # Qualys may have several fields with one name, which differ in their values.
    pairs = paired(held, held if written is None else [dict(field) for field in written], FORM_KEYS)
    fields = [(known, _form_field(field, known, secrets, fresh=fresh)) for known, field in pairs]
    return [field for _known, field in fields] if fresh else _in_order(fields, held)


def _in_order(fields: t.Sequence[tuple[Part | None, Part]], held: t.Sequence[Part]) -> list[Part]:
    """Return the fields in the order in which Qualys will return them: the present ones, then those that are added.

    Args:
        fields: each field with the present field that it replaces, or None.
        held: the present fields.
    """
    places = {id(known): place for place, known in enumerate(held)}
    return [field for _known, field in sorted(fields, key=lambda pair: places.get(id(pair[0]), len(places)))]


def _form_field(written: Options, held: Part | None, secrets: Secrets, *, fresh: bool) -> Part:
    name = str(written["name"])
    secured = written.get("secured")
    if secured is None:
        secured = held["secured"] if held is not None else is_secret_name(name)
    field: Part = {"name": name, "value": None, "secured": bool(secured)}
    path = f"{field_path('form', field)}.value"
    value = None if written is held else written.get("value")
    known = None if held is None or is_secret(held) else held["value"]
    masked = held is not None and known == MARKER
    if (is_secret(field) and known is None) or masked:
        kept = None if held is None else held["value"]
        return {**field, "value": secrets.choose(path, value, kept, fresh=fresh or held is None)}
    if value in (None, MARKER):
        if held is not None and is_secret(held):
            raise OptionError(
                f"{path} is required: the field was a secret, and is to become plain text.",
                hint="Give the value, because secrets cannot be read from Qualys.",
            )
        value = known
    return {**field, "value": value}


def _check_form(form: Part, held: t.Sequence[Part], *, changes_type: bool) -> None:
    kind, names = form["type"], [field["name"] for field in form["fields"]]
    _refuse_repeated("form", names, [field["name"] for field in held])
    _check_values(form, changes_type=changes_type)
    if kind == "STANDARD":
        other = [name for name in names if name not in _STANDARD_FIELDS]
        if other:
            raise OptionError(
                f"form.fields: {other[0]!r} is not allowed with form.type STANDARD.",
                hint="STANDARD has username and password; CUSTOM allows any name.",
            )
        missing = [name for name in _STANDARD_FIELDS if name not in names]
        if missing and not form["auth_vault"]:
            raise OptionError(
                f"form.fields: {' and '.join(missing)} is required for form.type STANDARD.",
                hint="If a vault has the login, set auth_vault to true instead.",
            )
    if kind == "CUSTOM" and not names:
        raise OptionError("form.fields is required for form.type CUSTOM.", hint="Give name and value of each field.")


def _selenium_surplus(given: Options, form: Part, held: Part) -> list[str]:
    if form["type"] == "SELENIUM":
        return []
    names = ("selenium_script", "selenium_creds")
    return [name for name in names if _says_something(given.get(name)) and not held.get(name)]


def _check_values(form: Part, *, changes_type: bool) -> None:
    for field in form["fields"]:
        if field["value"] is not None:
            continue
        path = f"{field_path('form', field)}.value"
        if changes_type:
            raise OptionError(
                f"{path} is required: changing the type replaces the whole form, and its present secret would be lost.",
                hint="Give every secret of the form.",
            )
        raise OptionError(f"{path} is required.", hint="Every field must have a value.")


# Server


def desired_server(given: Options, present: Part | None, secrets: Secrets) -> Part | None:
    """Return the desired server part; None for no server part.

    Raises:
        OptionError: a member is missing or invalid, or a secret would be lost.
    """
    if is_empty(given):
        return None
    held = present or {}
    server: Part = {
        "ssl_only": _flag(given.get("ssl_only"), held.get("ssl_only")),
        "auth_vault": _flag(given.get("auth_vault"), held.get("auth_vault")),
        "certificate": _certificate(given.get("certificate"), held.get("certificate"), secrets),
    }
    known: list[Part] = held.get("fields") or []
    written = given.get("fields")
    # Qualys may have several logins with one type, which differ in domain or user name.
    pairs = paired(known, known if written is None else [dict(field) for field in written], LOGIN_KEYS)
    fields = [(login, _server_field(field, login, secrets, as_held=written is None)) for login, field in pairs]
    server["fields"] = _in_order(fields, known)
    unchanged = _unless_changed(server, present)
    if unchanged is not None:
        return unchanged
    if not server["fields"] and server["certificate"] is None:
        if present is not None:
            return None
        raise OptionError("server requires fields or certificate.", hint="Give one of them, or both.")
    if not server["auth_vault"]:
        for field in server["fields"]:
            missing = [name for name in ("username", "password") if field[name] is None]
            if missing:
                raise OptionError(
                    f"{field_path('server', field)}.{missing[0]} is required.",
                    hint="If a vault has the login, set auth_vault to true instead.",
                )
    return server


def _server_field(written: Options, held: Part | None, secrets: Secrets, *, as_held: bool) -> Part:
    if held is not None and as_held:
        return held
    known, fresh = held or {}, held is None
    path = field_path("server", dict(written))
    return {
        "type": written["type"],
        "domain": _text(f"{path}.domain", written.get("domain"), known.get("domain"), secrets, fresh=fresh),
        "username": _text(f"{path}.username", written.get("username"), known.get("username"), secrets, fresh=fresh),
        "password": secrets.choose(f"{path}.password", written.get("password"), known.get("password"), fresh=fresh),
    }


def _certificate(written: Options | None, held: Part | None, secrets: Secrets) -> Part | None:
    if written is None:
        return held
    if is_empty(written):
        return None
    check_pem(written.get("contents"))
    known = held or {}
    name = _plain(written.get("name"), known.get("name"))
    fresh = held is None or name != held["name"]
    contents = secrets.choose(
        "server.certificate.contents", written.get("contents"), known.get("contents"), fresh=fresh
    )
    if name is None or contents is None:
        raise OptionError(
            f"server.certificate.{'name' if name is None else 'contents'} is required.",
            hint="A certificate is written as a whole: give name, contents and passphrase.",
        )
    passphrase = written.get("passphrase")
    whole = contents != MARKER
    if whole and passphrase in (None, MARKER) and known.get("passphrase") is not None:
        raise OptionError(
            "server.certificate.passphrase is required: a certificate is written as a whole, and its present passphrase"
            " would be lost.",
            hint="Give it, or empty text if the new certificate has none.",
        )
    if not whole and secrets.always and passphrase not in (None, MARKER):
        raise OptionError(
            "server.certificate.contents is required: a certificate is written as a whole, including its passphrase.",
            hint="Give contents too.",
        )
    kept = known.get("passphrase")
    if not whole and passphrase == "":
        # It is not known whether there is a passphrase, so this is not compared either.
        secrets.not_compared.append("server.certificate.passphrase")
        return {"name": name, "contents": contents, "passphrase": kept}
    chosen = secrets.choose("server.certificate.passphrase", passphrase, kept, fresh=whole)
    return {"name": name, "contents": contents, "passphrase": chosen}


def check_pem(contents: str | None) -> None:
    """Refuse contents that are not PEM, without quoting them, because they may have a private key.

    Raises:
        OptionError: there is no block, or a block is not closed or not base64.
    """
    if contents in (None, "", MARKER):
        return
    document = str(contents)
    blocks = _PEM.findall(document)
    try:
        bodies = [
            base64.b64decode("".join(_PEM_HEADERS.sub("", body).split()), validate=True) for _label, body in blocks
        ]
    except (binascii.Error, ValueError):
        bodies = []
    if not bodies or not all(bodies) or document.count("-----BEGIN ") != len(blocks):
        raise OptionError(
            "server.certificate.contents is not PEM.",
            hint="Give everything from -----BEGIN ...----- to -----END ...-----, with its line breaks; "
            "lookup('ansible.builtin.file', ...) reads it from a file.",
        )


# OAuth2


def desired_oauth2(given: Options, present: Part | None, secrets: Secrets) -> Part | None:
    """Return the desired OAuth2 part; None for no OAuth2 part.

    Raises:
        OptionError: a member is missing or not allowed for the grant, or a secret would be lost.
    """
    if is_empty(given):
        return None
    grant = given.get("grant_type") or (present or {}).get("grant_type")
    if grant is None:
        raise OptionError("oauth2.grant_type is required.", hint=f"Use one of {', '.join(GRANTS)}.")
    # For an unknown grant, Qualys checks the members.
    needed, optional = GRANTS.get(grant) or _ANY_GRANT
    held = present or {}
    fresh = present is None or present["grant_type"] != grant
    # The record may have members that Qualys' page does not list for the grant; these stay.
    taken = {*needed, *optional, *(name for name, value in held.items() if value and not fresh)}
    _refuse_surplus(given, grant, (*needed, *optional), held={} if fresh else held)
    oauth2: Part = {"grant_type": grant, "selenium_script": None, "selenium_creds": False}
    if "selenium_script" in taken:
        oauth2["selenium_script"] = _script("oauth2", given.get("selenium_script"), held, secrets, fresh=fresh)
    if "selenium_creds" in taken:
        oauth2["selenium_creds"] = _flag(given.get("selenium_creds"), held.get("selenium_creds"))
    for name in OAUTH2_TEXTS:
        oauth2[name] = None
        if name in taken:
            oauth2[name] = _text(f"oauth2.{name}", given.get(name), held.get(name), secrets, fresh=fresh)
    for name in OAUTH2_SECRETS:
        oauth2[name] = None
        if name in taken:
            # If there was no client before, the secret belongs to a new client and has to be written.
            new = fresh or (name == "client_secret" and held.get("client_id") is None)
            oauth2[name] = secrets.choose(f"oauth2.{name}", given.get(name), held.get(name), fresh=new)
    unchanged = _unless_changed(oauth2, present)
    if unchanged is not None:
        return unchanged
    _check_oauth2(given, oauth2, needed, changes_grant=fresh and present is not None)
    return oauth2


def _refuse_surplus(given: Options, grant: str, taken: t.Collection[str], held: Part) -> None:
    surplus = [
        name
        for name, value in given.items()
        if name != "grant_type" and name not in taken and _says_something(value) and not held.get(name)
    ]
    if surplus:
        raise OptionError(
            f"oauth2.{surplus[0]} is not allowed with grant_type {grant}.", hint=f"Allowed are {', '.join(taken)}."
        )


def _check_oauth2(given: Options, oauth2: Part, needed: t.Sequence[str], *, changes_grant: bool) -> None:
    missing = [name for name in needed if oauth2[name] is None]
    if missing:
        why = ": changing the grant replaces the whole part" if changes_grant else ""
        raise OptionError(
            f"oauth2: grant_type {oauth2['grant_type']} requires {' and '.join(missing)}{why}.",
            hint="Give every secret of the new grant." if changes_grant else "",
        )
    if changes_grant and oauth2["client_id"] and given.get("client_secret") is None and oauth2["client_secret"] is None:
        raise OptionError(
            "oauth2.client_secret is required: changing the grant replaces the whole part, and a present secret would"
            " be lost.",
            hint="Give it, or empty text if the client has none.",
        )


# Shared by form and OAuth2


def _script(part: str, written: Options | None, held: Part, secrets: Secrets, *, fresh: bool = False) -> Part | None:
    known: Part | None = held.get("selenium_script")
    if written is None or is_empty(written):
        if fresh and known is not None and written is None:
            raise OptionError(
                f"{part}.selenium_script is required: changing the grant replaces the whole part, and the present"
                " script would be lost.",
                hint="Give name, data and regex.",
            )
        if part == "form" and (known is None or written is not None):
            raise OptionError("form.selenium_script is required for form.type SELENIUM.", hint="Give name and data.")
        return known if written is None else None
    name = _plain(written.get("name"), (known or {}).get("name"))
    regex = _plain(written.get("regex"), (known or {}).get("regex"))
    new = fresh or known is None or (name, regex) != (known["name"], known["regex"])
    data = secrets.choose(f"{part}.selenium_script.data", written.get("data"), (known or {}).get("data"), fresh=new)
    if name is None or data is None:
        raise OptionError(
            f"{part}.selenium_script.{'name' if name is None else 'data'} is required.",
            hint="A script is written as a whole: give name, data and regex.",
        )
    return {"name": name, "data": data, "regex": regex}


def _says_something(value: t.Any) -> bool:
    return bool(value) and not (isinstance(value, t.Mapping) and is_empty(value))


def _refuse_repeated(part: str, names: t.Sequence[str], held: t.Sequence[str]) -> None:
    """Refuse entries that are listed more than once, unless the present record has them as often."""
    twice = sorted({name for name in names if names.count(name) > max(1, held.count(name))})
    if twice:
        raise OptionError(f"{part}.fields: {twice[0]} is listed more than once.", hint="List each once.")


def _fields_of(part: Options | None, keys: t.Sequence[str]) -> list[str]:
    """Return the members that identify each field of a part, as text."""
    fields = (part or {}).get("fields") or ()
    return [" ".join(str(field.get(key) or "") for key in keys).strip() for field in fields]


# Checks across the parts


def given_part(options: Options, name: str) -> Options | None:
    """Return a part if it is given and not empty, else None."""
    part: Options | None = options.get(name)
    return None if part is None or is_empty(part) else part


def check_parts(options: Options, held: Options, kept: t.Collection[str]) -> None:
    """Refuse parts that contradict each other or are invalid.

    Args:
        options: the options as the user wrote them.
        held: the present record. If it has both a form and OAuth2, it may keep both.
        kept: the parts that are given exactly as results show them, and so stay as they are.

    Raises:
        OptionError: both form and OAuth2 are given, a field is listed twice, or a certificate is not PEM.
    """
    form, server, oauth2 = (given_part(options, name) for name in ("form", "server", "oauth2"))
    if form is not None and oauth2 is not None and (held.get("form") is None or held.get("oauth2") is None):
        raise OptionError(
            "form and oauth2 cannot be combined, because OAuth2 replaces a form.",
            hint="Give one of them; server can be combined with either.",
        )
    if form is not None and "form" not in kept:
        _refuse_repeated("form", *(_fields_of(part, FORM_KEYS[:1]) for part in (form, held.get("form"))))
    if server is not None and "server" not in kept:
        _refuse_repeated("server", *(_fields_of(part, LOGIN_KEYS) for part in (server, held.get("server"))))
        check_pem((server.get("certificate") or {}).get("contents"))
