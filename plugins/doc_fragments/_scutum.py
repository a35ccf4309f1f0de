# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options of Scutum. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the API, as C(https://host[:port]). The default is C(https://api.scutum.jp).
      - If not set, the environment variable E(SCUTUM_URL) is used.
    type: str
  api_key:
    description:
      - API key of O(scutum_host). The console issues one for each host; several hosts need several keys.
      - If not set, the environment variable E(SCUTUM_API_KEY) is used.
    type: str
  scutum_host:
    description:
      - FQDN that O(api_key) was issued for.
      - If not set, the environment variable E(SCUTUM_HOST) is used.
    type: str
  scutum_id:
    description:
      - Id of the console that O(scutum_host) belongs to, such as V(ABC1234).
      - If not set, the environment variable E(SCUTUM_ID) is used.
    type: str
notes:
  - Scutum allows 25 calls in five minutes for each key. This collection keeps to that limit by itself, and waits up to
    O(max_wait) seconds in total; calls are made one after the other, whatever O(max_connections) is.
"""
