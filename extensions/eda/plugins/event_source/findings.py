# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source ``appsec.perimeter.findings``."""

from __future__ import annotations

import importlib
import pathlib
import sys
import types
import typing as t

DOCUMENTATION = r"""
---
short_description: Changes in the findings of Qualys WAS
description:
  - Reads all findings at intervals, compares them with what the rules know, and passes each change to the rules
    once.
  - The findings are read as by M(appsec.perimeter.qualys_was_finding_export). An incomplete snapshot is not
    compared.
  - An event has C(event.change), C(event.finding) with the fields of the record (V(null) when it is gone), and
    C(event.before) with C(state) and C(severity) (V(null) when it is new).
  - C(meta.uuid) of an event is derived from the stream, the finding, the change, and how often the finding changed, so
    it is the same whenever the event is repeated.
  - Texts of findings are data. Template markers in them are broken by a space, because playbooks get events as
    variables.
version_added: 1.0.0
author: appsec.perimeter contributors (@appsec-perimeter)
requirements:
  - requests
  - jmespath, for O(where)
options:
  changes:
    description:
      - The changes to pass on. Others are recorded without an event.
    type: list
    elements: str
    choices: [new, reopened, escalated, fixed, gone, protected, ignored, reactivated, lowered]
    default: [new, reopened, escalated]
  severities:
    description:
      - Only changes of findings with one of these severities. The default is every severity.
    type: list
    elements: str
    choices: [critical, high, medium, low, info, unknown]
  filters:
    description:
      - The findings to read, as in M(appsec.perimeter.qualys_was_finding_export).
    type: list
    elements: dict
  filters_strict:
    description:
      - Whether an unknown field is refused.
    type: bool
    default: true
  detail:
    description:
      - How much is read of each finding.
    type: str
    choices: [summary, verbose, full]
    default: verbose
  platform:
    description:
      - Code of the Qualys platform. If neither this nor O(api_url) is set, E(QUALYS_WAS_PLATFORM) is used.
    type: str
  api_url:
    description:
      - Address of the API server, instead of O(platform). If neither is set, E(QUALYS_WAS_URL) is used.
    type: str
  username:
    description:
      - User name. If neither this nor O(client_id) is set, E(QUALYS_WAS_USERNAME) is used.
    type: str
  password:
    description:
      - Password of O(username). If not set, E(QUALYS_WAS_PASSWORD) is used, which is the better place.
    type: str
  client_id:
    description:
      - OAuth2 client, instead of O(username). If neither is set, E(QUALYS_WAS_CLIENT_ID) is used.
    type: str
  client_secret:
    description:
      - Secret of O(client_id). If not set, E(QUALYS_WAS_CLIENT_SECRET) is used, which is the better place.
    type: str
  gateway_url:
    description:
      - Address of the gateway for O(client_id). If not set, E(QUALYS_WAS_GATEWAY_URL) is used.
    type: str
  shared_limit:
    description:
      - Directory in which all jobs of the account share O(max_connections), and the pauses that Qualys asks for. If not
        set, E(PERIMETER_SHARED_LIMIT) is used.
    type: path
  initial:
    description:
      - Where a stream without a stored position begins. V(now) passes changes from now on, V(since) those after
        O(since), V(all) every open finding as a new one.
      - With a stored position this is ignored, and the source continues there.
    type: str
    choices: [now, since, all]
    default: now
  since:
    description:
      - A UTC time, or a duration such as V(7d), for O(initial=since). Findings that were first seen after it are new.
    type: str
  interval:
    description:
      - Pause between two polls, as a number of seconds or a duration such as V(5m).
    type: str
    default: 15m
  max_backoff:
    description:
      - Longest pause while the service does not answer. The first pause is twice O(interval), and each is twice as
        long as the previous one. Refused credentials are retried only after the longest pause, so that no account is
        locked.
    type: str
    default: 15m
  feedback:
    description:
      - Whether the engine confirms each event that it received. This needs ansible-rulebook 1.3, C(--persistence-id), a
        database of the engine, and a different name for each source of a rulebook.
      - With V(true), the position moves over confirmed events. Without it, at least half of O(queue_size) events
        always stay behind the position, and are given again after a restart, with the same C(meta.uuid).
    type: bool
    default: false
  feedback_timeout:
    description:
      - After this time without any confirmation, the oldest unconfirmed event is given again.
    type: str
    default: 60s
  queue_size:
    description:
      - Maximum number of events in flight, which is also the maximum that is repeated after a kill.
      - Without O(feedback), half of it must be more than the engine holds in memory, see the guide. V(100) is enough
        for ansible-rulebook itself.
    type: int
    default: 100
  consumer:
    description:
      - Name of the reader. Two rulebooks that read the same stream need different names; each has its own position. It
        consists of letters, digits, hyphens and underscores.
    type: str
    default: default
  where:
    description:
      - A JMESPath expression that is applied to each finding. Findings that do not match are ignored completely.
    type: str
  sensitive:
    description:
      - V(redact) removes passwords, tokens and matched values, V(keep) keeps them. The engine stores events in its
        database, and passes them to playbooks.
    type: str
    choices: [redact, keep]
    default: redact
  include_raw:
    description:
      - Whether to add the service's original object.
    type: bool
    default: false
  timeout:
    description:
      - Seconds without any response after which a request is abandoned.
    type: float
    default: 60
  retries:
    description:
      - How often a request is repeated after a temporary fault, before the poll counts as failed.
    type: int
    default: 5
  max_wait:
    description:
      - Total seconds that one poll may spend waiting.
    type: float
    default: 900
  max_connections:
    description:
      - Maximum number of concurrent requests. The default is V(4).
    type: int
  validate_certs:
    description:
      - Whether the certificate of the service must be trusted.
    type: bool
    default: true
  ca_path:
    description:
      - File or directory with CA certificates. If not set, the environment variable E(PERIMETER_CA_PATH) is used.
    type: path
  client_cert:
    description:
      - PEM file with the certificate that identifies this client.
    type: path
  client_key:
    description:
      - PEM file with the key of O(client_cert).
    type: path
  proxy:
    description:
      - URL of the proxy. If not set, the environment variable E(PERIMETER_PROXY) is used.
    type: str
  state_dir:
    description:
      - Folder for the position. In an execution environment it must be a mounted volume, otherwise it is lost.
        If not set, the environment variable E(PERIMETER_STATE_DIR) is used, and else the user's XDG state folder.
    type: path
  allow_http:
    description:
      - Whether plain http may be used for hosts other than this one.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Findings
  appsec.perimeter.findings:
    platform: eu1
    changes: [new, reopened, escalated]
    severities: [critical, high]
    interval: 30m
    feedback: true
    state_dir: /var/lib/perimeter
"""

COLLECTION = "ansible_collections.appsec.perimeter"


def room(name: str) -> types.ModuleType:
    """Import a module of this collection by the path of this file, because no import path leads to it."""
    root = pathlib.Path(__file__).absolute().parents[4]
    for package, place in (("ansible_collections", root.parents[1]), ("ansible_collections.appsec", root.parent)):
        try:
            importlib.import_module(package)
        except ImportError:
            sys.modules[package] = _package(package, place)
    sys.modules.setdefault(COLLECTION, _package(COLLECTION, root))
    return importlib.import_module(f"{COLLECTION}.plugins.module_utils.{name}")


def _package(name: str, place: pathlib.Path) -> types.ModuleType:
    package = types.ModuleType(name)
    package.__path__ = [str(place)]
    return package


async def main(queue: t.Any, args: dict[str, t.Any]) -> None:
    """Entry point of ansible-rulebook."""
    eda = room("_eda.findings")
    source, connect = room("_qualys.findings.normalise").SOURCE, room("_qualys.api.client").connect
    await eda.main(queue, args, eda.ScannerRoom(source, connect, room("_qualys.findings.finding_export").run))
