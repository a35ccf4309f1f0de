# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-rulebook, beside this Python, with the collection as ansible-galaxy installed it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PATIENCE_S = 240.0
"""A Java machine starts in five seconds, and in a minute on a machine that is busy."""
_RECEIVED = re.compile(r"^received ([0-9a-f-]{36}) (\S+)$", re.MULTILINE)
SHOW = {"debug": {"msg": "received {{ event.meta.uuid }} {{ event.id | default(event.change | default('none')) }}"}}
"""The action by which the tests see what reached a rule."""


@dataclass(frozen=True)
class Place:
    """Where rulebooks run: the folder with the installed collection, and one for everything else."""

    collections: Path
    folder: Path

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """No path leads to the collection but the one that Ansible itself uses."""
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ANSIBLE_"))}
        return {
            **kept,
            "PATH": programs,
            "PYTHONUNBUFFERED": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "PERIMETER_STATE_DIR": str(self.folder / "state"),
            # Starts in half the time; these rulebooks do not live for long.
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto",
            "no_proxy": "*",
            **extra,
        }


def rules_for(sources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One set of rules that shows each event of these sources."""
    rule = {"name": "show", "condition": "event.meta.uuid is defined", "action": SHOW}
    return [{"name": "shown", "hosts": "all", "sources": sources, "rules": [rule]}]


class Rulebook:
    """One process.

    Args:
        place: where it runs.
        name: of its files.
        rules: the rulebook.
        environment: more variables.
        variables: of the rulebook.
        persistence: the id under which the engine stores what it knows; None for none.
    """

    def __init__(
        self, place: Place, name: str, rules: list[dict[str, Any]], environment: Mapping[str, str], *,
        variables: Mapping[str, Any] | None = None, persistence: str | None = None,
    ) -> None:  # fmt: skip
        place.folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = place.folder / f"{name}.out", place.folder / f"{name}.err"
        rulebook, given = place.folder / f"{name}.yml", place.folder / f"{name}.vars.yml"
        rulebook.write_text(yaml.safe_dump(rules, sort_keys=False))
        given.write_text(yaml.safe_dump(dict(variables or {})))
        program = str(Path(sys.executable).parent / "ansible-rulebook")
        command = [program, "--rulebook", str(rulebook), "--vars", str(given)]
        command += ["--persistence-id", persistence] if persistence else []
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command, cwd=place.folder, env=place.environment(environment), stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, start_new_session=True,
            )  # fmt: skip

    def received(self) -> list[tuple[str, str]]:
        """The uuid and the id of each event that reached the rule, in order."""
        return list(_RECEIVED.findall(self.output))

    @property
    def output(self) -> str:
        """What it printed."""
        return self._out.read_text(errors="replace")

    @property
    def errors(self) -> str:
        """What it logged, without what the engine's database says."""
        lines = self._err.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if "hikari" not in line and "JAVA_TOOL_OPTIONS" not in line)

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until something is so; what it said is in the error when nothing happens for long."""
        until, size = time.monotonic() + PATIENCE_S, 0
        while not ready():
            if self.process.poll() is not None and not ready():
                raise AssertionError(f"ansible-rulebook ended with {self.process.returncode}:\n{self.errors[-3000:]}")
            if (grown := self._out.stat().st_size) > size:
                until, size = time.monotonic() + PATIENCE_S, grown
            if time.monotonic() > until:
                raise AssertionError(f"not ready after {PATIENCE_S} s:\n{self.errors[-3000:]}\n{self.output[-1000:]}")
            # The output is read as a whole each time.
            time.sleep(0.02 + size / 5e6)

    def kill(self) -> None:
        """SIGKILL, to it and to whatever it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Rulebook:
        return self

    def __exit__(self, *_details: object) -> None:
        self.kill()


def counted(runs: Iterable[list[tuple[str, str]]]) -> Counter[str]:
    """How often each id reached a rule. Each id has one uuid, and each uuid one id.

    Raises:
        AssertionError: that is not so.
    """
    pairs = [pair for run in runs for pair in run]
    distinct = set(pairs)
    assert len({uuid for uuid, _name in distinct}) == len({name for _uuid, name in distinct}) == len(distinct)
    return Counter(name for _uuid, name in pairs)
