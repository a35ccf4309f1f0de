# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scan is meant, whether one is to be adopted, and the launch, which never happens twice.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 12.2.

Names of scans are not unique, so a scan belongs to a task when name, application and type are the same. "Launched since
we began" is told by ids, which only grow: no clock is needed for it.
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
        name: of the scan.
        type: one of Qualys' two.
        webapp_id: the application; 0 for one that check mode did not find, since a task before may create it.
        webapp_name: what such an application is called.
    """

    name: str
    type: str
    webapp_id: int
    webapp_name: str | None = None

    @classmethod
    def of(cls, name: str, kind: str, webapp: Reference) -> Wanted:
        """The scan of a referenced application."""
        return cls(name, kind, int(webapp.id or 0), webapp.name)

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"scan {self.name!r} of web application {self.webapp_id}"

    def same(self, raw: Raw) -> bool:
        """Whether a scan is of the same name and application. The vendor's search may ignore upper and lower case."""
        return text(raw.get("name")) == self.name and number(part(raw, "target", "webApp", "id")) == self.webapp_id


def wanted_of(params: Written, references: References) -> Wanted:
    """The scan that the options describe.

    Raises:
        OptionError, AmbiguousMatch: an option is missing, or the application does not resolve.
    """
    name = str(params.get("name") or "").strip()
    written = str(params.get("webapp") or "").strip()
    if not name or not written:
        raise OptionError("webapp and name are needed without id.", hint="They say which scan is meant.")
    webapp = references.resolve("webapp", "webapp", written, (), verify=False)
    return Wanted.of(name, params["type"], webapp)


def same_scans(client: QualysClient, wanted: Wanted) -> list[Raw]:
    """All scans of that name and application, oldest first, in Qualys' short form."""
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
    """The newest scan that the task may take for its own; None when it has to launch one.

    That is one that has not ended, or one that was launched within ``resume_within`` seconds and may still count: a
    scan that ended without a result is never adopted, for whoever runs the task again wants another one.
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
    """Seconds since the launch; None when Qualys does not say when that was."""
    launched = text(raw.get("launchedDate"))
    if not launched:
        return None
    try:
        moment = parse_time(launched)
    except ValueError:
        return None
    return (server_time(client, int(raw["id"]), timing) - moment).total_seconds()


def server_time(client: QualysClient, scan_id: int, timing: PollTiming) -> dt.datetime:
    """What Qualys' own clock says, so that the skew of this machine's does not matter; else this machine's."""
    path = f"status/was/{RESOURCE}/{scan_id}"
    response = client.request("GET", f"/qps/rest/3.0/{path}", lambda answer: judge(answer, path, idempotent=True))
    try:
        return email.utils.parsedate_to_datetime(response.headers.get("Date", "")).astimezone(dt.UTC)
    except (TypeError, ValueError):
        return timing.now()


@dataclasses.dataclass(frozen=True)
class Launch:
    """A launch, checked as far as that is possible without launching.

    Attributes:
        wanted: name, type and application.
        webapp: the application in full.
        auth: with which login.
        data: what is sent.
        profile: the option profile, as Qualys' ``{id, name}``.
        again: the scan that is run once more, instead of a launch with a target of its own.
    """

    wanted: Wanted
    webapp: Raw
    auth: Auth
    data: dict[str, Node] | None
    profile: Raw | None
    again: int | None = None

    def outline(self) -> Raw:
        """The scan as far as it is known before Qualys tells."""
        webapp = {name: self.webapp.get(name) for name in ("id", "name", "url")}
        outline: Raw = {"name": self.wanted.name, "type": self.wanted.type, "target": {"webApp": webapp}}
        return outline | ({"profile": self.profile} if self.profile else {})


def prepare(client: QualysClient, params: Written, wanted: Wanted, references: References) -> Launch:
    """Everything that a launch needs; sends no write.

    Raises:
        OptionError, AmbiguousMatch: something is missing or does not resolve.
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
            f"profile is needed: the web application {text(webapp.get('name'))!r} has no default option profile.",
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
    """The application in full; its name alone where check mode did not find it.

    Raises:
        OptionError: there is none.
    """
    if not wanted.webapp_id:
        return {"name": wanted.webapp_name}
    webapp = client.get("webapp", wanted.webapp_id)
    if webapp is None:
        raise OptionError(
            f"webapp: there is no web application {wanted.webapp_id}, or these credentials may not see it.",
            hint="Give the name or the id of one.",
        )
    return webapp


def _settings(params: Written, references: References) -> dict[str, Node]:
    """What stands beside the target: the limit, the proxy, the DNS override, and who is told.

    Raises:
        OptionError, AmbiguousMatch: one of them cannot be meant, or does not resolve.
    """
    hours, moment = params.get("cancel_after"), str(params.get("cancel_time") or "").strip()
    if hours is not None and hours < 1:
        raise OptionError(f"cancel_after: {hours} is not a number of hours.", hint="Give 1 or more.")
    if hours is not None and moment:
        raise OptionError("cancel_after and cancel_time exclude each other.", hint="A scan has one limit.")
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
    """The scan that comes of running another once more: its application and type, and its name unless there is one."""
    name = str(params.get("name") or "").strip() or (text(old.get("name")) or "")
    return Wanted(name, (text(old.get("type")) or "").upper(), number(part(old, "target", "webApp", "id")) or 0)


def prepare_again(params: Written, wanted: Wanted, old: Raw) -> Launch:
    """As :func:`prepare`, for a scan that is run once more with everything that it had.

    Raises:
        OptionError: the scan has not ended, or was of several applications.
    """
    if not wanted.webapp_id:
        raise OptionError(
            f"again: the scan {params['again']} is not of one web application.",
            hint="Launch a scan of each, with webapp and name.",
        )
    if not standing_of(old).over:
        raise OptionError(
            f"again: the scan {params['again']} is {text(old.get('status'))}, and only one that has ended can be run"
            " once more.",
            hint="Wait for it, with its id.",
        )
    # Without a name of its own, the new scan gets that of the old one, and no body is needed.
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
        # The path has two spellings (docs/vendors/qualys_was.md 2.1). A path that does not exist did nothing, so asking
        # at the other one repeats nothing.
        if error.code != "INVALID_URL":
            raise
        return client.write("scanAgain", RESOURCE, prepared.data, prepared.again)


def launch(client: QualysClient, prepared: Launch, known: t.Iterable[Raw], budget: Budget) -> int:
    """Launch the scan, once.

    Args:
        client: the account.
        prepared: what to launch.
        known: the scans of that name and application that were there before.
        budget: pauses count against it.

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
    """The scan in full; what is known of it, and the error, when it cannot be read: its id must not get lost."""
    try:
        raw = client.get(RESOURCE, scan_id)
    except PerimeterError as error:
        return {**outline, "id": scan_id}, error
    return (raw if raw is not None else {**outline, "id": scan_id}), None
