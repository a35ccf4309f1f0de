# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges container images, whose scans have counts instead of findings.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import typing as t

from ..._base.log_text import short
from ..._records.coerce import bounded, mapping, number, whole
from ..._records.files.types import SCAN, mistyped
from ..._records.policy.patterns import Globs
from ..._records.verdicts import Word, worst
from ..inputs.facts import RANKS, Record, label
from ..inputs.records import newest_scans, scan_time
from ..policy.policy import ImageRules, Images
from ..verdict import Reason, reason
from .scope import scan_age_problems


def judge_images(
    scans: t.Sequence[Record], images: Images, now: dt.datetime
) -> tuple[list[dict[str, t.Any]], list[Reason]]:
    """Judge each image by its newest scan.

    Returns:
        One entry for each image, in the form of an application, and the reasons.
    """
    entries: list[dict[str, t.Any]] = []
    reasons: list[Reason] = []
    for (source, identity), scan in sorted(newest_scans(scans).items()):
        name = bounded(mapping(scan.get("asset")).get("name"))
        title = label((source, identity), name)
        found = [*_judge(scan, images, identity, name, title, now)]
        reasons += found
        entries.append(
            {
                "kind": "image",
                "source": source,
                "id": identity,
                "name": name,
                "label": short(title),
                "verdict": worst(item["verdict"] for item in found),
                "counts": _counts(scan) or {},
                "malware": scan.get("malware"),
                "scan": {"id": bounded(scan.get("id")), "time": bounded(scan.get("time"))},
            }
        )
    for pattern in images.required:
        if not any(Globs([pattern]).match(entry[field]) for entry in entries for field in ("id", "name")):
            reasons.append(
                reason("image_scan_missing", "inconclusive", f"no scan of the image {short(pattern, 200)} was given")
            )
    if not entries and not images.required:
        reasons.append(
            reason("image_scan_missing", "inconclusive", "no scan of an image was given, but the policy judges images")
        )
    return entries, reasons


def _counts(scan: Record) -> dict[str, int] | None:
    """Return the counts by severity, with unknown severities as critical; None if one of them cannot be read."""
    given = scan.get("counts")
    if not isinstance(given, dict) or not given:
        return None
    counts = dict.fromkeys(RANKS, 0)
    for severity, amount in given.items():
        value = whole(amount)
        if value is None or value < 0:
            return None
        counts[severity if severity in RANKS else "critical"] += value
    return counts


def _judge(
    scan: Record, images: Images, identity: str, name: str | None, title: str, now: dt.datetime
) -> t.Iterator[Reason]:
    def say(code: str, verdict: Word, message: str, rule: str | None = None) -> Reason:
        return reason(code, verdict, message, application=title, rule=rule)

    counts, rules = _counts(scan), images.rules_for(identity, name)
    if scan.get("status") != "finished" or scan.get("conclusive") is not True:
        yield say("image_scan_failed", "inconclusive", f"the scan has the status {short(str(scan.get('status')), 40)}")
        return
    wrong = mistyped(scan, SCAN)
    problems = [] if wrong is None else [("scan_mistyped", f"the scan has a value of the wrong type in {wrong}")]
    problems += list(scan_age_problems(scan_time(scan), now, images.max_scan_age, "the scan"))
    if not rules.limits and rules.malware == "ignore":
        problems.append(("no_image_rule", "the policy has no rule for this image, so everything would pass"))
    if counts is None:
        problems.append(("image_counts_missing", "the scan does not say how many vulnerabilities there are"))
    for code, message in problems:
        yield say(code, "inconclusive", message)
    if not problems:
        yield from _broken(counts or {}, rules, say)
        yield from _malware(scan.get("malware"), rules, say)


def _broken(counts: t.Mapping[str, int], rules: ImageRules, say: t.Callable[..., Reason]) -> t.Iterator[Reason]:
    for severity, limit in rules.limits.items():
        if counts[severity] > limit:
            rule = f"images.limits.{severity}"
            words = f"{rule}: {counts[severity]} {severity} vulnerabilities, at most {limit} allowed"
            yield say("rule_broken", "fail", words, rule)


def _malware(found: t.Any, rules: ImageRules, say: t.Callable[..., Reason]) -> t.Iterator[Reason]:
    if rules.malware == "ignore":
        return
    verdict: Word = "pass" if rules.malware == "warn" else "fail"
    amount = number(found) if not isinstance(found, bool) else float(found)
    if amount is None or amount < 0:
        unknown: Word = "pass" if rules.malware == "warn" else "inconclusive"
        yield say("malware_unknown", unknown, "the scan does not say whether there is malware", "images.malware")
    elif amount > 0:
        yield say("malware", verdict, "images.malware: the image contains malware", "images.malware")
