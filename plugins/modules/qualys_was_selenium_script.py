#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download a Selenium script of a web application in Qualys WAS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: qualys_was_selenium_script
short_description: Download a Selenium script of a web application in Qualys WAS
version_added: 1.0.0
description:
  - Downloads a Selenium script that the crawler uses for a web application in Qualys Web Application Scanning.
  - The file is replaced as a whole, and only when its content differs.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.actiongroup_qualys
  - appsec.perimeter._connection
  - appsec.perimeter._qualys
attributes:
  check_mode:
    support: full
    details:
      - The script is read, and the file is not written.
  diff_mode:
    support: partial
    details:
      - The diff has size and checksum, but not the script, which may contain credentials.
  idempotent:
    support: full
options:
  webapp_id:
    description:
      - Id of the application.
    type: int
    required: true
  script_id:
    description:
      - Id of the script, as in C(crawling_script_ids) of M(appsec.perimeter.qualys_was_webapp_info).
    type: int
    required: true
  dest:
    description:
      - File to write, readable by its owner only. Its directory must exist.
      - Without it, the script is returned in C(data) of RV(script).
    type: path
notes:
  - A script may contain credentials. Use O(dest), or set C(no_log) for this task and those that use its result.
seealso:
  - module: appsec.perimeter.qualys_was_webapp_info
"""

EXAMPLES = r"""
- name: Save the login script of the shop
  appsec.perimeter.qualys_was_selenium_script:
    webapp_id: 4711
    script_id: 55001
    dest: login.html

- name: Read the script into a variable
  appsec.perimeter.qualys_was_selenium_script:
    webapp_id: 4711
    script_id: 55001
  register: login
  no_log: true
"""

RETURN = r"""
script:
  description:
    - The script. C(name) is null if Qualys does not return it. C(data), the script itself, is only returned without
      O(dest), and may contain credentials.
  type: dict
  returned: success
  sample:
    id: 55001
    webapp_id: 4711
    name: login.html
    bytes: 1024
    sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
dest:
  description: The file, or null.
  type: str
  returned: success
  sample: login.html
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

from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_vendor_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.script import run


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "webapp_id": {"type": "int", "required": True},
            "script_id": {"type": "int", "required": True},
            "dest": {"type": "path"},
        },
    )
    run_vendor_module(QUALYS.merge(own), connect, run)


if __name__ == "__main__":
    main()
