# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that run a command when Ansible evaluates them, in every place where a vendor repeats what somebody chose.

Each text has a marker file of its own, whose name says in which place it stood: the file is there when the command ran.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .app import Sandbox
from .qualys import kb

_HEADER = "#jinja2: variable_start_string:'[[', variable_end_string:']]'"
_BLOCKS = "#jinja2: block_start_string:'<%', block_end_string:'%>'"


def _call(marker: Path) -> str:
    return f"lookup('ansible.builtin.pipe', 'touch {marker}')"


FORMS: dict[str, Callable[[str], str]] = {
    "braces": lambda call: "{{ " + call + " }}",
    "header": lambda call: f"{_HEADER}\n[[ {call} ]]",
    "statement": lambda call: "{% set x = " + call + " %}x",
    "both": lambda call: f"{_HEADER}\n[[ {call} ]] {{{{ {call} }}}}",
    "blocks": lambda call: f"{_BLOCKS}\n<% set x = {call} %>x",
    "tag": lambda call: f'!unsafe "{{{{ {call} }}}}"',
    "yaml": lambda call: f"x\"\n- name: '{{{{ {call} }}}}'\n#",
    "list": lambda call: f'["{{{{ {call} }}}}"]',
    "mapping": lambda call: f'{{"a": "{{{{ {call} }}}}"}}',
    "github": lambda call: f"::stop-commands::x {{{{ {call} }}}}",
    "azure": lambda call: f"##vso[task.setvariable variable=x]{{{{ {call} }}}}",
    "teamcity": lambda call: f"##teamcity[message text='x'] {{{{ {call} }}}}",
    "terminal": lambda call: f"\x9b31m\u2028::error::{{{{ {call} }}}}",
    "raw": lambda call: "{% raw %}{% endraw %}{{ " + call + " }}",
}
"""By name: what is made of a call of a lookup."""


class Infection:
    """Makes the texts.

    Args:
        folder: for the markers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._forms = itertools.cycle(FORMS.items())
        self._serial = itertools.count()
        self.texts: list[str] = []

    def text(self, place: str, name: str = "") -> str:
        """A text for this place: of the form of this name, else of the next one."""
        name, form = (name, FORMS[name]) if name else next(self._forms)
        made = form(_call(self.folder / f"{place}-{name}-{next(self._serial)}"))
        self.texts.append(made)
        return made

    def ran(self) -> list[str]:
        """The names of all markers that are there."""
        return sorted(path.name for path in self.folder.iterdir())

    def fill(self, place: str, records: Iterable[Any], *names: str) -> None:
        """Put a text into each of these members of each record."""
        for record in records:
            for name in names:
                record[name] = self.text(f"{place}.{name}")


def infect(sandbox: Sandbox, folder: Path) -> Infection:
    """Put texts into everything that the services of a running sandbox send."""
    infection = Infection(folder)
    with sandbox.qualys.lock:
        _qualys(infection, sandbox)
    _edgecast(infection, sandbox)
    _other_logs(infection, sandbox)
    return infection


def _qualys(infection: Infection, sandbox: Sandbox) -> None:
    held = sandbox.qualys
    for kind in ("tags", "auth_records", "dns_overrides", "webapps", "scans", "schedules", "reports"):
        infection.fill(kind, getattr(held, kind).values(), "name")
    infection.fill("users", held.users.values(), "username", "firstName", "lastName")
    infection.fill("option_profiles", list(held.option_profiles.values())[1:], "name")
    for app in held.webapps.values():
        # A key of which nothing but the key is hostile: ansible-core older than 2.19 looks at values only.
        app["attributes"] = [
            {"name": infection.text("attributes.name"), "value": "5"},
            {"name": infection.text("attributes.name"), "value": infection.text("attributes.value")},
        ]
        app["url"] = f"https://{app['id']}.example/{_in_a_url(infection.text('webapps.url'))}"
        app["uris"] = [f"{app['url']}/1"]
        app["postDataExcludelist"] = [{"value": infection.text("webapps.postDataExcludelist"), "regex": False}]
        app["comments"] = []
        app["os"] = infection.text("webapps.os")
    for finding in held.findings.values():
        finding["name"] = infection.text("findings.name")
        finding["param"] = infection.text("findings.param")
        finding["url"] = f"https://a.example/{_in_a_url(infection.text('findings.url'))}"
        # A word that the vendor has not documented.
        finding["group"] = infection.text("findings.group")


def _in_a_url(text: str) -> str:
    """The text without line ends and spaces at its ends, which no URL has."""
    return " ".join(text.split())


def poisoned_knowledge(infection: Infection, qids: Iterable[int]) -> Mapping[int, str]:
    """Texts for the knowledge base, for ``unittest.mock.patch.dict(KNOWLEDGE, ...)``."""
    return {qid: infection.text("knowledge") for qid in qids}


KNOWLEDGE = kb._POISON


def _edgecast(infection: Infection, sandbox: Sandbox) -> None:
    store = sandbox.edgecast.store
    original = store.text
    texts = {name: infection.text(f"edgecast.{name.replace(' ', '_')}") for name in _EDGECAST}
    nested = {name: infection.text(f"edgecast.sub.{name.replace(' ', '_')}") for name in _EDGECAST_SUB}

    def text(number: int) -> str:
        event = json.loads(original(number))
        event |= {name: value for name, value in texts.items() if name in event}
        for sub in event.get("Sub Events") or ():
            sub |= {name: value for name, value in nested.items() if name in sub}
        return json.dumps(event)

    store.text = text  # type: ignore[method-assign]


_EDGECAST = (
    "Profile Name",
    "Instance Name",
    "URL",
    "User Agent",
    "Referer",
    "Rule Message",
    "Rule Tags",
    "Action Type",
)
_EDGECAST_SUB = ("Rule Message", "Matched On", "Matched Value")


def _other_logs(infection: Infection, sandbox: Sandbox) -> None:
    for alert in sandbox.scutum.alerts:
        alert.fields["category"] = [infection.text("scutum.category")]
        alert.fields["uri"] = f"/{infection.text('scutum.uri')}"
    for log in sandbox.indusface.scan_logs:
        infection.fill("indusface", [log.fields], "ApplicationName", "SealStatus", "ScanStatus")
        log.fields["groups"] = [infection.text("indusface.groups")]
        infection.fill("indusface.alerts", log.alerts, "Title", "OpenStatus", "FoundOn")
    for row in sandbox.carbon_black.rows:
        row.shown["full_tag"] = infection.text("carbon_black.full_tag")
        row.shown["vulnerabilities_summary"] = {infection.text("carbon_black.severity"): {"amount": 5}}
        labels = ("full_tags", "repositories", "clusters", "namespaces", "hostnames")
        row.labels = {**row.labels, **{name: [infection.text(f"carbon_black.{name}")] for name in labels}}
