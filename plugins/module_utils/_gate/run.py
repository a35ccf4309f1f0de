# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logic of the ``gate`` module, without Ansible: takes the options and returns the verdict.

This module is private to the collection and may change at any time.

A verdict is always written. Before anything is read, the file says that the gate did not finish, so that a killed run
leaves no pass of an earlier run behind. Every unexpected error closes the gate.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import typing as t
import uuid

from .._base.errors import FileError, OptionError, PerimeterError, PolicyError
from .._base.files import PRIVATE, remove_leftovers, replace_file
from .._base.log_text import short
from .._records.coerce import bounded, mapping
from .._records.files.knowledge import read_knowledge
from .._records.identity import AppKey
from .._records.result import Result
from .._records.times import utc_now, utc_text
from .._records.verdicts import Word, worst
from .decide import gate_json as doc
from .decide.advice import next_steps
from .decide.exclusions import TOOK, UNKNOWN, exclusion_entries, exclusion_reasons
from .decide.explain import Explanations
from .decide.gate_json import Conclusion, Order
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
from .decide.scope import FILTERED, filters_shown, names_asked, snapshot_problems
from .inputs.facts import Record, label
from .inputs.match_files import match_problems
from .inputs.records import AttackMatches, is_image, newest_scans, read_records
from .inputs.snapshots import Snapshot, open_snapshot, read_findings
from .policy.baseline import Baseline, BaselineKeeper, Moved, merged
from .policy.baseline_file import BaselineFile
from .policy.keeping import keeper_of, secrets_of, texts_of
from .policy.policy import Policy, load_policy
from .policy.rules import duration
from .policy.selectors import rules_named
from .policy.waivers import Waivers, load_waivers
from .verdict import GateClosed, Reason, reason

__all__ = ["run", "secrets_of", "texts_of"]

_RULES_AT_MOST = 5000
MOVES = 3
"""How often a run is judged at most: again each time another run has changed the baseline meanwhile."""
Params = t.Mapping[str, t.Any]
Clock = t.Callable[[], dt.datetime]


@dataclasses.dataclass
class _Inputs:
    """Everything that is read before the findings. ``unwritable`` is the error if the baseline cannot be stored."""

    policy: Policy
    waivers: Waivers
    keeper: BaselineKeeper | None
    baseline: Baseline
    scans: list[Record]
    images: list[Record]
    matches: AttackMatches
    reasons: list[Reason]
    snapshots: list[Snapshot]
    unwritable: PerimeterError | None = None


def run(params: Params, check_mode: bool, clock: Clock = utc_now) -> Result:
    """Judge findings.

    Args:
        params: the options of the module.
        check_mode: judge without writing anything; the verdict is then inconclusive at best.
        clock: returns the current time, UTC.

    Returns:
        The return values of the module, and an error unless the verdict is pass or ``report_only`` is set.
    """
    now = clock()
    order = Order(
        dest=pathlib.Path(params["dest"]).expanduser(),
        run_id=params.get("run_id") or uuid.uuid4().hex,
        started=_time(now),
        report_only=bool(params.get("report_only")),
        check_mode=check_mode,
    )
    try:
        doc.check_files(order.dest, _paths(params))
        old = doc.essence(doc.read_old(order.dest))
        if not check_mode:
            _tidy(order.dest, params.get("baseline"))
            doc.begin_document(order.dest, doc.document_of(order, doc.UNFINISHED))
    except PerimeterError as refused:
        conclusion = doc.failed("platform_error", refused, next_steps("platform_error", _day(now)))
        return Result(values=_values(order, doc.document_of(order, conclusion, _time(clock()))), error=refused)
    conclusion = _judge_or_tell(params, order, now)
    document = doc.document_of(order, conclusion, _time(clock()))
    result = Result(
        changed=old != doc.essence(document),
        values=_values(order, document) | {"rule_ids": list(conclusion.rule_ids)},
        warnings=_warnings(conclusion),
        error=conclusion.error,
    )
    if not check_mode:
        try:
            doc.write_document(order.dest, document)
        except PerimeterError as failure:
            document = doc.document_of(order, conclusion.but(failure), _time(clock()))
            return Result(values=_values(order, document), error=failure)
    if result.error is None and conclusion.verdict != "pass":
        hint = f"See {order.dest} for the reason of each finding." if not check_mode else ""
        result.error = GateClosed(doc.summary(conclusion), hint=hint)
    if order.report_only and result.error is not None:
        result.warnings.append(str(result.error))
        result.error = None
    return result


def _tidy(dest: pathlib.Path, baseline: str | None) -> None:
    """Remove the temporary files of killed runs beside the files that this run writes."""
    targets = [dest, doc.explain_path(dest)]
    if baseline:
        targets += BaselineFile(baseline).files
    for target in targets:
        remove_leftovers(target)


def _day(moment: dt.datetime) -> dt.date:
    return moment.astimezone(dt.UTC).date()


def _time(moment: dt.datetime) -> str:
    return utc_text(moment.replace(microsecond=0))


def _values(order: Order, document: doc.Document) -> dict[str, t.Any]:
    return {**doc.values_of(document), "dest": str(order.dest)}


def _warnings(conclusion: Conclusion) -> list[str]:
    said = conclusion.remarks
    more = [f"and {len(said) - 20} more waivers"] if len(said) > 20 else []
    quiet = (doc.NOTE, TOOK, UNKNOWN, FILTERED)
    passing = [item for item in conclusion.in_order() if item["verdict"] == "pass" and item["code"] not in quiet]
    return [*(item["message"] for item in passing[:20]), *said[:20], *more]


def _paths(params: Params) -> t.Iterator[tuple[str, pathlib.Path]]:
    with contextlib.suppress(PerimeterError):
        # Invalid options are reported when the baseline is loaded.
        keeper = keeper_of(params, os.environ)
        yield from (("baseline", path) for path in (keeper.files if keeper else ()))
    for option in ("findings", "scans", "matches", "policy", "waivers", "knowledge"):
        given = params.get(option)
        for item in given if isinstance(given, list) else [given]:
            if isinstance(item, (str, os.PathLike)) and item:
                yield option, pathlib.Path(item).expanduser()


def _judge_or_tell(params: Params, order: Order, now: dt.datetime) -> Conclusion:
    """Judge, or conclude why that was not possible."""
    verdict: Word = "platform_error"
    try:
        return _judge_by_newest(params, order, now)
    except (PolicyError, OptionError) as error:
        verdict, failure = "policy_error", t.cast(PerimeterError, error)
    except PerimeterError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - a gate that breaks is closed, and says so in its file
        # The text of an unexpected error may quote secrets, so only its type is shown.
        failure = PerimeterError(
            f"The gate failed with an internal error, {type(error).__name__}.",
            hint="That is a defect of appsec.perimeter.",
        )
    if not order.check_mode:
        # The explanations on the disk belong to another run.
        with contextlib.suppress(OSError):
            doc.explain_path(order.dest).unlink(missing_ok=True)
    return doc.failed(verdict, failure, next_steps(verdict, _day(now)))


def _load(params: Params, now: dt.datetime, *, check_mode: bool) -> _Inputs:
    keeper = keeper_of(params, os.environ)
    if params.get("baseline_update") and keeper is None:
        raise OptionError(
            "baseline_update needs baseline, or database_url with baseline_name.",
            hint="Say where the baseline is stored.",
        )
    age = params.get("max_scan_age")
    policy = load_policy(params["policy"], duration(age, "max_scan_age") if age else None)
    waivers = load_waivers(params.get("waivers"), policy.waivers, _day(now))
    baseline = keeper.load() if keeper is not None else Baseline()
    unwritable = _unwritable(keeper, check_mode=check_mode) if keeper and params.get("baseline_update") else None
    if unwritable and (check_mode or not (params.get("findings") or params.get("scans"))):
        # Fail before a scan is launched or a finding is read.
        raise unwritable
    scans, scan_trouble = read_records(params.get("scans") or (), "scans", "scan")
    matches, match_trouble = read_records(params.get("matches") or (), "matches", "match")
    match_trouble += match_problems(params.get("matches") or (), now, policy.base_quality.max_scan_age)
    snapshots = [open_snapshot(pathlib.Path(path).expanduser()) for path in params.get("findings") or ()]
    # The newest first, because the newest export of a finding is the one that is judged.
    earliest = dt.datetime.min.replace(tzinfo=dt.UTC)
    snapshots.sort(key=lambda item: (item.time("finished") or earliest, str(item.path)), reverse=True)
    return _Inputs(
        policy=policy,
        waivers=waivers,
        keeper=keeper,
        baseline=baseline,
        scans=[scan for scan in scans if not is_image(scan)],
        images=[scan for scan in scans if is_image(scan)],
        matches=AttackMatches(matches),
        reasons=[reason(code, "inconclusive", message) for code, message in scan_trouble + match_trouble],
        snapshots=snapshots,
        unwritable=unwritable,
    )


def _unwritable(keeper: BaselineKeeper, *, check_mode: bool) -> PerimeterError | None:
    """Return the error if the baseline cannot be stored, otherwise None."""
    try:
        keeper.check(create=not check_mode)
    except PerimeterError as error:
        return error
    return None


def _judge_by_newest(params: Params, order: Order, now: dt.datetime) -> Conclusion:
    """Judge, and judge again if another run changed the baseline meanwhile."""
    for _time in range(1, MOVES):
        with contextlib.suppress(Moved):
            return _judge(params, order, now, again=True)
    return _judge(params, order, now, again=False)


def _judge(params: Params, order: Order, now: dt.datetime, *, again: bool) -> Conclusion:
    given = _load(params, now, check_mode=order.check_mode)
    policy = given.policy
    scans = newest_scans(given.scans)
    with Explanations() as explanations:
        judge = Judge(policy, given.waivers, given.baseline, given.matches, explanations, now)
        _expect(judge, scans, given.snapshots)
        _read(judge, given, now)
        judge.settle()
        run_reasons = given.reasons + settle_scope(judge, policy, given.snapshots, scans, now) + _emptiness(given)
        run_reasons += _remarks(params, given) + _unmatched(judge)
        exclusions = _exclusions(judge, policy)
        run_reasons += _see_knowledge(params, judge)
        if given.snapshots:
            run_reasons += exclusion_reasons(exclusions, judge.known, policy.named)
        outcome = decide(judge, policy, scans, run_reasons)
        images, image_reasons = _images(given, now)
        # Without findings, as when only the policy is checked, no waiver can have matched.
        if policy.waivers.strict and given.snapshots:
            _refuse_unused(given.waivers)
        conclusion = _conclude(order, outcome, outcome.reasons + image_reasons, images)
        explained = _explain(order, outcome, explanations)
    told = {**explained, "exclusions": exclusions}
    conclusion = dataclasses.replace(conclusion, rule_ids=_rule_ids(judge, policy))
    conclusion = _with_figures(conclusion, outcome, given, told, now)
    return _stored(params, order, conclusion, outcome, given, now, again=again)


def _conclude(order: Order, outcome: Judgement, reasons: list[Reason], images: list[dict[str, t.Any]]) -> Conclusion:
    """Return the verdict with its reasons, and the entries of all applications and images."""
    applications = [application_entry(app, outcome) for app in outcome.applications] + images
    verdict = worst([item["verdict"] for item in reasons])
    if order.check_mode:
        verdict = "inconclusive"
        applications = [{**entry, "verdict": verdict} for entry in applications]
        softened: list[Reason] = [
            {**item, "verdict": "inconclusive"} if item["verdict"] == "fail" else item for item in reasons
        ]
        reasons = [reason("check_mode", "inconclusive", "check mode comes to no conclusion"), *softened]
    return Conclusion(verdict, reasons, sections={"applications": applications})


def _with_figures(
    conclusion: Conclusion, outcome: Judgement, given: _Inputs, explained: dict[str, t.Any], now: dt.datetime
) -> Conclusion:
    """Return the conclusion with the sections of the document that describe the run."""
    waivers = given.waivers.report()
    sections = {
        **conclusion.sections,
        **_told_of(given, outcome.judge),
        **explained,
        "counts": _figures(outcome),
        "rules": run_rule_entries(outcome),
        "waivers": waivers,
    }
    return dataclasses.replace(
        conclusion,
        sections=sections,
        remarks=[f"waiver {item['id']}: {', '.join(item['flags'])}" for item in waivers if item["flags"]],
        next_steps=next_steps(conclusion.verdict, _day(now), explained["explain"], given.policy.waivers.max_days),
    )


def _stored(
    params: Params,
    order: Order,
    conclusion: Conclusion,
    outcome: Judgement,
    given: _Inputs,
    now: dt.datetime,
    *,
    again: bool,
) -> Conclusion:
    """Store the baseline for the next run, and return the conclusion with the section about the baseline.

    Raises:
        Moved: another run changed the baseline, and this run may be judged ``again``.
    """
    passed = conclusion.verdict == "pass" and not _figures(outcome)["new"]
    updated = False
    try:
        updated = _remember(params, order, outcome, given, now, passed=passed)
    except PerimeterError as error:
        if again and isinstance(error, Moved):
            raise
        # The document keeps the results for the report, but the verdict is no longer a pass.
        steps = next_steps("platform_error", _day(now))
        conclusion = dataclasses.replace(conclusion.but(error, *conclusion.in_order()), next_steps=steps)
    sections = {**conclusion.sections, "baseline": _baseline_entry(given, updated=updated)}
    return dataclasses.replace(conclusion, sections=sections)


def _expect(judge: Judge, scans: dict[AppKey, Record], snapshots: list[Snapshot]) -> None:
    """Register each application that has to be judged, even if it has no finding."""
    for key, scan in scans.items():
        judge.known.see_scan(key, scan)
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
        foreign = [app for app, name in snapshot.apps.items() if not snapshot.covers(app, name)]
        if foreign and snapshot.manifest is not None:
            who = short(label(foreign[0], snapshot.apps[foreign[0]]), 100)
            snapshot.problem("foreign_findings", f"it holds findings of {who}, which its manifest does not cover")


def _emptiness(given: _Inputs) -> list[Reason]:
    """Return reasons for missing input, which is never a pass, and a warning about gaps in the limits of the policy."""
    found = []
    if given.snapshots and given.policy.gaps:
        words = f"the policy limits milder vulnerabilities, but none of severity {', '.join(given.policy.gaps)}"
        found.append(reason("severity_gap", "pass", words))
    if not given.snapshots and given.policy.has_rules:
        found.append(
            reason("findings_missing", "inconclusive", "no findings were given, but the policy has rules for them")
        )
    if given.snapshots and not given.policy.has_rules:
        found.append(
            reason("no_finding_rules", "inconclusive", "findings were given, but the policy has no rule for them")
        )
    if given.images and given.policy.images is None:
        found.append(
            reason("no_image_rules", "inconclusive", "scans of images were given, but the policy has no rule for them")
        )
    return found


def _exclusions(judge: Judge, policy: Policy) -> list[dict[str, t.Any]]:
    taken = [app.taken for app in judge.applications.values()]
    return exclusion_entries(taken, [(item.name, item.reason) for item in policy.exclusions])


def _see_knowledge(params: Params, judge: Judge) -> list[Reason]:
    """Note which rules the knowledge base has. An unreadable file is only a warning, because it decides nothing."""
    if not params.get("knowledge"):
        return []
    try:
        entries = read_knowledge(pathlib.Path(params["knowledge"]).expanduser())
    except FileError as error:
        return [reason("knowledge_unreadable", "pass", str(error))]
    judge.known.see_knowledge(rule_id for _source, rule_id in entries)
    return []


def _rule_ids(judge: Judge, policy: Policy) -> list[str]:
    """Return the Qualys rules (QIDs) of the findings and those that the policy names."""
    found = sorted(judge.known.qids | set(rules_named(policy.named)), key=lambda word: (len(word), word))
    return found[:_RULES_AT_MOST]


def _unmatched(judge: Judge) -> list[Reason]:
    """A rule about attacks cannot be judged for findings without a match, because they were never correlated."""
    if not judge.unmatched:
        return []
    words = f"{judge.unmatched} findings that a rule about attacks may count have no match: correlate them"
    return [reason("matches_missing", "inconclusive", words)]


def _remarks(params: Params, given: _Inputs) -> list[Reason]:
    """Return remarks about the input, which decide nothing."""
    found = [reason(doc.NOTE, "pass", str(note)) for note in params.get("notes") or ()]
    # Findings that a filter hides cannot be counted, unlike those that an exclusion leaves out.
    shown = (words for snapshot in given.snapshots for words in filters_shown(snapshot, given.policy))
    found += [reason(FILTERED, "pass", words) for words in shown]
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
            f"waivers: {', '.join(unused[:10])} match no finding, and waivers.strict is set in the policy.",
            hint="Remove them, or set waivers.strict to false.",
        )


def _figures(outcome: Judgement) -> dict[str, t.Any]:
    judge = outcome.judge
    counts = counts_of(outcome.applications)
    counts["excluded"] += judge.counts["excluded"]
    return {**{name: judge.counts[name] for name in ("findings", "duplicates")}, **counts}


def _told_of(given: _Inputs, judge: Judge) -> dict[str, t.Any]:
    """Return the sections about the input, and about findings to ignore or activate at their sources."""
    waivers = given.waivers
    told: dict[str, t.Any] = {
        "policy": {"name": given.policy.name, "sha256": given.policy.sha256},
        "sync": judge.sync,
        "inputs": [
            {
                "file": snapshot.path.name,
                "source": snapshot.source,
                "records": snapshot.records,
                "sha256": snapshot.sha256,
                "finished": bounded((snapshot.manifest or {}).get("finished")),
                "problems": [code for code, _message in snapshot.problems],
            }
            for snapshot in given.snapshots
        ],
    }
    if waivers.path is not None or waivers.sha256 is not None:
        told["waivers_file"] = {"path": str(waivers.path) if waivers.path else None, "sha256": waivers.sha256}
    return told


def _baseline_entry(given: _Inputs, *, updated: bool) -> dict[str, t.Any]:
    baseline = given.baseline
    return {
        **(given.keeper.told(baseline) if given.keeper else {"path": None}),
        "exists": baseline.exists,
        "sha256": baseline.sha256,
        "written": baseline.written,
        "updated": updated,
    }


def _explain(order: Order, outcome: Judgement, explanations: Explanations) -> dict[str, t.Any]:
    """Write the explanations, and return the sections of the document about them."""
    settle = settler(outcome)
    if order.check_mode:
        return {"explain": explanations.finish(settle, None)[0]}
    place = doc.explain_path(order.dest)
    with replace_file(place, mode=PRIVATE) as file:
        explain, sha256 = explanations.finish(settle, file)
    file_entry = {"path": place.name, "records": len(explanations), "sha256": sha256}
    return {"explain": explain, "explain_file": file_entry}


def _remember(
    params: Params, order: Order, outcome: Judgement, given: _Inputs, now: dt.datetime, *, passed: bool
) -> bool:
    """Update the baseline if that was requested and the run passed; otherwise note which of its findings are gone.

    A run with ``report_only`` never updates the baseline, but still writes the notes. They only make the gate stricter,
    and without them a finding that comes back in such a run would count as known in the next one.

    Returns:
        Whether the baseline was written.
    """
    if order.check_mode:
        return False
    if given.unwritable is not None:
        raise given.unwritable
    if given.keeper is None:
        return False
    if params.get("baseline_update") and passed and not order.report_only:
        sections = [_section(app, outcome, order, now) for app in outcome.applications]
        policy = {"name": outcome.policy.name, "sha256": outcome.policy.sha256}
        content = {"record": "baseline", "schema": 1, "written": _time(now), "run_id": order.run_id}
        return given.keeper.save(given.baseline, {**content, "policy": policy, "applications": sections})
    gone = {
        app.key: merged(app.section.resurfaced, {} if app.problems else absent_places(app))
        for app in outcome.applications
        if app.section is not None
    }
    if params.get("baseline_update") or not given.keeper.shared:
        given.keeper.note(given.baseline, gone)
    return False


def _section(app: Application, outcome: Judgement, order: Order, now: dt.datetime) -> dict[str, t.Any]:
    scan = outcome.scans.get(app.key)
    # Without a scan, the next one is still compared with the last one.
    seen: dict[str, t.Any] | None = app.section.scan if app.section else None
    if scan is not None:
        seen = {name: bounded(scan.get(name)) for name in ("id", "profile", "auth_status")}
        links = [scan.get("links_crawled"), ((app.section.scan if app.section else None) or {}).get("links_crawled")]
        # Keep the maximum. Otherwise many small decreases would bring the expected number down to nothing.
        counted = [amount for amount in links if isinstance(amount, int) and not isinstance(amount, bool)]
        seen["links_crawled"] = max([amount for amount in counted if amount >= 0], default=None)
    return {
        "source": app.key[0],
        "id": None if app.key[1].startswith("name:") else app.key[1],
        "name": app.name,
        "time": _time(now),
        "run_id": order.run_id,
        "scan": seen,
        "findings": {key: sorted(app.counted[key]) for key in sorted(app.counted)},
        "reopened": sorted(app.reopened),
        "waived": {key: sorted(app.waived[key]) for key in sorted(app.waived)},
    }
