#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List tags of Qualys."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_tag_info
short_description: List tags of Qualys
version_added: 1.0.0
description:
  - Lists tags of Qualys, which group web applications and control access to them.
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
      - Id of one tag. If the id does not exist, the list is empty.
    type: int
  name:
    description:
      - Returns only tags with exactly this name.
    type: str
  limit:
    description:
      - Maximum number of tags to return. The default is all.
      - RV(truncated) says whether there are more.
    type: int
  query:
    description:
      - JMESPath expression that is applied to the list, inside the module, so that large results never cross into the
        play.
      - The result is returned in RV(tags).
    type: str
seealso:
  - module: appsec.perimeter.qualys_was_webapp
"""

EXAMPLES = r"""
- name: The id of a tag
  appsec.perimeter.qualys_was_tag_info:
    name: prod
  register: prod

- name: Names of all static tags
  appsec.perimeter.qualys_was_tag_info:
    filters:
      - field: ruleType
        value: STATIC
    query: "[].name"
  register: names
"""

RETURN = r"""
tags:
  description: The tags, ascending by id, or what O(query) makes of them. Times are UTC.
  type: list
  elements: dict
  returned: success
  sample:
    - id: 90001
      name: prod
      parent_id: null
      color: "#FF0000"
      rule_type: STATIC
      rule_text: null
      criticality_score: 4
      description: null
      children: [{id: 90002, name: prod-eu}]
      created: "2026-01-31T08:00:00Z"
      updated: "2026-01-31T08:00:00Z"
total:
  description: Number of tags that match.
  type: int
  returned: success
  sample: 12
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
    message: "Qualys answered count/was/webapp with INVALID_CREDENTIALS: Authentication failed."
    hint: Check username and password (or client_id and client_secret), and the platform.
    code: INVALID_CREDENTIALS
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec, filter_option
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.lookups import run_tags


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "id": {"type": "int"},
            "name": {"type": "str"},
            **filter_option(),
            "limit": {"type": "int"},
            "query": {"type": "str"},
        },
        mutually_exclusive=[("id", "name"), ("id", "filters"), ("id", "limit")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run_tags)


if __name__ == "__main__":
    main()
