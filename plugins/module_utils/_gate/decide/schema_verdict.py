# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of the verdict file. ``docs/schemas/gate/gate.json`` is generated from it.

This module is private to the collection and may change at any time.

Unlike the documents that people write, a verdict may have more keys in a later version, so readers have to accept
unknown keys.
"""

from __future__ import annotations

import typing as t

from ..._records.verdicts import CODES, DECISIONS, LEFT_OUT, SUPPRESSED
from ..policy.schemas import DRAFT, SCHEMAS, SEVERITIES, WAIVER_TYPES, Json
from .explain import SHOWN

_TEXT: Json = {"type": "string"}
_SEEN: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": "integer", "minimum": 0}
_FLAG: Json = {"type": "boolean"}
_VERDICT: Json = {"enum": list(CODES)}
_NEWNESS = ["new", "reopened", "escalated", "known"]
_FLAGS = ["expired", "expiring", "unused", "over_broad", "too_long", "outgrown"]


def _object(properties: Json, *optional: str, **more: t.Any) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **more}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


_BY_SEVERITY = _object(dict.fromkeys(SEVERITIES, _COUNT))
_SUMS = ["counted", "new", "reopened", "escalated", "known", *SUPPRESSED, *LEFT_OUT, "ignored_without_waiver", "absent"]
_FIGURES = dict.fromkeys(_SUMS, _COUNT) | {"by_severity": _BY_SEVERITY, "new_by_severity": _BY_SEVERITY}
_REASON = _object({"code": _TEXT, "verdict": _VERDICT, "application": _SEEN, "rule": _SEEN, "message": _TEXT})
_RULE = _object(
    {
        "name": _TEXT,
        "count": _COUNT,
        "limit": _COUNT,
        "count_per": {"enum": ["application", "run"]},
        "action": {"enum": ["fail", "warn"]},
        "broken": _FLAG,
    }
)
_COMMON: Json = {"source": _TEXT, "id": _SEEN, "name": _SEEN, "label": _TEXT, "verdict": _VERDICT}
_APPLICATION = _object(
    {
        "kind": {"const": "application"},
        **_COMMON,
        "problems": _list(_TEXT),
        "counts": _object(_FIGURES),
        "rules": _list({"$ref": "#/$defs/rule"}),
        "in_baseline": _FLAG,
        "scan": _or_null(_object(dict.fromkeys(["id", "time", "ended", "profile"], _SEEN))),
    }
)
_IMAGE = _object(
    {
        "kind": {"const": "image"},
        **_COMMON,
        "counts": {"type": "object", "additionalProperties": _COUNT},
        "malware": True,
        "scan": _object({"id": _SEEN, "time": _SEEN}),
    }
)
_WAIVER = _object(
    {
        **dict.fromkeys(["id", "owner", "reason", "ticket", "expires"], _TEXT),
        "type": {"enum": WAIVER_TYPES},
        "days_left": {"type": "integer"},
        "push": _FLAG,
        "matched": _COUNT,
        "waived": _COUNT,
        "flags": _list({"enum": _FLAGS}),
    }
)
_FINDING: Json = {"source": _TEXT, "id": _SEEN, "unique_id": _SEEN}
_SYNC = _object(
    {
        "ignore": _list(_object({**_FINDING, "waiver": _TEXT, "reason": _TEXT, "comment": _TEXT, "until": _TEXT})),
        "activate": _list(_object({**_FINDING, "waiver": _TEXT})),
        "without_waiver": _list(_object({**_FINDING, "reason": _TEXT})),
    }
)
_EXPLANATION = _object(
    {
        "record": {"const": "explanation"},
        "schema": {"const": 1},
        **_FINDING,
        "fingerprint": _SEEN,
        "key": _SEEN,
        "application": _object({"id": _TEXT, "name": _SEEN, "label": _TEXT}),
        "rule_id": _SEEN,
        "title": _SEEN,
        "kind": _TEXT,
        "severity": {"enum": SEVERITIES},
        "severity_known": _FLAG,
        "status": _TEXT,
        "url": _SEEN,
        "parameter": _SEEN,
        "first_seen": _SEEN,
        "state": {"enum": [*_NEWNESS, None]},
        "decision": {"enum": list(DECISIONS)},
        "decided_by": _SEEN,
        "rules": _list(_TEXT),
        "waiver": _SEEN,
        "lapsed_waiver": _SEEN,
        "note": _SEEN,
    }
)

VERDICT: Json = {
    "$schema": DRAFT,
    "title": "Verdict of the gate of appsec.perimeter",
    **_object(
        {
            "record": {"const": "gate"},
            "schema": {"const": 1},
            "run_id": _TEXT,
            "started": _TEXT,
            "finished": _SEEN,
            "verdict": _VERDICT,
            "exit_code": {"enum": list(CODES.values())},
            "report_only": _FLAG,
            "check_mode": _FLAG,
            "policy": _or_null(_object({"name": _SEEN, "sha256": _TEXT})),
            "waivers_file": _or_null(_object({"path": _SEEN, "sha256": _SEEN})),
            "reasons": _list({"$ref": "#/$defs/reason"}),
            "counts": {
                "anyOf": [
                    _object({"findings": _COUNT, "duplicates": _COUNT, **_FIGURES}),
                    {"type": "object", "maxProperties": 0},
                ]
            },
            "applications": _list({"oneOf": [{"$ref": "#/$defs/application"}, {"$ref": "#/$defs/image"}]}),
            "rules": _list({"$ref": "#/$defs/rule"}),
            "exclusions": _list(_object({"name": _TEXT, "reason": _TEXT, "findings": _COUNT})),
            "waivers": _list(_WAIVER),
            "baseline": _or_null(
                _object(
                    {
                        "path": _SEEN,
                        "database": _TEXT,
                        "name": _TEXT,
                        "generation": _COUNT,
                        "exists": _FLAG,
                        "sha256": _SEEN,
                        "written": _SEEN,
                        "updated": _FLAG,
                    },
                    # Only for a baseline in a database.
                    "database",
                    "name",
                    "generation",
                )
            ),
            "next_steps": _list(_TEXT),
            "sync": _SYNC,
            "inputs": _list(
                _object(
                    {
                        "file": _TEXT,
                        "source": _SEEN,
                        "records": _COUNT,
                        "sha256": _SEEN,
                        "finished": _SEEN,
                        "problems": _list(_TEXT),
                    }
                )
            ),
            "explain": {**_list({"$ref": "#/$defs/explanation"}), "maxItems": SHOWN},
            "explain_file": _or_null(_object({"path": _TEXT, "records": _COUNT, "sha256": _TEXT})),
            "error": _or_null(_object({"kind": _TEXT, "message": _TEXT, "hint": _TEXT, "code": _SEEN})),
        }
    ),
    # Each verdict has exactly one exit code.
    "oneOf": [
        {"properties": {"verdict": {"const": word}, "exit_code": {"const": code}}} for word, code in CODES.items()
    ],
    "$defs": {
        "reason": _REASON,
        "rule": _RULE,
        "application": _APPLICATION,
        "image": _IMAGE,
        "explanation": _EXPLANATION,
    },
}

PUBLISHED: dict[str, Json] = {**SCHEMAS, "gate": VERDICT}
"""All published schemas, by file name."""
