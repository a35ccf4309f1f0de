# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The function of the filter of roles whose job AWX may slice."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._records import slices


def slice_part(ids: t.Iterable[t.Any], number: t.Any, count: t.Any) -> list[int]:
    """The ids of one slice."""
    try:
        return slices.part_of(ids, int(number), int(count))
    except PerimeterError as error:
        raise AnsibleFilterError(str(error)) from error
