# Copyright: appsec.perimeter contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role awx_setup. Each is documented in a file of its own name beside this one."""

from __future__ import annotations

import typing as t

from ansible_collections.appsec.perimeter.plugins.plugin_utils._vendor_text import data_from

Fields = t.Sequence[t.Mapping[str, t.Any]]


def awx_inputs(fields: Fields) -> dict[str, t.Any]:
    """The inputs of a credential type, for the form of AWX."""
    secret = {"secret": True}
    return {
        "fields": [
            {"id": field["id"], "label": field["label"], "type": "string"} | (secret if field.get("secret") else {})
            for field in fields
        ]
    }


def awx_injectors(fields: Fields) -> dict[str, t.Any]:
    """The injectors of a credential type: environment variables, with templates that AWX evaluates."""
    return {"env": {field["env"]: f"{{{{ {field['id']} | default('') }}}}" for field in fields}}


def awx_credentials(
    services: t.Mapping[str, t.Mapping[str, t.Any]], environ: t.Mapping[str, str], always: t.Mapping[str, t.Any]
) -> dict[str, dict[str, str]]:
    """The inputs of each service that has any."""
    found = {
        name: {field["id"]: environ[field["env"]] for field in service["fields"] if environ.get(field["env"])}
        | dict(always.get(name) or {})
        for name, service in services.items()
    }
    return {name: inputs for name, inputs in found.items() if inputs}


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters to Ansible."""
        filters: dict[str, t.Callable[..., t.Any]] = {
            "awx_inputs": awx_inputs,
            "awx_injectors": awx_injectors,
            "awx_credentials": awx_credentials,
        }
        return {name: data_from(function) for name, function in filters.items()}
