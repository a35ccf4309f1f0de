# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is open about the vendors' services (the last section of each page in docs/vendors), one switch each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: its positions (none means a whole number), default and meaning."""

    positions: tuple[str, ...]
    default: str
    meaning: str


RETEST_OUTCOMES = ("still_there", "fixed", "canceled")
SCAN_OUTCOMES = (
    "finished", "successful", "no_host_alive", "no_web_service", "service_error", "scan_results_invalid",
    "time_limit_reached", "time_limit_exceeded", "scan_not_launched", "scanner_not_available", "error",
    "internal_error", "canceled", "canceled_with_results", "auth_failed", "auth_partial", "no_links",
)  # fmt: skip
_BOOL = ("true", "false")

SWITCHES: dict[str, Switch] = {
    "http_status_mode": Switch(("always_200", "mapped"), "always_200", "HTTP status of semantic errors"),
    "auth_error_status": Switch(("200", "401"), "200", "HTTP status of credential errors on /qps"),
    "missing_id": Switch(
        ("NOT_FOUND", "INVALID_REQUEST", "EMPTY_SUCCESS"), "NOT_FOUND", "get and update of an id that does not exist"
    ),
    "over_cap": Switch(("clamp", "reject"), "clamp", "limitResults of 0 or above the page cap"),
    "zero_result_shape": Switch(("a", "b"), "b", "a: count, hasMoreRecords and empty data; b: count only"),
    "create_answer": Switch(("full", "short", "id"), "full", "reply to a create: all, id and name, the id"),
    "create_takes": Switch(
        ("all", "needed"), "all", "needed: a create stores what a record cannot be without, and passes over the rest"
    ),
    "empty_set_clears": Switch(
        ("true", "false", "reject"), "true", "an empty set: clears, is ignored, or is INVALID_REQUEST"
    ),
    "purge_takes": Switch(
        ("all", "findings", "nothing"), "all", "what a purge that is a SUCCESS takes; findings: not the last scan"
    ),
    "delete_takes": Switch(("all", "nothing"), "all", "nothing: a delete that is a SUCCESS names no id and takes none"),
    "list_update_inserts": Switch(_BOOL, "false", "update of a list item whose key is not there yet adds it"),
    "empty_object_clears": Switch(_BOOL, "true", "an empty object or optional text: clears, or is INVALID_REQUEST"),
    "empty_element": Switch(
        ("handled", "ignored"), "handled", "an empty element of an update: as above, or left out of the update silently"
    ),
    "missing_list_entry": Switch(("ignored", "reject"), "ignored", "remove of a list item that is not there"),
    "duplicate_in_set": Switch(("collapse", "reject"), "collapse", "the same key twice in one list operation"),
    "text_case_sensitive": Switch(
        (*_BOOL, "loose"), "true", "text criteria; loose: accents, widths and inner blanks make no difference either"
    ),
    "not_equals_missing": Switch(("match", "exclude"), "match", "NOT EQUALS on a record without the field"),
    "uncertain_criteria": Switch(("accept", "reject"), "accept", "finding isIgnored, findingType and fixedDate"),
    "start_from_id": Switch(("inclusive", "exclusive"), "inclusive", "the preference startFromId"),
    "old_tenant": Switch(_BOOL, "false", "2018 list names, no riskScore, no detectionScore"),
    "webapp_verbose": Switch(("tags_only", "full"), "tags_only", "what a verbose web application search adds"),
    "partial_config_wipes": Switch(_BOOL, "true", "a config without a field clears that field"),
    "json_url_shape": Switch(("plain", "value", "both"), "both", "accepted JSON write form of Url-like items"),
    "json_item_read_shape": Switch(("value", "plain"), "value", "JSON read form of Domain and WebAppHeader"),
    "header_key": Switch(("text", "name"), "text", "what identifies a WebAppHeader in add and remove"),
    "robots_word": Switch(("BLACKLIST", "EXCLUDE"), "BLACKLIST", "third value of useRobots"),
    "unique_webapp": Switch(("none", "name", "url", "name_url"), "none", "what a second web application may not share"),
    "secret_read_mode": Switch(
        ("clear_unless_secured", "masked", "absent"), "clear_unless_secured", "secrets of authentication records on get"
    ),
    "plain_read_mode": Switch(
        ("shown", "masked", "absent"),
        "shown",
        "values of form fields, user names of logins and of OAuth2 that are no secrets, on get",
    ),
    "user_by_name": Switch(_BOOL, "true", "an owner may be written by the user name alone, without the id"),
    "auth_field_key": Switch(
        ("name", "id"), "name", "what update and remove of a form field or a login go by: its name or type, or its id"
    ),
    "object_update": Switch(
        ("merge", "replace"),
        "merge",
        "members left out of a written formRecord, oauth2Record, scheduling, ...: stay or go",
    ),
    "form_oauth2_swap": Switch(
        ("needs_none", "replaces"), "needs_none", "oauth2Record to a record with a form, or the other way round"
    ),
    "server_domain": Switch(("any", "ntlm_only"), "any", "which server fields may have a domain"),
    "unique_auth_record": Switch(("none", "name"), "none", "what a second authentication record may not share"),
    "delete_attached_auth_record": Switch(
        ("refuse", "detach"), "refuse", "delete of an authentication record that a web application uses"
    ),
    "progress": Switch(
        ("polls", "clock"), "polls", "what moves scans, retests and reports on: each look at them, or time"
    ),
    "scan_polls": Switch((), "1", "looks at a scan (status, get, search) before its next state; 0 ends it at once"),
    "scan_seconds": Switch((), "600", "length of a scan with progress: clock"),
    "cancel_polls": Switch((), "1", "looks at a canceled scan that say CANCELING before CANCELED"),
    "cancel_seconds": Switch((), "60", "the same with progress: clock"),
    "scan_outcome": Switch(SCAN_OUTCOMES, "finished", "what comes of a scan"),
    "scan_processing": Switch(("on", "off"), "on", "a scan is PROCESSING between RUNNING and its end"),
    "auth_word_unused": Switch(("NONE", "NOT_USED"), "NONE", "authStatus of a scan without login"),
    "scan_auth_record": Switch(("any", "attached"), "any", "which authentication records a launch may name"),
    "scan_default_auth_missing": Switch(
        ("reject", "unauthenticated"), "reject", "webAppAuthRecord.isDefault for an application without one"
    ),
    "scan_option_words": Switch(
        ("known", "any"),
        "known",
        "authRecordOption, profileOption, scannerOption: SINGLE, ALL, NONE, DEFAULT or any word",
    ),
    "scan_again_path": Switch(
        ("scan", "wasscan", "any"), "scan", "scanagain/was/scan/<id>, scanAgain/was/wasscan/<id>, or both"
    ),
    "multi_launch_reply": Switch(("all", "first"), "all", "ids in the reply of a launch of several applications"),
    "delete_running_scans": Switch(("refuse", "skip"), "refuse", "delete by filters that match a running scan"),
    "defaults_read": Switch(
        ("shown", "absent"),
        "shown",
        "booleans, scope, useRobots and a schedule's scanner that have their default value",
    ),
    "schedule_search": Switch(("short", "full"), "short", "what a search of schedules shows"),
    "delay_scale": Switch(("day", "any"), "day", "words for the scale of the delay of a notification"),
    "retest_polls": Switch((), "2", "calls of retestStatus that say UNDER_RETEST; 0 ends the retest at once"),
    "retest_seconds": Switch((), "300", "length of a retest with progress: clock"),
    "retest_outcome": Switch(RETEST_OUTCOMES, "still_there", "what comes of a retest"),
    "retest_in_status": Switch(_BOOL, "true", "a finding under retest has the status RETESTING"),
    "retest_again": Switch(("reject", "accept"), "reject", "retest of a finding that is under retest"),
    "report_polls": Switch((), "2", "looks at a report that say RUNNING; 0 completes it at once"),
    "report_seconds": Switch((), "30", "length of a report with progress: clock"),
    "report_outcome": Switch(("complete", "error"), "complete", "what comes of a report"),
    "report_storage": Switch(("free", "full"), "free", "full: create of a report is refused"),
    "report_filename": Switch(("plain", "hostile"), "plain", "file name in Content-Disposition of a report"),
    "unique_tag": Switch(("none", "name"), "none", "what a second tag may not share"),
    "reactivate_both": Switch(("reject", "accept"), "reject", "reactivateIn and reactivateDate in one ignore call"),
    "reactivate_in_max": Switch((), "0", "highest reactivateIn; 0 is unlimited"),
    "severity_comment": Switch(("optional", "required"), "optional", "severityComment of editSeverity"),
    "selenium_reply": Switch(("envelope", "raw"), "envelope", "reply of downloadSeleniumScript"),
    "xml_control_chars": Switch(("strip", "raw"), "strip", "characters that XML 1.0 forbids; raw is not well formed"),
    "qualysdk_readable": Switch(_BOOL, "false", "leave out what qualysdk 0.3.17 cannot parse"),
    "token_life_s": Switch((), "14400", "seconds that a token from /auth or /auth/oidc is good for"),
    "user_token_for_was": Switch(("accept", "reject"), "accept", "tokens from /auth on /qps"),
    "rate_limit_headers": Switch(("on", "off"), "off", "X-RateLimit-* and X-Concurrency-* on /qps replies"),
    "rate_limit": Switch((), "0", "requests per window on /qps before blocking; 0 is unlimited"),
    "rate_limit_window_s": Switch((), "3600", "length of the window"),
    "rate_limit_status": Switch(("409", "429"), "409", "HTTP status of a blocked request"),
    "rate_limit_to_wait": Switch(("always", "second", "never"), "always", "X-RateLimit-ToWait-Sec on blocked replies"),
    "concurrency_limit": Switch((), "0", "requests in flight on /qps before blocking; 0 is unlimited"),
    "kb_rate_limit": Switch((), "0", "requests per window on the knowledge base before 409; 0 is unlimited"),
    "kb_concurrency_limit": Switch((), "0", "requests in flight on the knowledge base before 409; 0 is unlimited"),
    "tag_permission": Switch(("granted", "denied"), "granted", "the right to read tags; denied is UNAUTHORIZED"),
    "kb_permission": Switch(("granted", "denied"), "granted", "the right to use the knowledge base"),
    "kb_bearer": Switch(("accept", "reject"), "accept", "tokens on the knowledge base"),
    "kb_doctype": Switch(("on", "off"), "off", "a document type declaration with a system identifier in its replies"),
    "gzip": Switch(("on", "off"), "off", "compress replies when the client accepts it"),
    "clock": Switch(("virtual", "real"), "virtual", "virtual starts at 2026-11-01T00:00:00Z"),
    "scutum_rate_limit": Switch((), "25", "Scutum: calls per window and key before 429; 0 is unlimited"),
    "scutum_rate_window_s": Switch((), "300", "Scutum: length of the window, by the clock of the log services"),
    "scutum_retry_after": Switch(("on", "off"), "off", "Scutum: Retry-After on 429"),
    "scutum_literal_z": Switch(("accept", "reject"), "accept", "Scutum: a time that ends in Z"),
    "scutum_source_address": Switch(("allowed", "refused"), "allowed", "Scutum: whether the caller may call"),
    "scutum_markers": Switch(
        ("good", "repeat", "missing", "stray"), "good", "Scutum: next_marker; stray has one although nothing follows"
    ),
    "indusface_service_type": Switch(("sample", "table"), "sample", "Indusface: ServicType or ServiceType"),
    "indusface_words": Switch(("sample", "table"), "sample", "Indusface: PASS, NEW, OPEN or Pass, New, Opened"),
    "indusface_ids": Switch(("sample", "swapped"), "sample", "Indusface: ids and scores in their types, or the others"),
    "indusface_shape": Switch(
        ("siblings", "nested", "broken"), "siblings", "Indusface: several scan logs, as the sample nests them or not"
    ),
    "indusface_refusal": Switch(
        ("401", "403", "page", "redirect"), "401", "Indusface: answer to wrong keys; page is HTML with 200"
    ),
    "indusface_range": Switch(("inclusive", "exclusive"), "inclusive", "Indusface: toDate belongs to the range"),
    "indusface_agent": Switch(("any", "picky"), "any", "Indusface: picky answers 406 unless the agent is a browser"),
    "edgecast_bounds": Switch(
        ("after_start", "from_start"), "after_start", "events with start < time <= end, or start <= time < end"
    ),
    "edgecast_order": Switch(("newest_first", "oldest_first", "random"), "newest_first", "order of the events"),
    "edgecast_over_max": Switch(("clamp", "reject"), "clamp", "page_size above 1000"),
    "edgecast_empty_page_of": Switch(("0", "1"), "0", "page_of when no event matches"),
    "edgecast_missing_event": Switch(("400", "404", "empty_object"), "400", "answer for an event that does not exist"),
    "edgecast_error_shape": Switch(("errors", "message"), "errors", "body of an error: errors[].message, or Message"),
    "edgecast_rate_limit": Switch((), "0", "requests per window before 429 with Retry-After; 0 is unlimited"),
    "edgecast_rate_limit_window_s": Switch((), "60", "length of that window"),
    "carbon_black_bounds": Switch(
        ("start", "both", "neither"), "start", "bounds of scan_time that are inclusive: the start only, both, neither"
    ),
    "carbon_black_both_times": Switch(("reject", "accept"), "reject", "range and start and end together"),
    "carbon_black_times": Switch(("strict", "lenient"), "strict", "lenient accepts a day of one digit"),
    "carbon_black_deep_start": Switch(("500", "400", "allow"), "500", "start + rows above 10,000"),
    "carbon_black_num_found_capped": Switch(_BOOL, "false", "num_found never is above 10,000"),
    "carbon_black_unknown_facet": Switch(("omit", "reject"), "omit", "a facet field that is not known"),
    "carbon_black_metadata": Switch(("full", "missing"), "full", "missing: no namespaces and no host names"),
    "carbon_black_error_shape": Switch(
        ("message", "error_message", "reason"), "message", "where an error has its words"
    ),
    "carbon_black_token_life_s": Switch((), "1800", "expires_in of a token of VMware Cloud"),
    "carbon_black_rate_limit": Switch(
        (), "0", "requests per window before 429; calls meanwhile extend it; 0 is unlimited"
    ),
    "carbon_black_rate_limit_window_s": Switch((), "60", "length of that window"),
}


class Switches(Mapping[str, str]):
    """The positions in force; ``switches["name"] = value`` checks the value."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values = {name: switch.default for name, switch in SWITCHES.items()}
        self.generation = 0
        self.update(values or {})

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = _checked(name, value)
        self.generation += 1

    def update(self, values: Mapping[str, Any]) -> None:
        """Set several; nothing is set when one is wrong (ValueError)."""
        checked = {name: _checked(name, value) for name, value in values.items()}
        self._values.update(checked)
        self.generation += 1

    def on(self, name: str) -> bool:
        """Whether a true/false or on/off switch is on."""
        return self._values[name] in ("true", "on")

    def number(self, name: str) -> int:
        """The value of a numeric switch."""
        return int(self._values[name])


def _checked(name: str, value: Any) -> str:
    if name not in SWITCHES:
        raise ValueError(f"unknown switch {name}; known: {', '.join(sorted(SWITCHES))}")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    positions = SWITCHES[name].positions
    if positions and text not in positions:
        raise ValueError(f"switch {name} takes {', '.join(positions)}, not {text}")
    if not positions and not text.isdigit():
        raise ValueError(f"switch {name} takes a whole number, not {text}")
    return text
