# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of modules. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return a prediction of the changed status without changing the target.
  diff_mode:
    description: Returns details on what has changed, or in check mode would be changed, in diff mode.
  idempotent:
    description: When run twice in a row with the same arguments, the second run changes nothing.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads.
  diff_mode:
    support: N/A
    details:
      - This module only reads.
  idempotent:
    support: full
    details:
      - This module only reads.
"""

    ACTIONGROUP_QUALYS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/appsec.perimeter.qualys) in C(module_defaults) to set the connection once for all tasks.
    support: full
    membership:
      - appsec.perimeter.qualys
      - appsec.perimeter.all
"""

    ACTIONGROUP_SCUTUM = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/appsec.perimeter.scutum) in C(module_defaults) to set the connection once for all tasks.
    support: full
    membership:
      - appsec.perimeter.scutum
      - appsec.perimeter.all
"""

    ACTIONGROUP_INDUSFACE = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/appsec.perimeter.indusface) in C(module_defaults) to set the connection once for all tasks.
    support: full
    membership:
      - appsec.perimeter.indusface
      - appsec.perimeter.all
"""

    ACTIONGROUP_EDGECAST = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/appsec.perimeter.edgecast) in C(module_defaults) to set the connection once for all tasks.
    support: full
    membership:
      - appsec.perimeter.edgecast
      - appsec.perimeter.all
"""

    ACTIONGROUP_CARBON_BLACK = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/appsec.perimeter.carbon_black) in C(module_defaults) to set the connection once for all
      tasks.
    support: full
    membership:
      - appsec.perimeter.carbon_black
      - appsec.perimeter.all
"""
