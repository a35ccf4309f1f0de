# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role catalog. Each is documented in a file of its own name beside this one."""

from __future__ import annotations

from ansible_collections.appsec.perimeter.plugins.plugin_utils._filters_on_demand import Filter, filters_in


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Filter]:
        """Return the filters to Ansible."""
        return filters_in(
            "_catalog_filters",
            "catalog_encoding_problems",
            "catalog_text_problems",
            "from_catalog",
            "to_catalog",
            "catalog_orphans",
            "catalog_to_check",
            "catalog_created",
            "catalog_pending",
            "catalog_places",
            "catalog_summary",
        )
