# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the scan of a task, decides whether to adopt it, and launches a scan at most once.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 12.2.

Names of scans are not unique, so a scan belongs to a task if name, application and type are the same. Scans that were
launched since the task began are recognised by their ids, which only increase, so no clock is needed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import email.utils
import typing as t

from ..._base.errors import OptionError, PerimeterError, TransportError, VendorError
from ..._reconcile.settle import settle
from ..._records.times import parse_time
from ..api.client import MAX_PAGE, QualysClient
from ..api.envelope import judge
from ..api.listing import Listing
from ..api.shapes import Raw, number, text
from ..api.waiting import Budget, PollTiming
from ..api.xml import Node
from ..resource.reference import Reference
from ..resource.references import References
from .scan_fields import RESOURCE, has_credentials, part, standing_of
from .scan_target import Auth, ScanTarget, appliance_of, auth_of, check_auth, proxy_of, target_node

Written = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The scan that a task asks for.

    Attributes:
        name: name of the scan.
        type: one of Qualys' two types.
        webapp_id: id of the application; 0 if check mode did not find it, because an earlier task may create it.
        webapp_name: name of the application, if it is known.
    """

    name: str
    type: str
    webapp_id: int
    webapp_name: str | None = None

    @classmethod
    def of(cls, name: str, kind: str, webapp: Reference) -> Wanted:
        """Return the scan of a referenced application."""
        return cls(name, kind, int(webapp.id or 0), webapp.name)

    @property
    def label(self) -> str:
        """What messages call the scan."""
        return f"scan {self.name!r} of web application {self.webapp_id}"

    def same(self, raw: Raw) -> bool:
        """Return whether a scan has the same name and application. The vendor's search may ignore case."""
        return text(raw.get("name")) == self.name and number(part(raw, "target", "webApp", "id")) == self.webapp_id


def wanted_of(params: Written, references: References) -> Wanted:
    """Return the scan that the options describe.

    Raises:
        OptionError: an option is missing, or no application has the name.
        AmbiguousMatch: several applications have the name.
    """
    name = str(params.get("name") or "").strip()
    written = str(params.get("webapp") or "").strip()
    if not name or not written:
        raise OptionError("webapp and name are required without id.", hint="They identify the scan.")
    webapp = references.resolve("webapp", "webapp", written, (), verify=False)
    return Wanted.of(name, params["type"], webapp)


def same_scans(client: QualysClient, wanted: Wanted) -> list[Raw]:
    """Return all scans with this name and application, oldest first, in Qualys' short form."""
    if not wanted.webapp_id:
        return []
    criteria = [
        {"field": "webApp.id", "operator": "EQUALS", "value": str(wanted.webapp_id)},
        {"field": "name", "operator": "EQUALS", "value": wanted.name},
    ]
    return [raw for raw in Listing(client, RESOURCE, criteria, MAX_PAGE).stream() if wanted.same(raw)]


def adoptable(
    client: QualysClient, wanted: Wanted, scans: t.Sequence[Raw], resume_within: float, timing: PollTiming
) -> Raw | None:
    """Return the newest scan that the task may adopt; None if it has to launch one.

    This is a scan that has not ended, or one that was launched within the last ``resume_within`` seconds and did not
    fail: after a failed scan, running the task again has to launch another one.
    """
    scans = [raw for raw in scans if (text(raw.get("type")) or "").upper() == wanted.type]
    under_way = [raw for raw in scans if not standing_of(raw).over]
    if under_way:
        return under_way[-1]
    ended = [raw for raw in scans if standing_of(raw).end_reason in (None, "finished")]
    if not ended or resume_within <= 0:
        return None
    newest = ended[-1]
    age = _age(client, newest, timing)
    return newest if age is not None and age <= resume_within else None


def _age(client: QualysClient, raw: Raw, timing: PollTiming) -> float | None:
    """Return the seconds since the launch; None if Qualys does not return its time."""
    launched = text(raw.get("launchedDate"))
    if not launched:
        return None
    try:
        moment = parse_time(launched)
    except ValueError:
        return None
    return (server_time(client, int(raw["id"]), timing) - moment).total_seconds()


def server_time(client: QualysClient, scan_id: int, timing: PollTiming) -> dt.datetime:
    """Return the time of Qualys' clock, with which launch times can be compared; else the time of this machine."""
    path = f"status/was/{RESOURCE}/{scan_id}"
    response = client.request("GET", f"/qps/rest/3.0/{path}", lambda answer: judge(answer, path, idempotent=True))
    try:
        return email.utils.parsedate_to_datetime(response.headers.get("Date", "")).astimezone(dt.UTC)
    except (TypeError, ValueError):
        return timing.now()


@dataclasses.dataclass(frozen=True)
class Launch:
    """A launch, checked as far as possible without launching.

    Attributes:
        wanted: name, type and application.
        webapp: the application in full.
        auth: the login of the scan.
        data: the data to send; None sends no body.
        profile: the option profile, as Qualys' ``{id, name}``.
        again: id of the scan to repeat; None for a launch with its own target.
    """

    wanted: Wanted
    webapp: Raw
    auth: Auth
    data: dict[str, Node] | None
    profile: Raw | None
    again: int | None = None

    def outline(self) -> Raw:
        """Return the scan as far as it is known before the launch."""
        webapp = {name: self.webapp.get(name) for name in ("id", "name", "url")}
        outline: Raw = {"name": self.wanted.name, "type": self.wanted.type, "target": {"webApp": webapp}}
        return outline | ({"profile": self.profile} if self.profile else {})


def prepare(client: QualysClient, params: Written, wanted: Wanted, references: References) -> Launch:
    """Resolve and check everything that a launch needs. Sends no write.

    Raises:
        OptionError: an option is missing or invalid, or a name does not exist.
        AmbiguousMatch: a name matches several records.
    """
    webapp = _webapp(client, wanted)
    settings = _settings(params, references)
    auth = auth_of(params.get("auth_record"), references)
    written = str(params.get("profile") or "").strip()
    default = part(webapp, "defaultProfile")
    if wanted.webapp_id:
        check_auth(auth, webapp)
    if wanted.webapp_id and not written and not default:
        raise OptionError(
            f"profile is required: the web application {text(webapp.get('name'))!r} has no default option profile.",
            hint="Give an option profile by name or id.",
        )
    profile = references.resolve("optionprofile", "profile", written, ()) if written else None
    target = ScanTarget(
        webapps=(wanted.webapp_id,),
        auth=auth,
        scanner=appliance_of(params.get("scanner"), references),
        limited=bool({"cancelAfterNHours", "cancelTime"} & settings.keys()),
        randomize=params.get("randomize"),
    )
    scan: dict[str, Node] = {"name": wanted.name, "type": wanted.type, "target": target_node(target)}
    if profile is not None:
        scan["profile"] = {"id": profile.id}
    scan |= settings
    shown = {"id": profile.id, "name": profile.name} if profile is not None else t.cast(Raw, default)
    return Launch(wanted, webapp, auth, {"WasScan": scan}, shown)


def _webapp(client: QualysClient, wanted: Wanted) -> Raw:
    """Return the application in full; only its name if check mode did not find it.

    Raises:
        OptionError: the application does not exist.
    """
    if not wanted.webapp_id:
        return {"name": wanted.webapp_name}
    webapp = client.get("webapp", wanted.webapp_id)
    if webapp is None:
        raise OptionError(
            f"webapp: there is no web application {wanted.webapp_id}, or this account may not see it.",
            hint="Check the id, or give the name.",
        )
    return webapp


def _settings(params: Written, references: References) -> dict[str, Node]:
    """Return the elements beside the target: limit, proxy, DNS override, mail settings.

    Raises:
        OptionError: an option is invalid, or a name does not exist.
        AmbiguousMatch: a name matches several records.
    """
    hours, moment = params.get("cancel_after"), str(params.get("cancel_time") or "").strip()
    if hours is not None and hours < 1:
        raise OptionError(f"cancel_after: {hours} is not a valid number of hours.", hint="Give 1 or more.")
    if hours is not None and moment:
        raise OptionError("cancel_after and cancel_time cannot be combined.", hint="Give one of them.")
    node: dict[str, Node] = {}
    if hours is not None:
        node["cancelAfterNHours"] = hours
    if moment:
        node["cancelTime"] = moment
    if params.get("scan_proxy"):
        node["proxy"] = {"id": proxy_of(params["scan_proxy"]).id}
    if params.get("dns_override"):
        node["dnsOverride"] = {"id": references.resolve("dnsoverride", "dns_override", params["dns_override"], ()).id}
    for option, element in (("send_mail", "sendMail"), ("send_one_mail", "sendOneMail")):
        if params.get(option) is not None:
            node[element] = params[option]
    return node


def wanted_again(params: Written, old: Raw) -> Wanted:
    """Return the scan that repeats another one: with its application and type, and its name if none is given."""
    name = str(params.get("name") or "").strip() or (text(old.get("name")) or "")
    return Wanted(name, (text(old.get("type")) or "").upper(), number(part(old, "target", "webApp", "id")) or 0)


def prepare_again(params: Written, wanted: Wanted, old: Raw) -> Launch:
    """Check the repetition of a scan with its settings, as :func:`prepare` does for a launch.

    Raises:
        OptionError: the scan has not ended, or is not of exactly one application.
    """
    if not wanted.webapp_id:
        raise OptionError(
            f"again: the scan {params['again']} is not a scan of one web application.",
            hint="Launch a scan of each application, with webapp and name.",
        )
    if not standing_of(old).over:
        raise OptionError(
            f"again: the scan {params['again']} is {text(old.get('status'))}; only a scan that has ended can be"
            " repeated.",
            hint="To wait for it, give its id as id.",
        )
    # With the name of the old scan, no body is required: Qualys uses this name by default.
    data: dict[str, Node] | None = None if wanted.name == text(old.get("name")) else {"WasScan": {"name": wanted.name}}
    auth = Auth(default=has_credentials(old))
    profile = part(old, "profile")
    return Launch(wanted, part(old, "target", "webApp") or {}, auth, data, profile, again=params["again"])


def _send(client: QualysClient, prepared: Launch) -> list[Raw]:
    if prepared.again is None:
        return client.write("launch", RESOURCE, prepared.data)
    try:
        return client.write("scanagain", "scan", prepared.data, prepared.again)
    except VendorError as error:
        # The path has two spellings (docs/vendors/qualys_was.md 2.1). A request to an unknown path has no effect, so
        # sending it to the other path is not a repetition.
        if error.code != "INVALID_URL":
            raise
        return client.write("scanAgain", RESOURCE, prepared.data, prepared.again)


def launch(client: QualysClient, prepared: Launch, known: t.Iterable[Raw], budget: Budget) -> int:
    """Launch the scan, once.

    Args:
        client: the account.
        prepared: the launch.
        known: the scans with the same name and application that existed before.
        budget: the time budget of the task; waiting for the scan to become visible counts against it.

    Returns:
        The id of the scan.

    Raises:
        AmbiguousWrite: the connection failed, and no new scan became visible.
    """
    before = {number(raw.get("id")) for raw in known}

    def look() -> int | None:
        found = [number(raw.get("id")) for raw in same_scans(client, prepared.wanted)]
        return next((scan_id for scan_id in reversed(found) if scan_id not in before), None)

    what = f"launch of the {prepared.wanted.label}"
    try:
        records = _send(client, prepared)
    except TransportError as error:
        if not error.sent:
            raise
        return settle(what, look, error, sleep=budget.sleep)
    launched = number(records[0].get("id")) if records else None
    if launched is None:
        silent = TransportError(f"Qualys reported the {what} as done, but not its id.")
        return settle(what, look, silent, sleep=budget.sleep)
    return launched


def read_scan(client: QualysClient, scan_id: int, outline: Raw) -> tuple[Raw, PerimeterError | None]:
    """Return the scan in full; if it cannot be read, what is known of it and the error, so that its id is not lost."""
    try:
        raw = client.get(RESOURCE, scan_id)
    except PerimeterError as error:
        return {**outline, "id": scan_id}, error
    return (raw if raw is not None else {**outline, "id": scan_id}), None
