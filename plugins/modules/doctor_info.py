#!/usr/bin/python
# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the machine on which modules run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_info
short_description: Check the machine on which modules run
version_added: 1.0.0
description:
  - Checks the versions of Python and of the packages, the state directory, the proxy, the certificates and the other
    connection settings, and says for each problem how to fix it.
  - It sends nothing and writes nothing. The role P(appsec.perimeter.doctor#role) uses it, and tests the services too.
author:
  - appsec.perimeter contributors (@appsec-perimeter)
extends_documentation_fragment:
  - appsec.perimeter._attributes
  - appsec.perimeter._attributes.info_module
  - appsec.perimeter._connection
attributes:
  action_group:
    description: Use C(group/appsec.perimeter.all) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - appsec.perimeter.all
options:
  required_libraries:
    description:
      - Optional packages that your jobs need. One that is missing or too old counts as failed; other missing packages
        are only listed.
    type: list
    elements: str
    choices: [orjson, sqlalchemy, psycopg, xlsxwriter, duckdb]
    default: []
  core_version:
    description:
      - The version of ansible-core to check, which a module cannot determine itself. It is not checked unless it is
        given.
    type: str
"""

EXAMPLES = r"""
- name: Check what this machine lacks for delivery to PostgreSQL
  appsec.perimeter.doctor_info:
    required_libraries: [sqlalchemy, psycopg]
    core_version: "{{ ansible_version.full }}"
  register: machine

- name: Stop if something has to be fixed
  ansible.builtin.assert:
    that: machine.checks | selectattr('state', 'equalto', 'failed') | length == 0
    fail_msg: "{{ machine.checks | selectattr('state', 'equalto', 'failed') }}"
"""

RETURN = r"""
checks:
  description:
    - The checks. C(state) is V(ok), V(warning), V(failed), or V(skipped) for an optional package that is not installed.
      C(hint) says what to do, and is empty if nothing has to be done.
  type: list
  elements: dict
  returned: success
  sample:
    - subject: machine
      check: package requests
      state: ok
      message: requests 2.32.5 is installed.
      hint: ""
    - subject: machine
      check: state directory
      state: failed
      message: "state_dir: everybody can write /tmp/state."
      hint: Give a folder that only this user can write, or remove the write permission of others (chmod o-w).
error:
  description: The error as data, with C(kind), C(message), C(hint) and C(code).
  type: dict
  returned: failure
  sample:
    kind: error
    message: This module failed with an internal error, OSError.
    hint: That is a defect of appsec.perimeter.
    code: null
"""

from ansible_collections.appsec.perimeter.plugins.module_utils._doctor.machine import run, shown
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import CONNECTION, Spec
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import run_local_module


def main() -> None:
    """Entry point."""
    own = Spec(
        options={
            "required_libraries": {
                "type": "list",
                "elements": "str",
                "choices": ["orjson", "sqlalchemy", "psycopg", "xlsxwriter", "duckdb"],
                "default": [],
            },
            "core_version": {"type": "str"},
        }
    )
    run_local_module(CONNECTION.merge(own), run, shown=shown)


if __name__ == "__main__":
    main()
