#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clear the scan data of web applications in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_webapp_purge
short_description: Clear the scan data of web applications in Qualys WAS
version_added: 1.0.0
description:
  - Removes findings and scans of web applications in Qualys Web Application Scanning. The applications and their
    configuration stay; to delete them, use M(appsec.perimeter.qualys_was_webapps).
  - An application without findings and without a last scan is left alone.
  - A filter is only used to find out ids. A listing that is not complete is refused.
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
      - The applications. One that does not exist is an error, and nothing is purged.
    type: list
    elements: int
  max_purges:
    description:
      - How many applications may be purged at most; with more, nothing is purged. Needed with O(filters), and without
        a default.
    type: int
notes:
  - What was purged cannot be brought back.
seealso:
  - module: appsec.perimeter.qualys_was_webapps
"""

EXAMPLES = r"""
- name: Start over with an application
  appsec.perimeter.qualys_was_webapp_purge:
    ids: [4711]

- name: Clear what carries the tag retired, ten applications at most
  appsec.perimeter.qualys_was_webapp_purge:
    filters:
      - field: tags.name
        value: retired
    max_purges: 10
"""

RETURN = r"""
purged:
  description:
    - The applications that were purged, with how many findings of each are gone; in check mode those that would be.
      Each is looked at after its purge. One whose findings are all still there is an error in RV(results); findings
      that are left, and a last scan that is, are a warning.
  type: list
  elements: dict
  returned: success, and on failure once purging began
  sample:
    - {id: 4711, name: shop, url: "https://shop.example.com/", findings: 27}
unchanged:
  description: How many applications had nothing to purge.
  type: int
  returned: success, and on failure once purging began
  sample: 3
results:
  description: One entry for each application that could not be purged, or read after it, with the findings that it had.
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
