# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specifications that modules share.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ansible.module_utils.errors import AnsibleFallbackNotFound

Options = dict[str, dict[str, t.Any]]
Constraint = list[t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """Options together with the constraints between them, so that both are merged."""

    options: Options = dataclasses.field(default_factory=dict)
    mutually_exclusive: Constraint = dataclasses.field(default_factory=list)
    required_together: Constraint = dataclasses.field(default_factory=list)
    required_one_of: Constraint = dataclasses.field(default_factory=list)
    required_if: Constraint = dataclasses.field(default_factory=list)

    def merge(self, other: Spec) -> Spec:
        """Return both merged; an option of ``other`` replaces one of the same name."""
        return Spec(
            options=self.options | other.options,
            mutually_exclusive=self.mutually_exclusive + other.mutually_exclusive,
            required_together=self.required_together + other.required_together,
            required_one_of=self.required_one_of + other.required_one_of,
            required_if=self.required_if + other.required_if,
        )

    def arguments(self) -> dict[str, t.Any]:
        """Return the arguments of AnsibleModule."""
        return {
            "argument_spec": self.options,
            "mutually_exclusive": self.mutually_exclusive,
            "required_together": self.required_together,
            "required_one_of": self.required_one_of,
            "required_if": self.required_if,
        }


def from_environment(*names: str) -> str:
    """The first of these environment variables that is set. Unlike Ansible's own fallback, an empty one is unset.

    Raises:
        AnsibleFallbackNotFound: none is set, so the option's default applies.
    """
    for name in names:
        if value := os.environ.get(name):
            return value
    raise AnsibleFallbackNotFound


CONNECTION = Spec(
    options={
        "timeout": {"type": "float", "default": 60},
        "retries": {"type": "int", "default": 5},
        "max_wait": {"type": "float", "default": 900},
        "max_connections": {"type": "int"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path", "fallback": (from_environment, ["PERIMETER_CA_PATH"])},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        # A proxy's URL may contain a password.
        "proxy": {"type": "str", "no_log": True, "fallback": (from_environment, ["PERIMETER_PROXY"])},
        "state_dir": {"type": "path", "fallback": (from_environment, ["PERIMETER_STATE_DIR"])},
        "allow_http": {"type": "bool", "default": False},
    },
)
"""The connection options that every vendor has."""

QUALYS = CONNECTION.merge(
    Spec(
        # No fallbacks here: the environment is read later, see _qualys.api.connection.
        options={
            "platform": {"type": "str"},
            "api_url": {"type": "str"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "client_id": {"type": "str"},
            "client_secret": {"type": "str", "no_log": True},
            "gateway_url": {"type": "str"},
            "shared_limit": {"type": "path", "fallback": (from_environment, ["PERIMETER_SHARED_LIMIT"])},
        },
        mutually_exclusive=[("platform", "api_url"), ("username", "client_id"), ("password", "client_secret")],
    )
)


def filter_option(name: str = "filters") -> Options:
    """Return the option for a list of Qualys criteria."""
    return {
        name: {
            "type": "list",
            "elements": "dict",
            "options": {
                "field": {"type": "str", "required": True},
                "operator": {"type": "str"},
                "value": {"type": "raw"},
                "name": {"type": "str"},
            },
        },
        "filters_strict": {"type": "bool", "default": True},
    }


INDUSFACE = CONNECTION.merge(
    Spec(
        options={
            "api_url": {"type": "str"},
            "access_key": {"type": "str", "no_log": True},
            "secret_key": {"type": "str", "no_log": True},
            "user_agent": {"type": "str"},
        }
    )
)

EDGECAST = CONNECTION.merge(
    Spec(
        options={
            "api_url": {"type": "str"},
            "account_number": {"type": "str"},
            "token": {"type": "str", "no_log": True},
        }
    )
)

SCUTUM = CONNECTION.merge(
    Spec(
        options={
            "api_url": {"type": "str"},
            "api_key": {"type": "str", "no_log": True},
            "scutum_host": {"type": "str"},
            "scutum_id": {"type": "str"},
        }
    )
)

CARBON_BLACK = CONNECTION.merge(
    Spec(
        options={
            "api_url": {"type": "str"},
            "org_key": {"type": "str", "no_log": False},
            "api_id": {"type": "str"},
            "api_secret_key": {"type": "str", "no_log": True},
            "csp_url": {"type": "str"},
            "csp_client_id": {"type": "str"},
            "csp_client_secret": {"type": "str", "no_log": True},
            "csp_api_token": {"type": "str", "no_log": True},
        },
        mutually_exclusive=[
            ("api_id", "csp_client_id", "csp_api_token"),
            ("api_secret_key", "csp_client_secret", "csp_api_token"),
        ],
    )
)

SEGMENTS = Spec(
    options={
        "compress": {"type": "bool", "default": False},
        "retain_days": {"type": "int"},
        "segment_mode": {"type": "str", "default": "0600"},
        "segment_group": {"type": "str"},
    }
)
"""The options of everything that writes the segments of a stream."""

EXPORT = SEGMENTS.merge(
    Spec(
        options={
            "dest": {"type": "path", "required": True},
            "first_run": {"type": "str", "choices": ["fail", "lookback", "now"], "default": "fail"},
            "lookback": {"type": "str", "default": "7d"},
            "lag": {"type": "str"},
            "overlap": {"type": "str"},
            "sweep": {"type": "str"},
            "backfill": {
                "type": "dict",
                "options": {"from": {"type": "str", "required": True}, "to": {"type": "str", "required": True}},
            },
            "on_failed_window": {"type": "str", "choices": ["stop", "gap"], "default": "stop"},
            "sensitive": {"type": "str", "choices": ["redact", "keep"], "default": "redact"},
            "include_raw": {"type": "bool", "default": False},
        }
    )
)
"""The options that all log exports share: the stream's directory, and those of the collector."""


DELIVER = CONNECTION.merge(
    Spec(
        options={
            "spool": {"type": "path", "required": True},
            "where": {"type": "str"},
            "sink": {
                "type": "str",
                "choices": ["splunk_hec", "elasticsearch", "syslog", "webhook", "sql"],
                "required": True,
            },
            # No fallbacks here: the environment is read later, and each sink has its own, see _deliver.credentials.
            "sink_options": {
                "type": "dict",
                "default": {},
                "options": {
                    "url": {"type": "str", "no_log": True},
                    "token": {"type": "str", "no_log": True},
                    "username": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                    "api_key": {"type": "str", "no_log": True},
                    "index": {"type": "str"},
                    "failure_store": {
                        "type": "str",
                        "choices": ["quarantine", "fail"],
                        "default": "quarantine",
                    },
                    "sourcetype": {"type": "str"},
                    "acknowledge": {"type": "bool", "default": False},
                    "host": {"type": "str"},
                    "port": {"type": "int"},
                    "tls": {"type": "bool", "default": True},
                    "facility": {"type": "str", "default": "local0"},
                    "app_name": {"type": "str", "default": "appsec.perimeter"},
                    "enterprise_id": {"type": "int", "default": 32473},
                    "max_message": {"type": "int", "default": 65536},
                    "format": {"type": "str", "choices": ["json", "ndjson", "cef"]},
                    "signature_secret": {"type": "str", "no_log": True},
                    "database_url": {"type": "str", "no_log": True},
                    "table": {"type": "str", "default": "perimeter_records"},
                    "schema": {"type": "str"},
                    "batch_records": {"type": "int"},
                },
            },
        }
    )
)
"""The options of ``deliver``.

A database URL may contain a password, and the URL of a webhook is the credential itself. Until the module has found
which part of a URL is secret, the whole URL counts as secret.
"""

HISTORY = CONNECTION.merge(
    Spec(
        options={
            # No fallback here: the environment is read later, see _history.store.
            "database_url": {"type": "str", "no_log": True},
            "findings": {"type": "list", "elements": "path", "default": []},
            "scans": {"type": "list", "elements": "raw", "default": []},
            "webapps": {"type": "list", "elements": "raw", "default": []},
            "auth_records": {"type": "list", "elements": "raw", "default": []},
            "run_id": {"type": "str"},
            "policy": {"type": "raw"},
            "horizon": {"type": "str"},
            "dest": {"type": "path"},
        }
    )
)
"""The options of ``history``. Until the module has determined which part of the URL is secret, the whole URL is."""
