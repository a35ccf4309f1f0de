# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate, in each situation that its unit tests know, through the module."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from tests.unit.plugins.module_utils._gate import gate_kit
from tests.unit.plugins.module_utils._gate.test_situations import SITUATIONS

from . import still_time
from .door import run_module
from .keep import Area, Places, digest

WHOLE = 12
"""Every so many situations the verdict file is recorded in full, and otherwise as a hash beside what decides."""
SENTENCES = ("note",)
"""Keys of sentences in an explanation, beside those that every area has."""


@dataclasses.dataclass
class Outcome:
    """What a situation looks at."""

    values: dict[str, Any]
    changed: bool


class Folder(gate_kit.Folder):
    """A folder in which the module runs, and not the function behind it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.runs: list[dict[str, Any]] = []

    def gate(
        self, findings: Any = None, *, files: Any = None, check: bool = False, now: Any = None, **options: Any
    ) -> Any:
        """Run the module on a snapshot of these findings unless files are given."""
        given = [self.snapshot(findings or [])] if files is None else files
        base = {"scans": [gate_kit.scan()], "policy": gate_kit.policy(), "run_id": "7", "dest": str(self.dest)}
        result = run_module("gate", {**base, "findings": given, **options}, check=check)
        self.runs.append(result)
        return Outcome(result, result["changed"])


def record(folder: Path) -> list[Area]:
    """The area of the gate."""
    area = Area("gate")
    for number, (name, _verdict, situation) in enumerate(SITUATIONS):
        place = folder / str(number)
        place.mkdir()
        still_time.back_to_start()
        desk = Folder(place)
        situation(desk)
        _add(area, name, desk, whole=number % WHOLE == 0)
    _modes(area, folder)
    return [area]


def _modes(area: Area, folder: Path) -> None:
    """The options that change how a run ends, and not its verdict."""
    findings = [gate_kit.finding(), gate_kit.finding(2, severity="low"), gate_kit.finding(3, status="fixed")]
    for name, options in {
        "mode: check": {"check": True},
        "mode: report only": {"report_only": True},
        "mode: baseline": {"baseline_update": True, "baseline": "{baseline}"},
        "mode: age": {"max_scan_age": "1h"},
        "mode: wrong age": {"max_scan_age": "soon"},
        "mode: nowhere": {"dest": "/nowhere/at/all/gate.json"},
        "mode: no policy": {"policy": "/nowhere/policy.yml"},
    }.items():
        place = folder / digest(name)
        place.mkdir()
        desk = Folder(place)
        desk.gate(
            findings, **{key: str(desk.baseline) if item == "{baseline}" else item for key, item in options.items()}
        )
        _add(area, name, desk, whole=True)


def _add(area: Area, name: str, desk: Folder, *, whole: bool) -> None:
    places = Places({str(desk.path): "{folder}"})
    result = places.data(desk.runs[-1])
    document: dict[str, Any] = {"module": "gate"} | {
        key: result.get(key) for key in ("changed", "failed", "verdict", "exit_code", "reasons", "waivers")
    }
    document |= {key: result[key] for key in ("msg", "error", "warnings") if key in result}
    document["explain"] = [_decision(item) for item in result.get("explain") or []]
    document["runs"] = [run.get("verdict") for run in desk.runs]
    rest = {key: item for key, item in result.items() if key not in document}
    verdict = places.data(_read(desk.dest))
    baseline = places.data(_read(desk.baseline))
    for key, item in {"result": rest, "gate.json": verdict, "baseline.json": baseline}.items():
        bare = _without_sentences(item)
        document[key] = bare if whole and key != "result" else digest(bare) if item else None
    area.add(name, document, places)


def _read(path: Path) -> Any:
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _decision(item: dict[str, Any]) -> dict[str, Any]:
    """One line of explanation, its sentence under the key of sentences."""
    return {("message" if key in SENTENCES else key): value for key, value in item.items()}


def _without_sentences(value: Any) -> Any:
    """Data without sentences for people, and without the hash of the file that holds some."""
    if isinstance(value, dict):
        dropped = (*SENTENCES, "message", "hint", "explain_file")
        return {key: _without_sentences(item) for key, item in value.items() if key not in dropped}
    return [_without_sentences(item) for item in value] if isinstance(value, list) else value
