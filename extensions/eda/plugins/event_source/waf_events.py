# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source ``appsec.perimeter.waf_events``."""

from __future__ import annotations

import importlib
import pathlib
import sys
import types
import typing as t

DOCUMENTATION = r"""
---
short_description: Events of Edgecast WAF or Scutum as they arrive
description:
  - Polls the event log of a WAF, and passes each event to the rules once.
  - Edgecast and Scutum are read with the same client, limits, lag and overlap as in
    M(appsec.perimeter.edgecast_waf_event_export) and M(appsec.perimeter.scutum_alert_export). An event is passed on
    when it is as old as O(lag).
  - C(meta.uuid) of an event is derived from the stream and the event's id, so it is the same whenever the event comes
    again.
  - An event has the fields of the record, such as C(event.action), C(event.host) and C(event.client_ip). A span that
    the service no longer keeps is an event with C(event.record) V(gap).
  - Text of attackers is data. Template markers in it are broken by a space, because playbooks get events as
    variables.
version_added: 1.0.0
author: appsec.perimeter contributors (@appsec-perimeter)
requirements:
  - requests
  - jmespath, for O(where)
options:
  vendor:
    description:
      - The vendor of the WAF.
    type: str
    choices: [edgecast, scutum]
    required: true
  api_url:
    description:
      - Address of the service. If not set, E(EDGECAST_URL) or E(SCUTUM_URL) is used.
    type: str
  account_number:
    description:
      - For Edgecast, number of the customer account, in quotes. If not set, E(EDGECAST_ACCOUNT_NUMBER) is used.
    type: str
  token:
    description:
      - For Edgecast, the REST API token. If not set, E(EDGECAST_TOKEN) is used, which is the better place.
    type: str
  event_filters:
    description:
      - For Edgecast, the events to read, as an object in the service's format.
    type: dict
  api_key:
    description:
      - For Scutum, the API key. If not set, E(SCUTUM_API_KEY) is used, which is the better place.
    type: str
  scutum_host:
    description:
      - For Scutum, the FQDN that the key was issued for. If not set, E(SCUTUM_HOST) is used.
    type: str
  scutum_id:
    description:
      - For Scutum, the id of the console. If not set, E(SCUTUM_ID) is used.
    type: str
  ip:
    description:
      - For Scutum, only events of this client address.
    type: str
  details:
    description:
      - For Scutum, the new events for which details are read too. Each costs one of 25 calls in five minutes.
    type: str
    choices: [none, blocked_only, first_n, all]
    default: none
  details_limit:
    description:
      - For Scutum, the maximum number of details that one poll reads.
    type: int
  lag:
    description:
      - How old an event must be, because earlier ones may still arrive. The default is V(2m) for Edgecast, V(1m) for
        Scutum.
    type: str
  overlap:
    description:
      - How far before the position each poll begins, for late events. The default is V(5m).
    type: str
  initial:
    description:
      - Where a stream without a stored position begins. V(now) passes events from now on, V(since) those after
        O(since), V(all) everything that the service keeps.
      - With a stored position this is ignored, and the source continues there.
    type: str
    choices: [now, since, all]
    default: now
  since:
    description:
      - A UTC time, or a duration such as V(7d), for O(initial=since).
    type: str
  interval:
    description:
      - Pause between two polls, as a number of seconds or a duration such as V(5m).
    type: str
    default: 60s
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
      - A JMESPath expression that is applied to each event. Events that do not match are ignored completely.
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
- name: Attacks
  appsec.perimeter.waf_events:
    vendor: edgecast
    account_number: "0001"
    interval: 30s
    feedback: true
    state_dir: /var/lib/perimeter

- name: Blocked on Scutum, from an hour ago on
  appsec.perimeter.waf_events:
    vendor: scutum
    initial: since
    since: 1h
    where: action == 'blocked'
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
    edgecast, scutum = room("_edgecast.export"), room("_scutum.alert_export")
    eda = room("_eda.waf_events")
    vendors = {
        "edgecast": eda.Vendor(room("_edgecast.client").connect, edgecast.EdgecastEvents),
        "scutum": eda.Vendor(room("_scutum.client").connect, lambda given, client: scutum.AlertSource(client, given)),
    }
    await eda.main(queue, args, vendors)
