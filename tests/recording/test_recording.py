# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection does what was recorded. To record an intended change: ``python -m tests.recording --write``."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import compare

LARGEST = 1_500_000
"""Bytes of the whole recording."""


NOT_RECORDED = {"doctor_info"}
"""What says which packages and folders this machine has."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    compare.record(folder)
    return folder


@pytest.mark.parametrize("name", sorted(compare.names(compare.EXPECTED)))
def test_what_comes_out_is_what_was_recorded(recorded: Path, name: str) -> None:
    if found := compare.difference(name, recorded):
        pytest.fail(f"{found}\nIf this is intended: python -m tests.recording --write", pytrace=False)


def test_nothing_is_recorded_that_was_not_before(recorded: Path) -> None:
    assert compare.names(recorded) == compare.names(compare.EXPECTED)


def test_the_recording_is_small_enough_to_be_read() -> None:
    assert sum((compare.EXPECTED / name).stat().st_size for name in compare.names(compare.EXPECTED)) < LARGEST


def test_every_module_is_recorded() -> None:
    modules = {path.stem for path in (compare.ROOT / "plugins" / "modules").glob("*.py")}
    text = "".join((compare.EXPECTED / name).read_text(encoding="utf-8") for name in compare.names(compare.EXPECTED))
    assert {name for name in modules if f'"module": "{name}"' not in text} == NOT_RECORDED
