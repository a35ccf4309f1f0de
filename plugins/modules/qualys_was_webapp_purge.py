#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clear the scan data of web applications in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_webapp_purge
short_description: Purge the scan data of web applications in Qualys WAS
version_added: 1.0.0
description:
  - Removes findings and scans of web applications in Qualys Web Application Scanning. The applications and their
    configuration stay; to delete them, use M(appsec.perimeter.qualys_was_webapps).
  - An application without findings and without a last scan is left alone.
  - A filter is only used to find ids. If the listing is incomplete, the task fails.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._qualys.filters
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  ids:
    description:
      - Ids of the applications. If one does not exist, the task fails and nothing is purged.
    type: list
    elements: int
  max_purges:
    description:
      - Maximum number of applications to purge. If more would be purged, nothing is purged. Required with O(filters);
        there is no default.
    type: int
notes:
  - Purged data cannot be restored.
seealso:
  - module: appsec.perimeter.qualys_was_webapps
"""

EXAMPLES = r"""
- name: Purge one application
  appsec.perimeter.qualys_was_webapp_purge:
    ids: [4711]

- name: Purge up to ten applications with the tag retired
  appsec.perimeter.qualys_was_webapp_purge:
    filters:
      - field: tags.name
        value: retired
    max_purges: 10
"""

RETURN = r"""
purged:
  description:
    - The applications that were purged, with the number of findings that were removed; in check mode, those that would
      be. Each application is checked after its purge. If all its findings remain, it is an error in RV(results); if
      only some of them, or its last scan, remain, there is a warning.
  type: list
  elements: dict
  returned: success, and on failure once purging began
  sample:
    - {id: 4711, name: shop, url: "https://shop.example.com/", findings: 27}
unchanged:
  description: Number of applications without scan data.
  type: int
  returned: success, and on failure once purging began
  sample: 3
results:
  description: An entry for each application that could not be purged, or not be read afterwards.
  type: list
  elements: dict
  returned: success, and on failure once purging began
  sample:
    - id: 4712
      name: basket
      url: https://basket.example.com/
      findings: 3
      failed: true
      msg: "Qualys answered purge/was/webapp/4712 with UNAUTHORIZED."
      error:
        kind: vendor
        message: "Qualys answered purge/was/webapp/4712 with UNAUTHORIZED."
        hint: The account needs the permission API Access, and the WAS permission for this operation.
        code: UNAUTHORIZED
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
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.purge import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "ids": {"type": "list", "elements": "int"},
            **filter_option(),
            "max_purges": {"type": "int"},
        },
        mutually_exclusive=[("ids", "filters")],
        required_one_of=[("ids", "filters")],
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
