#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List authentication records in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_auth_record_info
short_description: List authentication records in Qualys WAS
version_added: 1.0.0
description:
  - Lists and counts authentication records in Qualys Web Application Scanning.
  - Secrets are never returned, even if Qualys returns them in clear text. V(VALUE_REDACTED) stands for a secret; given
    as an option of M(appsec.perimeter.qualys_was_auth_record), it leaves the secret as it is.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._qualys.filters
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
requirements:
  - jmespath, for O(query)
options:
  id:
    description:
      - Id of one record, which is returned in full detail. If the id does not exist, the list is empty.
    type: int
  detail:
    description:
      - V(summary) has id, name, owner and dates; V(full) adds everything else, and takes one more request for each
        record.
    type: str
    choices: [summary, full]
    default: summary
  count_only:
    description:
      - Whether to return only the number of records that match, which takes one request.
    type: bool
    default: false
  limit:
    description:
      - Maximum number of records to return. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(auth_records).
    type: str
seealso:
  - module: appsec.perimeter.qualys_was_auth_record
  - module: appsec.perimeter.qualys_was_auth_records
"""

EXAMPLES = r"""
- name: Logins that failed in the last scan
  appsec.perimeter.qualys_was_auth_record_info:
    filters:
      - field: lastScan.authStatus
        value: FAILED
    query: "[].name"
  register: failed

- name: Count the records with OAuth2
  appsec.perimeter.qualys_was_auth_record_info:
    filters:
      - field: contents
        value: [OAUTH2_AUTH_CODE, OAUTH2_IMPLICIT, OAUTH2_PASSWORD, OAUTH2_CLIENT_CREDS]
    count_only: true
  register: oauth2

- name: Read one record, without its secrets, in the form of the options of qualys_was_auth_record
  appsec.perimeter.qualys_was_auth_record_info:
    id: 31001
  register: login
"""

RETURN = r"""
auth_records:
  description:
    - The records, ascending by id, or what O(query) makes of them.
    - Everything that is an option of M(appsec.perimeter.qualys_was_auth_record) has the form of the option.
  type: list
  elements: dict
  returned: success
  sample:
    - id: 31001
      name: shop login
      form:
        type: STANDARD
        ssl_only: true
        auth_vault: false
        selenium_creds: false
        selenium_script: null
        fields:
          - {name: username, value: scanner, secured: false}
          - {name: password, value: VALUE_REDACTED, secured: true}
      server: null
      oauth2: null
      tags: [prod]
      comments: [managed by Ansible]
      owner: jdoe
      created: "2026-01-05T09:00:00Z"
      updated: "2026-10-01T12:00:00Z"
      created_by: jdoe
      updated_by: jdoe
total:
  description: Number of records that match.
  type: int
  returned: success
  sample: 13
truncated:
  description: Whether there are more than were returned.
  type: bool
  returned: success
  sample: false
stats:
  description: Statistics of the task. Times are in seconds.
  type: dict
  returned: always
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4}
error:
  description: The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
  type: dict
  returned: failure
  sample:
    kind: authentication
    message: "Qualys answered search/was/webappauthrecord with INVALID_CREDENTIALS: Authentication failed."
    hint: Check username and password (or client_id and client_secret), and the platform.
    code: INVALID_CREDENTIALS
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec, filter_option
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.auth_record import run_info


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "id": {"type": "int"},
            **filter_option(),
            "detail": {"type": "str", "choices": ["summary", "full"], "default": "summary"},
            "count_only": {"type": "bool", "default": False},
            "limit": {"type": "int"},
            "query": {"type": "str"},
        },
        mutually_exclusive=[("id", "filters"), ("id", "limit"), ("count_only", "query"), ("count_only", "limit")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run_info)


if __name__ == "__main__":
    main()
