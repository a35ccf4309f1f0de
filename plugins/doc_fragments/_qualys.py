# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options of Qualys, and its filters. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  platform:
    description:
      - Code of the Qualys platform that the account belongs to, one of V(qg1), V(qg2), V(qg3), V(qg4), V(eu1),
        V(eu2), V(eu3), V(in1), V(ca1), V(ae1), V(uk1), V(au1), V(ksa1), or V(us1) to V(us4) for V(qg1) to V(qg4).
      - If neither this nor O(api_url) is set, the environment variable E(QUALYS_WAS_PLATFORM) is used.
    type: str
  api_url:
    description:
      - Address of the API server, instead of O(platform), for a private platform, as C(https://host[:port]).
      - If neither this nor O(platform) is set, the environment variable E(QUALYS_WAS_URL) is used.
    type: str
  username:
    description:
      - User name of an account with the permission API Access.
      - If neither this nor O(client_id) is set, the environment variable E(QUALYS_WAS_USERNAME) is used.
    type: str
  password:
    description:
      - Password of O(username).
      - If not set, the environment variable E(QUALYS_WAS_PASSWORD) is used.
    type: str
  client_id:
    description:
      - OAuth2 client, instead of O(username).
      - If neither this nor O(username) is set, the environment variable E(QUALYS_WAS_CLIENT_ID) is used.
    type: str
  client_secret:
    description:
      - Secret of O(client_id).
      - If not set, the environment variable E(QUALYS_WAS_CLIENT_SECRET) is used.
    type: str
  gateway_url:
    description:
      - Address of the gateway that issues tokens for O(client_id). Only required together with O(api_url).
      - If not set, the environment variable E(QUALYS_WAS_GATEWAY_URL) is used.
    type: str
  shared_limit:
    description:
      - Directory through which all jobs of one account share its limits, for subscriptions that allow few concurrent
        requests.
      - O(max_connections) is then the limit for all jobs with this directory together, and a pause that Qualys asks one
        job for applies to all. Give all jobs the same O(max_connections).
      - The directory is on this machine, or on a shared volume with advisory locks. A killed job does not block the
        others. Check mode uses the directory too, because it sends requests.
      - If not set, the environment variable E(PERIMETER_SHARED_LIMIT) is used. Without either, each job has its own
        limit.
    type: path
    version_added: 1.0.0
"""

    # For plugins only: modules read the environment variable through their argument specification.
    PLUGIN = r"""
options:
  shared_limit:
    env:
      - name: PERIMETER_SHARED_LIMIT
"""

    FILTERS = r"""
options:
  filters:
    description:
      - Filters that select records. All entries must match.
      - Field, operator and value are checked before anything is sent.
    type: list
    elements: dict
    suboptions:
      field:
        description:
          - Name of the field, as Qualys writes it, for example V(tags.name), V(webApp.id) or V(lastScan.status).
        type: str
        required: true
      operator:
        description:
          - V(EQUALS), V(NOT EQUALS), V(GREATER), V(LESSER), V(IN), V(CONTAINS), V(NONE) or V(IS EMPTY), as the type
            of the field allows.
          - The default is V(EQUALS), and V(IN) when O(filters[].value) is a list.
        type: str
      value:
        description:
          - Value to compare with; a list for V(IN). Dates are UTC, such as V(2026-01-31) or V(2026-01-31T08:00:00Z).
        type: raw
      name:
        description:
          - Name of the custom attribute, for the field V(attributes) only.
        type: str
  filters_strict:
    description:
      - Whether unknown fields are refused. Set it to V(false) for a field that is new at Qualys.
    type: bool
    default: true
"""
