# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter of roles whose job AWX may slice. It is documented in a file of its own name beside this one."""

from __future__ import annotations

from ansible_collections.appsec.perimeter.plugins.plugin_utils._filters_on_demand import Filter, filters_in


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Filter]:
        """Return the filters to Ansible."""
        return filters_in(
            "_slice_filters",
            "slice_part",
        )
