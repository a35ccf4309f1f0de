# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choices that the vendor sheets leave open, one documented switch each."""

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


_BOOL = ("true", "false")

SWITCHES: dict[str, Switch] = {
    "http_status_mode": Switch(("always_200", "mapped"), "always_200", "HTTP status of semantic errors"),
    "auth_error_status": Switch(("200", "401"), "200", "HTTP status of credential errors on /qps"),
    "missing_id": Switch(
        ("NOT_FOUND", "INVALID_REQUEST", "EMPTY_SUCCESS"), "NOT_FOUND", "get and update of an id that does not exist"
    ),
    "over_cap": Switch(("clamp", "reject"), "clamp", "limitResults of 0 or above the page cap"),
    "zero_result_shape": Switch(("a", "b"), "b", "a: count, hasMoreRecords and empty data; b: count only"),
    "empty_set_clears": Switch(
        ("true", "false", "reject"), "true", "an empty set: clears, is ignored, or is INVALID_REQUEST"
    ),
    "list_update_inserts": Switch(_BOOL, "false", "update of a list item whose key is not there yet adds it"),
    "empty_object_clears": Switch(_BOOL, "true", "an empty object or optional text: clears, or is INVALID_REQUEST"),
    "duplicate_in_set": Switch(("collapse", "reject"), "collapse", "the same key twice in one list operation"),
    "text_case_sensitive": Switch(_BOOL, "true", "text criteria"),
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
    "gzip": Switch(("on", "off"), "off", "compress replies when the client accepts it"),
    "clock": Switch(("virtual", "real"), "virtual", "virtual starts at 2026-11-01T00:00:00Z"),
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
