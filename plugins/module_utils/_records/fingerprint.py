# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding's identity if its source has none. It does not depend on title, parameter order or session ids in the URL.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import functools
import hashlib
import re
from urllib.parse import unquote, urlsplit

_PATH_SESSION = re.compile(r";[^/]*|\((?:[A-Z]\([^()]*\))+\)/?", re.IGNORECASE)
"""Path parameters (``;jsessionid=...``) and ASP.NET cookieless sessions (``/(S(...))/``, ``/(S(...)F(...))/``)."""

_SESSION_NAMES = re.compile(
    r"(?:.*sess(?:ion)?(?:_?id)?|sid|phpsessid|aspsessionid.*|cfid|cftoken|token|csrf.*|xsrf.*|nonce|ticket|_|ts|timestamp)",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


@functools.lru_cache(maxsize=4096)
def stable_url(url: str) -> str:
    """Return the part of a URL that locates a weakness: host, path and the names of its query parameters.

    Values, order, fragments, default ports and anything that looks like a session id are left out. A URL that cannot be
    parsed is returned unchanged.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url
    host = parts.netloc.rpartition("@")[2].lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme.lower(), "\0"))
    path = unquote(_PATH_SESSION.sub("", parts.path)) or "/"
    names = {unquote(pair.partition("=")[0]) for pair in parts.query.split("&") if pair}
    kept = sorted(name for name in names if not _SESSION_NAMES.fullmatch(name))
    return f"{host}{path}?{'&'.join(kept)}"


def fingerprint(
    source: str,
    asset_id: str | None,
    rule_id: str | None,
    url: str | None,
    method: str | None,
    parameter: str | None,
    extra: str | None = None,
) -> str:
    """Return 32 hexadecimal digits that identify a finding across runs.

    Args:
        source: the ``source`` of the finding.
        asset_id: id of the application.
        rule_id: the vendor's rule (QID).
        url: where it was found; normalised with :func:`stable_url`.
        method: HTTP method, if known.
        parameter: the vulnerable parameter.
        extra: what distinguishes findings without a rule, such as the title of an imported one.
    """
    place = stable_url(url) if url else ""
    identity = "\x1f".join((source, asset_id or "", rule_id or "", place, method or "", parameter or "", extra or ""))
    return hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]
