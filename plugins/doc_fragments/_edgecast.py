# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options of Edgecast, and other options that its modules share. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the service, as C(https://host[:port]). The default is C(https://api.transactcdn.com); accounts of
        the main network use C(https://api.edgecast.com). Edgio, which ran the service, announced its end for January
        2025, so give the address of the successor or of the compatible service that you use.
      - If not set, the environment variable E(EDGECAST_URL) is used.
    type: str
  account_number:
    description:
      - Number of the customer account, such as V(0001) or V(B2820). Write it in quotes, as its leading zeros count.
      - If not set, the environment variable E(EDGECAST_ACCOUNT_NUMBER) is used.
    type: str
  token:
    description:
      - REST API token, primary or backup, of a user who has the permission for GET in its API access.
      - If not set, the environment variable E(EDGECAST_TOKEN) is used.
    type: str
"""

    FILTERS = r"""
options:
  event_filters:
    description:
      - The events to return, as an object in the service's format - names of fields as listed by O(ignore:fields=true),
        each with one value or a list of values.
      - All fields must match; of a list, one value must match.
      - Anything else is refused before a request is sent. The service answers wrong names with HTTP 500, which this
        module reports as a mistake in the filters.
    type: dict
  sensitive:
    description:
      - V(redact) removes the values that rules matched, which may be passwords or card numbers, and the passwords and
        tokens in URLs; V(keep) keeps them.
    type: str
    choices: [redact, keep]
    default: redact
"""
