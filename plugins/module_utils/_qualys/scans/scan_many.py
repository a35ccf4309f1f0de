# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans several applications with one launch (docs/vendors/qualys_was.md 12.2).

This module is private to the collection and may change at any time.

Each application gets its own scan, to which the rules for one scan apply: running scans are adopted, only missing ones
are launched, with a single request, and none is launched twice.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import AmbiguousWrite, OptionError, PartialFailure, PerimeterError, TransportError
from ..._reconcile.apply import every
from ..._reconcile.settle import settle
from ..._records.model import Scan
from ..._records.result import Result
from ..api.client import QualysClient
from ..api.criteria import Criterion
from ..api.shapes import Raw, number
from ..api.targets import read_complete
from ..api.waiting import Budget, PollTiming
from ..api.xml import Node
from ..resource.reference import Reference, reference_key
from ..resource.references import References
from .scan_fields import RESOURCE, scan_record
from .scan_launch import Launch, Wanted, adoptable, launch, prepare, same_scans
from .scan_target import UNSAID, auth_of
from .scan_wait import ScanEnd, ScanTimeout, await_end

Written = t.Mapping[str, t.Any]


@dataclasses.dataclass
class ScanPart:
    """The scan of one application.

    Attributes:
        wanted: name, type and application.
        others: the scans with this name and application that already exist.
        adopted: the scan to adopt; None if one has to be launched.
        prepared: the launch.
        raw: the launched scan, as far as it is known.
    """

    wanted: Wanted
    others: list[Raw]
    adopted: Raw | None
    prepared: Launch | None = None
    raw: Raw | None = None


def is_many(params: Written) -> bool:
    """Return whether the options are for several applications."""
    return params.get("webapps") is not None or params.get("tags") is not None


def launch_many(
    params: Written,
    client: QualysClient,
    references: References,
    budget: Budget,
    timing: PollTiming,
    *,
    resume_within: float,
    check_mode: bool,
) -> Result:
    """Adopt or launch a scan of each application, and wait for all with ``state: finished``.

    Raises:
        OptionError: an option is invalid, or a name does not exist.
        AmbiguousWrite: the connection failed during the launch, and not all scans became visible.
        PerimeterError: the scans cannot be read or launched.
    """
    ceiling = _ceiling(params)
    parts = _parts(params, client, references, resume_within, timing)
    missing = [part for part in parts if part.adopted is None]
    for part in missing:
        part.prepared = prepare(client, params, part.wanted, references)
    login = auth_of(params.get("auth_record"), references).given
    if check_mode:
        return _result(parts, [ScanEnd(_record(_raw_of(part), login)) for part in parts])
    if ceiling is not None and len(parts) > ceiling:
        return _result(parts, _side_by_side(client, parts, budget, ceiling, login=login))
    if missing:
        _launch(client, missing, budget)
    if params["state"] == "finished":
        return _result(parts, [_waited(client, _raw_of(part), budget, login) for part in parts])
    return _result(parts, [ScanEnd(_record(_raw_of(part), login)) for part in parts])


def _ceiling(params: Written) -> int | None:
    ceiling: int | None = params.get("max_running")
    if ceiling is None:
        return None
    if ceiling < 1:
        raise OptionError(f"max_running: {ceiling} is not a valid number of scans.", hint="Give 1 or more.")
    if params["state"] != "finished":
        raise OptionError(
            "max_running is only allowed with state: finished.",
            hint="The next scan starts when another has ended, so the task has to wait.",
        )
    return ceiling


def _raw_of(part: ScanPart) -> Raw:
    return part.adopted or part.raw or t.cast(Launch, part.prepared).outline()


def _parts(
    params: Written, client: QualysClient, references: References, resume_within: float, timing: PollTiming
) -> list[ScanPart]:
    name = str(params.get("name") or "").strip()
    if not name:
        raise OptionError("name is required with webapps and tags.", hint="It identifies the scans.")

    def look(webapp: Reference) -> ScanPart:
        wanted = Wanted.of(name, params["type"], webapp)
        others = same_scans(client, wanted)
        return ScanPart(wanted, others, adoptable(client, wanted, others, resume_within, timing))

    return every(_webapps(params, client, references), look, workers=client.workers)


def _webapps(params: Written, client: QualysClient, references: References) -> list[Reference]:
    """Return the applications, each once. Tags are resolved to applications, whose scans can then be adopted."""
    if params.get("webapps"):
        found = (
            references.resolve("webapp", "webapps", str(item).strip(), (), verify=False) for item in params["webapps"]
        )
        return list({reference_key(reference): reference for reference in found}.values())
    if not params.get("tags"):
        raise OptionError("webapps and tags must not be empty.", hint="Give applications, or tags of applications.")
    ids = _tagged(client, references, params, "tags", params.get("tags_match") or UNSAID["tags_match"])
    if params.get("excluded_tags"):
        # It is not documented what "not equal" means for an application with several tags, so they are excluded here.
        match = params.get("excluded_tags_match") or UNSAID["excluded_tags_match"]
        others = _tagged(client, references, params, "excluded_tags", match)
        ids = [webapp_id for webapp_id in ids if webapp_id not in set(others)]
    # If check mode did not find a tag, it is not known which applications will have it.
    if not ids and not references.unresolved:
        which = "any" if params.get("tags_match") == "ANY" else "all"
        but = " and none of excluded_tags" if params.get("excluded_tags") else ""
        raise OptionError(
            f"tags: no web application has {which} of these tags{but}.",
            hint="Check the tags, and which applications this account may see.",
        )
    return [Reference(webapp_id, None) for webapp_id in ids]


def _tagged(client: QualysClient, references: References, params: Written, option: str, match: str) -> list[int]:
    """Return the ids of the applications that have all of the tags, or any of them."""
    found = [references.resolve("tag", option, str(item).strip(), ()).id for item in params[option]]
    tags = [str(tag_id) for tag_id in found if tag_id is not None]
    if not tags or (match == "ALL" and None in found):
        return []
    criteria: list[Criterion] = [{"field": "tags.id", "operator": "EQUALS", "value": tag} for tag in tags]
    if match == "ANY":
        criteria = [{"field": "tags.id", "operator": "IN", "value": ",".join(tags)}]
    return [int(raw["id"]) for raw in read_complete(client, "webapp", criteria, "web applications")]


def _launch(client: QualysClient, missing: t.Sequence[ScanPart], budget: Budget) -> None:
    """Launch all missing scans with one request. Each scan is identified by its application, not by the answer."""
    what = f"launch of {len(missing)} scans {missing[0].wanted.name!r}"

    def look() -> bool | None:
        for part in missing:
            part.raw = part.raw or _new(client, part)
        return True if all(part.raw for part in missing) else None

    try:
        client.write("launch", RESOURCE, _data(missing))
    except TransportError as error:
        if not error.sent:
            raise
        settle(what, look, error, sleep=budget.sleep)
        return
    # The answer may name the first scan only (docs/vendors/qualys_was.md 12.2).
    if look() is None:
        settle(
            what,
            look,
            TransportError(f"Qualys reported the {what} as done, but not all of them exist."),
            sleep=budget.sleep,
        )


def _new(client: QualysClient, part: ScanPart) -> Raw | None:
    before = {number(raw.get("id")) for raw in part.others}
    found = [raw for raw in same_scans(client, part.wanted) if number(raw.get("id")) not in before]
    return found[-1] if found else None


def _data(missing: t.Sequence[ScanPart]) -> dict[str, Node]:
    first = t.cast(Launch, missing[0].prepared)
    scan = dict(t.cast(dict[str, Node], t.cast(dict[str, Node], first.data)["WasScan"]))
    target = dict(t.cast(dict[str, Node], scan["target"]))
    if len(missing) > 1:
        del target["webApp"]
        # One element per id: Qualys reads several ids in one element as one id, or refuses them.
        target["webApps"] = {"set": {"WebApp": [{"id": part.wanted.webapp_id} for part in missing]}}
    return {"WasScan": {**scan, "target": target}}


def _side_by_side(
    client: QualysClient, parts: t.Sequence[ScanPart], budget: Budget, ceiling: int, *, login: bool
) -> list[ScanEnd]:
    """Run at most ``ceiling`` scans at a time, and launch the next when another has ended. Adopted scans come first.

    A scan that could not be launched is part of the result too, so that it does not hide the scans of the others.
    """

    def carry_out(part: ScanPart) -> ScanEnd:
        if part.adopted is not None:
            return _waited(client, part.adopted, budget, login)
        prepared = t.cast(Launch, part.prepared)
        if budget.left <= 0:
            late = ScanTimeout(
                f"The {part.wanted.label} was not launched within {budget.seconds:.0f} seconds.",
                hint="Raise wait_timeout or max_running.",
            )
            return _unlaunched(prepared, late, login)
        try:
            part.raw = {**prepared.outline(), "id": launch(client, prepared, part.others, budget)}
        except PerimeterError as error:
            return _unlaunched(prepared, error, login)
        return _waited(client, part.raw, budget, login)

    order = sorted(range(len(parts)), key=lambda place: parts[place].adopted is None)
    ended = dict(zip(order, every([parts[place] for place in order], carry_out, workers=ceiling), strict=True))
    return [ended[place] for place in range(len(parts))]


def _unlaunched(prepared: Launch, error: PerimeterError, login: bool) -> ScanEnd:
    scan = _record(prepared.outline(), login)
    scan["end_reason"] = "error" if isinstance(error, AmbiguousWrite) else "not_launched"
    scan["conclusive"] = False
    return ScanEnd(scan, error)


def _result(parts: t.Sequence[ScanPart], ended: t.Sequence[ScanEnd]) -> Result:
    errors = [item.error for item in ended if item.error is not None]
    values = {
        "scan": None,
        "scans": [item.scan for item in ended],
        "adopted": bool(parts) and all(part.adopted is not None for part in parts),
    }
    result = Result(changed=not values["adopted"], values=values)
    result.warnings += [warning for item in ended for warning in item.warnings]
    if errors:
        result.error = PartialFailure(
            f"{len(errors)} of {len(parts)} scans have no conclusive result; the first: {errors[0].message}",
            hint=f"scans has all of them. {errors[0].hint}".strip(),
            code=errors[0].code,
        )
    return result


def _record(raw: Raw, login: bool) -> Scan:
    return scan_record(raw, authenticated=True if login else None)


def _waited(client: QualysClient, raw: Raw, budget: Budget, login: bool) -> ScanEnd:
    return await_end(client, raw, budget, login=True if login else None)
