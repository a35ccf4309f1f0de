# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of roles for their variables. Each is documented in a file of its own beside this one."""

from __future__ import annotations

from ansible_collections.appsec.perimeter.plugins.plugin_utils._filters_on_demand import Filter, filters_in


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Filter]:
        """Return the filters to Ansible."""
        return filters_in(
            "_variable_filters",
            "from_environment",
        ) | filters_in(
            "_switch_filters",
            "async_dir",
            "switch",
        )
