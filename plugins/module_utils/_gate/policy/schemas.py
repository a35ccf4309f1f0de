# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schemas of policy, waivers and baseline. ``docs/schemas/gate/*.json`` are generated from them.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._records.model import MATCH_CLASSES

Json = dict[str, t.Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
SEVERITIES = ["critical", "high", "medium", "low", "info"]
KINDS = ["vulnerability", "sensitive_content", "information"]
STATES = ["new", "reopened", "escalated", "all"]
SOURCES = ["qualys", "indusface", "edgecast", "scutum", "carbon_black"]
WAIVER_TYPES = ["false_positive", "risk_accepted", "mitigated", "not_applicable"]

_DURATION = {
    "type": "string",
    "pattern": "^[0-9]+(\\.[0-9]+)?[smhdw]$",
    "description": "a number with s, m, h, d or w, such as 7d",
}
_DATE = {
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "description": "a UTC day, written YYYY-MM-DD",
}
_SAID: Json = {"type": "string", "minLength": 1, "pattern": "\\S", "description": "text that is not blank"}
_NAME = {**_SAID, "maxLength": 200}
_NAMES = {"type": "array", "items": _NAME, "minItems": 1}
_EXACT_NAMES: Json = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "string",
        "maxLength": 200,
        "pattern": "^[^*]+$",
        "description": "the id or the name of one application, without *",
    },
}
_SOURCES: Json = {
    "type": "array",
    "items": {"enum": SOURCES},
    "minItems": 1,
}
_NUMBERS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": "^[A-Za-z]*-?[0-9]+(-[0-9]+)?$",
        "description": "a number or a range such as 79-89",
    },
}
_RULE_IDS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": ["integer", "string"], "minimum": 0, "minLength": 1, "maxLength": 200},
}


def _object(properties: Json, **more: t.Any) -> Json:
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def _choice(items: Json) -> Json:
    return _object({"include": items, "exclude": items}, minProperties=1)


def _words(words: list[str]) -> Json:
    return {"type": "array", "items": {"enum": words}, "minItems": 1, "uniqueItems": True}


_SELECTORS: Json = {
    "kinds": _words(KINDS),
    "rule_ids": _choice(_RULE_IDS),
    "cwe": _choice(_NUMBERS),
    "owasp": _choice(_NUMBERS),
    "tags": _choice(_NAMES),
    "urls": _choice(_NAMES),
    "applications": _choice(_NAMES),
    "sources": _SOURCES,
}
_LIMIT = {"type": ["integer", "null"], "minimum": 0}
_BY_SEVERITY_LIMIT = _object(dict.fromkeys(SEVERITIES, _LIMIT), minProperties=1)
_BY_SEVERITY_AGE = _object(
    {
        severity: {"type": ["string", "null"], **{k: v for k, v in _DURATION.items() if k != "type"}}
        for severity in SEVERITIES
    },
    minProperties=1,
)
_LIMITS = _object(
    {
        state: _object({kind: {"$ref": "#/$defs/limit_by_severity"} for kind in KINDS}, minProperties=1)
        for state in STATES
    }
)
_RULE = _object(
    {
        "name": {
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
            "description": "letters, digits and . _ -",
        },
        "description": {"type": "string", "maxLength": 1000},
        "states": _words(STATES),
        "severities": _words(SEVERITIES),
        **_SELECTORS,
        "confirmed_only": {"type": "boolean"},
        "cvss_min": {"type": "number", "minimum": 0, "maximum": 10},
        "detection_score_min": {"type": "number", "minimum": 0, "maximum": 100},
        "without_score": {"enum": ["match", "skip"]},
        "older_than": _DURATION,
        "attacks": _words(list(MATCH_CLASSES)),
        "waivable": {"type": "boolean"},
        "limit": {"type": "integer", "minimum": 0},
        "count_per": {"enum": ["application", "run"]},
        "action": {"enum": ["fail", "warn"]},
    },
    required=["name"],
)
_EXCLUDE = _object(
    {"reason": {**_SAID, "maxLength": 1000}, **_SELECTORS},
    required=["reason"],
    minProperties=2,
)
_FILTER = _object(
    {
        "field": _NAME,
        "operator": _NAME,
        "value": {"type": ["string", "number", "boolean", "array", "null"]},
        "name": _NAME,
    },
    required=["field"],
)
_QUALITY: Json = {
    "authentication": {"enum": ["as_before", "required", "any"]},
    "profile": _NAME,
    "min_links": {"type": "integer", "minimum": 0},
    "min_links_ratio": {"type": "number", "minimum": 0, "maximum": 1},
    "max_scan_age": _DURATION,
}
_SCOPE = _object(
    {
        "sources": _SOURCES,
        "applications": _NAMES,
        "filters": {"type": "array", "items": _FILTER},
        "scans": {"enum": ["required", "optional"]},
        **_QUALITY,
    }
)
_OVERRIDE = _object(
    {
        "match": _NAMES,
        "limits": {"$ref": "#/$defs/limits"},
        "sla": {"$ref": "#/$defs/age_by_severity"},
        "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}, "minItems": 1},
        "disable": _NAMES,
        "scope": _object(_QUALITY, minProperties=1),
    },
    required=["match"],
    minProperties=2,
)
_IMAGE_RULES: Json = {
    "malware": {"enum": ["fail", "warn", "ignore"]},
    "limits": {"$ref": "#/$defs/limit_by_severity"},
}
_IMAGES = _object(
    {
        **_IMAGE_RULES,
        "required": _NAMES,
        "max_scan_age": _DURATION,
        "overrides": {
            "type": "array",
            "minItems": 1,
            "items": _object({"match": _NAMES, **_IMAGE_RULES}, required=["match"], minProperties=2),
        },
    }
)
_WAIVER_RULES = _object(
    {
        "max_days": _object(
            {severity: {"type": "integer", "minimum": 1, "maximum": 3660} for severity in SEVERITIES}, minProperties=1
        ),
        "expiring_within": _DURATION,
        "max_findings": {"type": "integer", "minimum": 1},
        "strict": {"type": "boolean"},
    }
)

POLICY: Json = {
    "$schema": DRAFT,
    "title": "Policy of the gate of appsec.perimeter",
    **_object(
        {
            "schema": {"const": 1},
            "name": _NAME,
            "description": {"type": "string", "maxLength": 2000},
            "scope": _SCOPE,
            "missing_baseline": {"enum": ["all_new", "adopt", "inconclusive"]},
            "ignored_at_source": {"enum": ["require_waiver", "honour", "count"]},
            "edited_severity": {"enum": ["worst", "require_waiver", "honour"]},
            "protected": {"enum": ["exclude", "count", "require_match"]},
            "blocked_by_waf": {"enum": ["count", "exclude"]},
            "limits": {"$ref": "#/$defs/limits"},
            "sla": {"$ref": "#/$defs/age_by_severity"},
            "rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}, "minItems": 1},
            "exclude": {"type": "array", "items": _EXCLUDE, "minItems": 1},
            "may_exclude_all": _EXACT_NAMES,
            "applications": {"type": "array", "items": _OVERRIDE, "minItems": 1},
            "images": _IMAGES,
            "waivers": _WAIVER_RULES,
        },
        required=["schema"],
    ),
    "$defs": {
        "limit_by_severity": _BY_SEVERITY_LIMIT,
        "age_by_severity": _BY_SEVERITY_AGE,
        "limits": _LIMITS,
        "rule": _RULE,
    },
}

_MATCH = _object(
    {
        "unique_ids": _NAMES,
        "fingerprints": _NAMES,
        "ids": _NAMES,
        "rule_ids": _RULE_IDS,
        "cwe": _NUMBERS,
        "applications": _NAMES,
        "urls": _NAMES,
        "parameters": _NAMES,
        "tags": _NAMES,
        "sources": _SOURCES,
        "kinds": _words(KINDS),
        "severities": _words(SEVERITIES),
    },
    minProperties=1,
)

WAIVERS: Json = {
    "$schema": DRAFT,
    "title": "Waivers of the gate of appsec.perimeter",
    **_object(
        {
            "schema": {"const": 1},
            "waivers": {
                "type": "array",
                "items": _object(
                    {
                        "id": {
                            "type": "string",
                            "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$",
                            "description": "letters, digits and . _ -",
                        },
                        "match": _MATCH,
                        "type": {"enum": WAIVER_TYPES},
                        "owner": _NAME,
                        "reason": {**_SAID, "maxLength": 2000},
                        "ticket": _NAME,
                        "created": _DATE,
                        "expires": _DATE,
                        "push": {"type": "boolean"},
                    },
                    required=["id", "match", "type", "owner", "reason", "ticket", "created", "expires"],
                ),
            },
        },
        required=["schema", "waivers"],
    ),
}

_SEEN = {"type": ["string", "null"]}
_PLACES = {
    "type": "object",
    "additionalProperties": {"type": "array", "minItems": 1, "items": {"enum": SEVERITIES}},
}
BASELINE: Json = {
    "$schema": DRAFT,
    "title": "Baseline of the gate of appsec.perimeter",
    **_object(
        {
            "record": {"const": "baseline"},
            "schema": {"const": 1},
            "written": {"type": "string"},
            "run_id": _SEEN,
            "policy": _object({"name": _SEEN, "sha256": {"type": "string"}}, required=["name", "sha256"]),
            "applications": {
                "type": "array",
                "items": _object(
                    {
                        "source": {"type": "string"},
                        "id": _SEEN,
                        "name": _SEEN,
                        "time": {"type": "string"},
                        "run_id": _SEEN,
                        "scan": {
                            "type": ["object", "null"],
                            "additionalProperties": False,
                            "properties": {
                                "id": _SEEN,
                                "profile": _SEEN,
                                "auth_status": _SEEN,
                                "links_crawled": {"type": ["integer", "null"], "minimum": 0},
                            },
                        },
                        "findings": _PLACES,
                        "reopened": {"type": "array", "items": {"type": "string"}},
                        "waived": _PLACES,
                    },
                    required=["source", "id", "name", "time", "run_id", "scan", "findings", "reopened"],
                ),
            },
        },
        required=["record", "schema", "written", "run_id", "policy", "applications"],
    ),
}

SCHEMAS: dict[str, Json] = {"policy": POLICY, "waivers": WAIVERS, "baseline": BASELINE}
"""The published schemas of documents that people or runs write, by file name."""
