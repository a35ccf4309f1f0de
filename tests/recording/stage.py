# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox, a folder, and the modules that run on them: each run is one case of the recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.sandbox import Sandbox

from . import still_time
from .door import run_module
from .keep import Area, Places, digest

Options = dict[str, Any]
TABLES = ("webapps", "findings", "auth_records", "scans", "schedules", "reports", "tags")


class Stage:
    """Runs modules against a sandbox, and records them into an area."""

    def __init__(self, area: Area, folder: Path, sandbox: Sandbox | None = None) -> None:
        self.area = area
        self.folder = folder
        self.sandbox = sandbox
        names = {str(folder): "{folder}"}
        if sandbox is not None:
            names |= {sandbox.url: "{sandbox}", f"127.0.0.1:{sandbox.port}": "{address}"}
        self.places = Places(names)

    def begin(self) -> None:
        """Everything as it was at first: the time, the services, the faults."""
        still_time.back_to_start()
        if self.sandbox is not None:
            self.sandbox.faults.clear()
            self.sandbox.log_clock.freeze(still_time.NOW)
            self.sandbox.reset()

    def run(
        self,
        case: str,
        module: str,
        options: Options,
        connection: Options | None = None,
        *,
        check: bool = False,
        **also: Any,
    ) -> Options:
        """One run of a module. ``also`` are functions without arguments, whose values are recorded too."""
        if self.sandbox is not None:
            self.sandbox.reset_counters()
        result = run_module(module, {**(connection or {}), **options}, check=check)
        document = {"module": module, "options": options, "check": check, "result": result}
        document |= {name: read() for name, read in also.items()}
        self.area.add(case, document, self.places, self.requests())
        return result

    def requests(self) -> Options:
        """What the sandbox has seen."""
        if self.sandbox is None:
            return {}
        seen = self.sandbox.counters.snapshot()
        if seen["internal_errors"]:
            raise RuntimeError(f"{seen['internal_errors']} defects of the sandbox")
        return {"requests": seen["requests"], "writes": seen["writes"], "routes": seen["by_route"]}


class QualysStage(Stage):
    """The same for the modules of Qualys, one request after the other, so that ids are given out in one order."""

    def __init__(self, area: Area, folder: Path, sandbox: Sandbox) -> None:
        super().__init__(area, folder, sandbox)
        self.connection = {"api_url": sandbox.url, "username": sandbox.username, "password": sandbox.password}
        self.connection |= {"max_connections": 1, "state_dir": str(folder / "state")}
        self._seed: dict[str, str] = {}

    def begin(self) -> None:
        super().begin()
        self._seed = self.tables()

    def tables(self) -> dict[str, str]:
        """A hash of each table that the service keeps."""
        assert self.sandbox is not None
        state = self.sandbox.qualys
        return {
            name: digest(
                json.dumps([dict(record) for record in getattr(state, name).values()], default=str, sort_keys=True)
            )
            for name in TABLES
        }

    def stored(self) -> dict[str, str]:
        """The tables that are not as they were at first."""
        return {name: seen for name, seen in self.tables().items() if seen != self._seed[name]}

    def read(self, case: str, module: str, **options: Any) -> Options:
        """A run that only reads."""
        return self.run(case, module, options, self.connection)

    def checked(self, case: str, module: str, **options: Any) -> Options:
        """A run in check mode that only reads."""
        return self.run(case, module, options, self.connection, check=True)

    def four(self, case: str, module: str, **options: Any) -> Options:
        """Check mode, the run, the run again, check mode again."""
        self.run(f"{case}: check", module, options, self.connection, check=True, stored=self.stored)
        first = self.run(f"{case}: run", module, options, self.connection, stored=self.stored)
        self.run(f"{case}: again", module, options, self.connection, stored=self.stored)
        self.run(f"{case}: check again", module, options, self.connection, check=True, stored=self.stored)
        return first
