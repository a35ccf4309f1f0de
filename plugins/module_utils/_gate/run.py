# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``gate`` module without Ansible: options in, verdict out.

This module is private to the collection and may change at any time.

Whatever happens, the verdict is written: from the first moment the file says that the gate did not finish, so a run
that is killed leaves no old pass behind. Every error that was not foreseen closes the gate.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import typing as t
import uuid

from .._base.errors import OptionError, PerimeterError
from .._base.files import PRIVATE, replace_file
from .._base.log_text import short
from .._records.coerce import bounded, mapping
from .._records.identity import AppKey
from .._records.result import Result
from .._records.times import utc_now, utc_text
from .._records.verdicts import Word, worst
from .decide import gate_json as doc
from .decide.advice import next_steps
from .decide.explain import Explanations
from .decide.images import judge_images
from .decide.judge import Application, Judge
from .decide.outcome import (
    Judgement,
    absent_places,
    application_entry,
    counts_of,
    decide,
    run_rule_entries,
    settle_scope,
    settler,
)
from .decide.scope import covers, names_asked, snapshot_problems
from .inputs.facts import Record, label
from .inputs.records import Matches, is_image, newest_scans, read_records
from .inputs.snapshots import Snapshot, open_snapshot, read_findings
from .policy.baseline import Baseline, check_baseline, load_baseline, merged, save_baseline, save_marks
from .policy.policy import Policy, load_policy
from .policy.rules import duration
from .policy.waivers import Waivers, load_waivers
from .verdict import GateClosed, PolicyError, Reason, reason

Params = t.Mapping[str, t.Any]
Clock = t.Callable[[], dt.datetime]


@dataclasses.dataclass
class _Inputs:
    """Everything that was read before the first finding."""

    policy: Policy
    waivers: Waivers
    baseline: Baseline
    scans: list[Record]
    images: list[Record]
    matches: Matches
    reasons: list[Reason]
    snapshots: list[Snapshot]


def run(params: Params, check_mode: bool, clock: Clock = utc_now) -> Result:
    """Judge findings.

    Args:
        params: the options of the module.
        check_mode: judge, write nothing, and come to no conclusion.
        clock: tells the present, UTC.

    Returns:
        With the values of the module, and an error unless the verdict is pass or only a report was asked for.
    """
    now = clock()
    dest = pathlib.Path(params["dest"]).expanduser()
    report_only = bool(params.get("report_only"))
    document = doc.blank(
        params.get("run_id") or uuid.uuid4().hex, _time(now), report_only=report_only, check_mode=check_mode
    )
    try:
        doc.check_files(dest, _paths(params))
        old = doc.essence(doc.read_old(dest))
        if not check_mode:
            doc.begin_document(dest, document)
    except PerimeterError as refused:
        doc.set_error(document, "platform_error", refused, _time(clock()))
        document["next_steps"] = next_steps(document, now.astimezone(dt.UTC).date())
        return Result(values=_values(document, dest), error=refused)
    error = _judge_or_tell(params, document, dest, now, clock)
    if not document["next_steps"]:
        document["next_steps"] = next_steps(document, now.astimezone(dt.UTC).date())
    changed = old != doc.essence(document)
    result = Result(changed=changed, values=_values(document, dest), warnings=_warnings(document))
    result.error = error
    if not check_mode:
        try:
            doc.write_document(dest, document)
        except PerimeterError as failure:
            doc.set_error(document, "platform_error", failure, _time(clock()))
            return Result(values=_values(document, dest), error=failure)
    if error is None and document["verdict"] != "pass":
        hint = f"See {dest} for the reason of each finding." if not check_mode else ""
        result.error = GateClosed(doc.summary(document, dest), hint=hint)
    if report_only and result.error is not None:
        result.warnings.append(str(result.error))
        result.error = None
    return result


def _time(moment: dt.datetime) -> str:
    return utc_text(moment.replace(microsecond=0))


def _values(document: doc.Document, dest: pathlib.Path) -> dict[str, t.Any]:
    return {**doc.values_of(document), "dest": str(dest)}


def _warnings(document: doc.Document) -> list[str]:
    said = [f"waiver {item['id']}: {', '.join(item['flags'])}" for item in document["waivers"] if item["flags"]]
    more = [f"and {len(said) - 20} more waivers"] if len(said) > 20 else []
    told = [item["message"] for item in document["reasons"] if item["verdict"] == "pass" and item["code"] != doc.NOTE]
    return [*told[:20], *said[:20], *more]


def _paths(params: Params) -> t.Iterator[tuple[str, pathlib.Path]]:
    for option in ("findings", "scans", "matches", "policy", "waivers", "baseline"):
        given = params.get(option)
        for item in given if isinstance(given, list) else [given]:
            if isinstance(item, (str, os.PathLike)) and item:
                yield option, pathlib.Path(item).expanduser()


def _judge_or_tell(
    params: Params, document: doc.Document, dest: pathlib.Path, now: dt.datetime, clock: Clock
) -> PerimeterError | None:
    """Judge, or put into the document why that was not possible.

    Returns:
        The error, if one kept the gate from judging.
    """
    verdict: Word = "platform_error"
    try:
        return _judge(params, document, dest, now, clock)
    except (PolicyError, OptionError) as error:
        verdict, failure = "policy_error", t.cast(PerimeterError, error)
    except PerimeterError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - a gate that breaks is closed, and says so in its file
        # The text of an unforeseen error may quote anything, so only its type is told.
        failure = PerimeterError(f"The gate failed inside, with {type(error).__name__}.", hint="Please report it.")
    fresh = doc.blank(
        document["run_id"],
        document["started"],
        report_only=document["report_only"],
        check_mode=document["check_mode"],
    )
    document.update(fresh)
    doc.set_error(document, verdict, failure, _time(clock()))
    if not document["check_mode"]:
        # What is there explains another run.
        with contextlib.suppress(OSError):
            doc.explain_path(dest).unlink(missing_ok=True)
    return failure


def _load(params: Params, now: dt.datetime, *, check_mode: bool) -> _Inputs:
    if params.get("baseline_update") and not params.get("baseline"):
        raise OptionError("baseline_update needs baseline.", hint="Give the path of the file that is to be updated.")
    age = params.get("max_scan_age")
    policy = load_policy(params["policy"], duration(age, "max_scan_age") if age else None)
    waivers = load_waivers(params.get("waivers"), policy.waivers, now.astimezone(dt.UTC).date())
    baseline = load_baseline(params.get("baseline"))
    if params.get("baseline_update"):
        check_baseline(pathlib.Path(params["baseline"]).expanduser(), create=not check_mode)
    scans, scan_trouble = read_records(params.get("scans") or (), "scans", "scan")
    matches, match_trouble = read_records(params.get("matches") or (), "matches", "match")
    snapshots = [open_snapshot(pathlib.Path(path).expanduser()) for path in params.get("findings") or ()]
    # The newest first: what a later export says about a finding holds.
    snapshots.sort(key=lambda item: item.time("finished") or dt.datetime.min.replace(tzinfo=dt.UTC), reverse=True)
    return _Inputs(
        policy=policy,
        waivers=waivers,
        baseline=baseline,
        scans=[scan for scan in scans if not is_image(scan)],
        images=[scan for scan in scans if is_image(scan)],
        matches=Matches(matches),
        reasons=[reason(code, "inconclusive", message) for code, message in scan_trouble + match_trouble],
        snapshots=snapshots,
    )


def _judge(
    params: Params, document: doc.Document, dest: pathlib.Path, now: dt.datetime, clock: Clock
) -> PerimeterError | None:
    """Judge; returns the error if only the baseline could not be stored, and all else stands."""
    given = _load(params, now, check_mode=document["check_mode"])
    policy = given.policy
    scans = newest_scans(given.scans)
    with Explanations() as explanations:
        judge = Judge(policy, given.waivers, given.baseline, given.matches, explanations, now)
        _expect(judge, scans, given.snapshots)
        _read(judge, given, now)
        run_reasons = given.reasons + settle_scope(judge, policy, given.snapshots, scans, now) + _emptiness(given)
        run_reasons += _remarks(params, given)
        outcome = decide(judge, policy, scans, run_reasons)
        images, image_reasons = _images(given, now)
        reasons = outcome.reasons + image_reasons
        # Before there are findings, as when only the policy is to be checked, no waiver can have matched one.
        if policy.waivers.strict and given.snapshots:
            _refuse_unused(given.waivers)
        _fill(document, outcome, images, given)
        verdict = worst([item["verdict"] for item in reasons])
        if document["check_mode"]:
            _predict_only(document, reasons)
            verdict = "inconclusive"
        _explain(document, outcome, explanations, dest)
        doc.set_verdict(document, verdict, reasons, _time(clock()))
        document["next_steps"] = next_steps(document, now.astimezone(dt.UTC).date(), policy.waivers.max_days)
        try:
            _remember(params, document, outcome, given, now)
        except PerimeterError as error:
            # What was judged stays in the file, so that there is a report of it; only nobody may ship on it.
            doc.add_error(document, error, _time(clock()))
            document["next_steps"] = []
            return error
        return None


def _expect(judge: Judge, scans: dict[AppKey, Record], snapshots: list[Snapshot]) -> None:
    """Make a place for each application that has to be judged, also if it has no finding."""
    for key, scan in scans.items():
        name = bounded(mapping(scan.get("asset")).get("name"))
        if judge.is_in_scope(key, name):
            judge.application(key, name)
    for snapshot in snapshots:
        for identity in names_asked(snapshot, "webApp.id") if snapshot.source else ():
            key = (str(snapshot.source), identity)
            if judge.is_in_scope(key, None):
                judge.application(key, None)


def _read(judge: Judge, given: _Inputs, now: dt.datetime) -> None:
    limit = given.policy.base_quality.max_scan_age
    for number, snapshot in enumerate(given.snapshots):
        for code, message in snapshot_problems(snapshot, given.policy, now, limit):
            snapshot.problems.append((code, message))
        for facts in read_findings(snapshot):
            judge.take(facts, number)
        foreign = [app for app, name in snapshot.apps.items() if not covers(snapshot, app, name)]
        if foreign and snapshot.manifest is not None:
            who = short(label(foreign[0], snapshot.apps[foreign[0]]), 100)
            snapshot.problem("foreign_findings", f"it holds findings of {who}, which its manifest does not cover")


def _emptiness(given: _Inputs) -> list[Reason]:
    """Nothing to judge is never a pass; a policy that seems to forget something is told about."""
    found = []
    if given.snapshots and given.policy.gaps:
        words = f"the policy limits milder vulnerabilities, and none of severity {', '.join(given.policy.gaps)}"
        found.append(reason("severity_gap", "pass", words))
    if not given.snapshots and given.policy.has_rules:
        found.append(
            reason("findings_missing", "inconclusive", "no findings were given, and the policy has rules for them")
        )
    if given.snapshots and not given.policy.has_rules:
        found.append(
            reason("no_finding_rules", "inconclusive", "findings were given, and the policy has no rule for them")
        )
    if given.images and given.policy.images is None:
        found.append(
            reason("no_image_rules", "inconclusive", "scans of images were given, and the policy has no rule for them")
        )
    return found


def _remarks(params: Params, given: _Inputs) -> list[Reason]:
    """What has to be said about the input, and decides nothing."""
    found = [reason(doc.NOTE, "pass", str(note)) for note in params.get("notes") or ()]
    if given.waivers.path is not None and given.waivers.sha256 is None:
        words = f"there is no file {given.waivers.path.name}, so no waiver is in force"
        found.append(reason("waivers_missing", "pass", words))
    return found


def _images(given: _Inputs, now: dt.datetime) -> tuple[list[dict[str, t.Any]], list[Reason]]:
    if given.policy.images is None:
        return [], []
    return judge_images(given.images, given.policy.images, now)


def _refuse_unused(waivers: Waivers) -> None:
    unused = [waiver.id for waiver in waivers.all if not waiver.matched]
    if unused:
        raise PolicyError(
            f"waivers: {', '.join(unused[:10])} match nothing, and the policy is strict about that.",
            hint="Remove them, or set waivers.strict to false.",
        )


def _fill(document: doc.Document, outcome: Judgement, images: list[dict[str, t.Any]], given: _Inputs) -> None:
    judge, policy, baseline = outcome.judge, outcome.policy, given.baseline
    extra = {name: judge.counts[name] for name in ("findings", "duplicates")}
    counts = counts_of(outcome.applications)
    counts["excluded"] += judge.counts["excluded"]
    document["policy"] = {"name": policy.name, "sha256": policy.sha256}
    document["counts"] = {**extra, **counts}
    document["applications"] = [application_entry(app, outcome) for app in outcome.applications] + images
    document["rules"] = run_rule_entries(outcome)
    waivers = given.waivers
    if waivers.path is not None or waivers.sha256 is not None:
        document["waivers_file"] = {"path": str(waivers.path) if waivers.path else None, "sha256": waivers.sha256}
    document["waivers"] = waivers.report()
    document["sync"] = judge.sync
    document["baseline"] = {
        "path": str(baseline.path) if baseline.path else None,
        "exists": baseline.exists,
        "sha256": baseline.sha256,
        "written": baseline.written,
        "updated": False,
    }
    document["inputs"] = [
        {
            "file": snapshot.path.name,
            "source": snapshot.source,
            "records": snapshot.records,
            "sha256": snapshot.sha256,
            "finished": bounded((snapshot.manifest or {}).get("finished")),
            "problems": [code for code, _message in snapshot.problems],
        }
        for snapshot in given.snapshots
    ]


def _predict_only(document: doc.Document, reasons: list[Reason]) -> None:
    for item in reasons:
        if item["verdict"] == "fail":
            item["verdict"] = "inconclusive"
    reasons.insert(0, reason("check_mode", "inconclusive", "check mode comes to no conclusion"))
    for entry in document["applications"]:
        entry["verdict"] = "inconclusive"


def _explain(document: doc.Document, outcome: Judgement, explanations: Explanations, dest: pathlib.Path) -> None:
    settle = settler(outcome)
    if document["check_mode"]:
        document["explain"], _sha256 = explanations.finish(settle, None)
        return
    place = doc.explain_path(dest)
    with replace_file(place, mode=PRIVATE) as file:
        document["explain"], sha256 = explanations.finish(settle, file)
    document["explain_file"] = {"path": place.name, "records": len(explanations), "sha256": sha256}


def _remember(params: Params, document: doc.Document, outcome: Judgement, given: _Inputs, now: dt.datetime) -> None:
    """Move the baseline if that was asked for and all is well; otherwise note what is gone from it.

    A run that only reports moves nothing, and still notes: notes only make the gate stricter, and a finding that came
    back in such a run would be known in the next one.
    """
    if document["check_mode"]:
        return
    passed = document["verdict"] == "pass" and not document["counts"]["new"]
    if params.get("baseline_update") and passed and not document["report_only"]:
        sections = [_section(app, outcome, document, now) for app in outcome.applications]
        policy = {"name": outcome.policy.name, "sha256": outcome.policy.sha256}
        content = {"record": "baseline", "schema": 1, "written": _time(now), "run_id": document["run_id"]}
        document["baseline"]["updated"] = save_baseline(
            given.baseline, {**content, "policy": policy, "applications": sections}
        )
        return
    gone = {
        app.key: merged(app.section.resurfaced, {} if app.problems else absent_places(app))
        for app in outcome.applications
        if app.section is not None
    }
    save_marks(given.baseline, gone)


def _section(app: Application, outcome: Judgement, document: doc.Document, now: dt.datetime) -> dict[str, t.Any]:
    scan = outcome.scans.get(app.key)
    # Without a scan, what the last one was like still is what the next one is held against.
    seen: dict[str, t.Any] | None = app.section.scan if app.section else None
    if scan is not None:
        seen = {name: bounded(scan.get(name)) for name in ("id", "profile", "auth_status")}
        links = [scan.get("links_crawled"), ((app.section.scan if app.section else None) or {}).get("links_crawled")]
        # The most that was ever crawled: a little less each time would end at nothing.
        counted = [amount for amount in links if isinstance(amount, int) and not isinstance(amount, bool)]
        seen["links_crawled"] = max([amount for amount in counted if amount >= 0], default=None)
    return {
        "source": app.key[0],
        "id": None if app.key[1].startswith("name:") else app.key[1],
        "name": app.name,
        "time": _time(now),
        "run_id": document["run_id"],
        "scan": seen,
        "findings": {key: app.counted[key] for key in sorted(app.counted)},
        "reopened": sorted(app.reopened),
        "waived": {key: app.waived[key] for key in sorted(app.waived)},
    }
