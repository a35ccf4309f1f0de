#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the values that criteria of container scan logs may name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: carbon_black_scan_log_metadata_info
short_description: List the values that criteria of container scan logs may name
version_added: 1.0.0
description:
  - Returns the clusters, namespaces and hosts that C(criteria) of M(appsec.perimeter.carbon_black_scan_log_info) may
    name.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_carbon_black
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._connection
  - appsec.perimeter._carbon_black
seealso:
  - module: appsec.perimeter.carbon_black_scan_log_info
"""

EXAMPLES = r"""
- name: List the clusters that are scanned
  appsec.perimeter.carbon_black_scan_log_metadata_info:
  register: known
"""

RETURN = r"""
clusters:
  description: Names of the clusters.
  type: list
  elements: str
  returned: success
  sample: ["prod:cluster-a"]
namespaces:
  description: Names of the namespaces.
  type: list
  elements: str
  returned: success
  sample: [default, shop]
hostnames:
  description: Names of the hosts.
  type: list
  elements: str
  returned: success
  sample: [node-1]
stats:
  description: Statistics of the task. Times are in seconds.
  type: dict
  returned: success
  sample: {requests: 3, retries: 0, bytes: 20480, connections: 1, waited: 0.0, elapsed: 0.4}
error:
  description: The error as data, with C(kind), C(message), C(hint) and the vendor's own C(code).
  type: dict
  returned: failure
  sample:
    kind: authentication
    message: "Carbon Black Cloud refused the credentials (HTTP 401): user is not authorized."
    hint: Nothing more was sent, so that the account is not locked. Check api_id and api_secret_key.
    code: "401"
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.scan_log_info import run_metadata
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import CARBON_BLACK
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module


def main() -> None:
    """Entry point."""
    run_vendor_module(CARBON_BLACK, connect, run_metadata)


if __name__ == "__main__":
    main()
