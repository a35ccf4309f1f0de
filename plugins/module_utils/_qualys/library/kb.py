# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Qualys' knowledge base: description and solution of each QID (docs/vendors/qualys_was.md 16).

This module is private to the collection and may change at any time.

Findings do not have these texts. They come from a separate API, which only supports XML and few calls per hour, so QIDs
are requested in batches and answers are cached under ``state_dir``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import pathlib
import typing as t
import urllib.parse
import xml.etree.ElementTree as ET

from ..._base.errors import AuthenticationFailed, BadResponse, FileError, IncompleteRead, OptionError, VendorError
from ..._base.files import check_target, reason, remove_leftovers, replace_file
from ..._http.response import Response
from ..._http.retry import OK, RETRY_AS, THROTTLED, Verdict
from ..._reconcile.apply import every
from ..._records.plain import plain_text
from ..._records.result import Result
from ..._records.times import canonical_time, parse_duration
from ..api.client import XML, QualysClient
from ..api.safe_xml import parse_xml
from ..api.shapes import decimal
from ..findings.finding_fields import SEVERITY_LEVELS
from .kb_cache import Cache, Entry

BATCH = 500
"""QIDs in one request, as in the vendor's own clients."""

SCHEMA = 1
_PATH = "/api/2.0/fo/knowledge_base/vuln/"
_LIMITS = ("1960", "1965")
"""Codes for too many concurrent calls, and too many calls in the time window (docs/vendors/qualys_was.md 16)."""
_LOGIN = "2000"


def run(params: t.Mapping[str, t.Any], client: QualysClient, check_mode: bool) -> Result:
    """Run ``qualys_kb_info``. In check mode the cache and ``dest`` are read, but not written.

    Raises:
        OptionError: an option is invalid.
        PerimeterError: the knowledge base cannot be read, or the file cannot be written.
    """
    wanted = _qids(params["qids"])
    max_age = _age(params["max_age"])
    dest = pathlib.Path(params["dest"]).expanduser() if params.get("dest") else None
    if dest is not None:
        check_target(dest, "dest")
        if not check_mode:
            remove_leftovers(dest)
    cache = Cache.open(params.get("state_dir"), os.environ, account_of(client), write=not check_mode)
    found, fetched = read_entries(client, wanted, cache, max_age)
    entries = [found[qid] for qid in wanted if found.get(qid)]
    missing = [qid for qid in wanted if not found.get(qid)]
    result = Result(
        values={
            "entries": entries,
            "missing": missing,
            "total": len(entries),
            "truncated": False,
            "fetched": fetched,
            "cached": sum(qid > 0 for qid in wanted) - fetched,
        },
        warnings=cache.warnings,
    )
    if dest is not None:
        # The texts take megabytes and may be hostile, so they are not returned as well when they are written to a file.
        del result.values["entries"]
        result.values["dest"] = str(dest)
        result.changed = _write(dest, t.cast(list[Entry], entries), check_mode=check_mode)
    return result


def account_of(client: QualysClient) -> str:
    """Return a key for the subscription's cache, because subscriptions may edit severities and texts."""
    connection = client.connection
    identity = f"{connection.api_url}\n{connection.username or connection.client_id}"
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _qids(written: t.Iterable[int]) -> list[int]:
    qids = sorted(set(written))
    if qids and qids[0] < 0:
        raise OptionError(f"qids: {qids[0]} is not a valid QID.", hint="Give positive numbers, such as 150001.")
    return qids


def _age(written: str) -> dt.timedelta:
    try:
        return dt.timedelta(seconds=parse_duration(written))
    except (ValueError, OverflowError) as error:
        raise OptionError(f"max_age: {error}.", hint="Give a duration such as 7d; 0s ignores the cache.") from None


def read_entries(
    client: QualysClient, qids: t.Sequence[int], cache: Cache, max_age: dt.timedelta
) -> tuple[dict[int, Entry | None], int]:
    """Return the entries of some QIDs, from the cache if they are new enough.

    Args:
        client: the account.
        qids: the QIDs, ascending, each once. 0, which imported findings have, is never requested.
        cache: the cache.
        max_age: maximum age of a cached entry.

    Returns:
        The entry of each QID, None for one that Qualys does not know; and the number of QIDs that were requested.

    Raises:
        IncompleteRead: Qualys shortened an answer.
        VendorError: Qualys refused the request.
    """
    found = cache.read([qid for qid in qids if qid], max_age)
    stale = [qid for qid in qids if qid and qid not in found]
    batches = [stale[start : start + BATCH] for start in range(0, len(stale), BATCH)]
    fresh: dict[int, Entry | None] = {}
    for answer in every(batches, lambda batch: _fetch(client, batch), workers=client.workers):
        fresh |= answer
    cache.write(fresh)
    return found | fresh, len(stale)


def _fetch(client: QualysClient, batch: t.Sequence[int]) -> dict[int, Entry | None]:
    query = urllib.parse.urlencode({"action": "list", "details": "All", "ids": ",".join(map(str, batch))}, safe=",")
    response = client.request("GET", f"{_PATH}?{query}", _judge, accept=XML)
    root: ET.Element = response.memo["root"]
    found = {entry["qid"]: entry for element in root.iter("VULN") if (entry := entry_of(element)) is not None}
    if root.find(".//WARNING") is not None and any(qid not in found for qid in batch):
        # A QID that is missing from a shortened answer is not unknown, and must not be cached as unknown.
        raise IncompleteRead(
            f"Qualys' knowledge base sent {len(found)} of {len(batch)} entries, with a warning.",
            hint="Request fewer QIDs at a time.",
        )
    return {qid: found.get(qid) for qid in batch}


def _judge(response: Response) -> Verdict:
    """Return the verdict on an answer of this API. The root of a success is stored in ``response.memo["root"]``."""
    try:
        root = parse_xml(response.body)
    except ValueError as error:
        return _unreadable(response, str(error))
    if root.tag == "KNOWLEDGE_BASE_VULN_LIST_OUTPUT" and response.status == 200:
        response.memo["root"] = root
        return OK
    code, said = root.findtext(".//CODE"), " ".join((root.findtext(".//TEXT") or "").split())[:300]
    if code in _LIMITS:
        return THROTTLED()
    if response.status >= 500 or (response.status in (409, 429) and code is None):
        return OK
    message = f"Qualys' knowledge base answered with {code or f'HTTP {response.status}'}{f': {said}' if said else ''}."
    if code == _LOGIN or response.status == 401:
        hint = "Check username and password (or client_id and client_secret), and the platform."
        raise AuthenticationFailed(message, hint=hint, code=code)
    hint = "The account needs API access, and the subscription needs a module with the knowledge base."
    raise VendorError(message, hint=hint, code=code)


def _unreadable(response: Response, why: str) -> Verdict:
    if response.status >= 500 or response.status in (202, 401, 409, 429):
        return OK
    error = BadResponse(
        f"The request to Qualys' knowledge base was answered with HTTP {response.status} and {why}.",
        hint="Check api_url (or platform), and any proxy in between.",
    )
    if response.status >= 400:
        raise error
    return RETRY_AS(error)


# One entry

_CVSS = ("CVSS_V3", "CVSS")


def entry_of(element: ET.Element) -> Entry | None:
    """Return the entry in a ``VULN`` element; None if it has no valid QID."""
    qid = element.findtext("QID", "").strip()
    if not (qid.isascii() and qid.isdigit()):
        return None
    level = _text(element, "SEVERITY_LEVEL")
    entry: Entry = {
        "qid": int(qid),
        "title": _text(element, "TITLE"),
        "kind": _text(element, "VULN_TYPE"),
        "category": _text(element, "CATEGORY"),
        "severity": SEVERITY_LEVELS.get(level or "", "unknown"),
        "severity_native": level,
    }
    for name in ("diagnosis", "consequence", "solution"):
        entry[name] = _text(element, name.upper())
        entry[f"{name}_text"] = plain_text(entry[name])
    return entry | {
        "published": canonical_time(_text(element, "PUBLISHED_DATETIME")),
        "modified": canonical_time(_text(element, "LAST_SERVICE_MODIFICATION_DATETIME")),
        "patchable": _flag(element, "PATCHABLE"),
        "pci": _flag(element, "PCI_FLAG"),
        "cves": _texts(element, "CVE_LIST/CVE/ID"),
        "references": _references(element),
        "cvss": _cvss(element),
    }


def _text(element: ET.Element, path: str) -> str | None:
    return (element.findtext(path) or "").strip() or None


def _texts(element: ET.Element, path: str) -> list[str]:
    return [word for item in element.findall(path) if (word := (item.text or "").strip())]


def _flag(element: ET.Element, path: str) -> bool | None:
    return {"1": True, "0": False}.get(_text(element, path) or "")


def _references(element: ET.Element) -> list[dict[str, str | None]]:
    found = element.findall("VENDOR_REFERENCE_LIST/VENDOR_REFERENCE")
    return [{"id": _text(item, "ID"), "url": _text(item, "URL")} for item in found]


def _cvss(element: ET.Element) -> dict[str, t.Any] | None:
    """Return the score of the newest CVSS version that the entry has."""
    for name in _CVSS:
        score = element.find(name)
        if score is None:
            continue
        base = decimal(_text(score, "BASE"))
        if base is not None:
            version = _text(score, "CVSS3_VERSION") or ("3" if name == "CVSS_V3" else "2")
            vector = _text(score, "VECTOR_STRING")
            return {
                "version": version,
                "base": base,
                "temporal": decimal(_text(score, "TEMPORAL")),
                "vector": vector,
            }
    return None


# File


def _write(dest: pathlib.Path, entries: t.Sequence[Entry], *, check_mode: bool) -> bool:
    """Write the entries to a file for other tasks. Returns whether the content changed."""
    document = {"record": "knowledge", "schema": SCHEMA, "source": "qualys", "entries": entries}
    content = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode("utf-8", "replace") + b"\n"
    try:
        if dest.exists() and dest.read_bytes() == content:
            return False
        if not check_mode:
            with replace_file(dest) as file:
                file.write(content)
    except OSError as error:
        raise FileError(f"dest: {dest} cannot be written: {reason(error)}.", hint="Choose another path.") from error
    return True
