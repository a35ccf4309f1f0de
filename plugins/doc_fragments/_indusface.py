# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options of Indusface WAS. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the service, as C(https://host[:port]). The default is C(https://was.indusface.com).
      - If not set, the environment variable E(INDUSFACE_WAS_URL) is used.
    type: str
  access_key:
    description:
      - Access key of the account. The portal shows it together with O(secret_key) under Settings, Scan Log Config, API
        Key Based. An account has one pair of keys at a time, and a new pair ends the old one.
      - If not set, the environment variable E(INDUSFACE_WAS_ACCESS_KEY) is used.
    type: str
  secret_key:
    description:
      - Secret key that belongs to O(access_key).
      - If not set, the environment variable E(INDUSFACE_WAS_SECRET_KEY) is used.
    type: str
  user_agent:
    description:
      - User agent to send instead of the collection's own, in case the service answers 406 to that.
    type: str
  chunk_days:
    description:
      - Number of days that one call requests. Answers have no pages, so request the days of large accounts one by one.
    type: int
    default: 1
notes:
  - Calls are made one after the other, about one per second, whatever O(max_connections) is.
  - The time zone of the vendor's days is not known. They are shown as midnight UTC, with C(time_precision=day).
"""
