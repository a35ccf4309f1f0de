# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collector, and the lake, killed at random instants: each record is there once, and nothing is missing.

PERIMETER_KILLS says how often (20 unless set; ``make faults`` sets 200). The seed is fixed, and random with ``make
faults``; PERIMETER_FAULT_SEED repeats a run. tests/receivers/test_kills.py has the same for delivery to a database, and
for the history in PostgreSQL.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.kill_changes import campaign as changes_campaign
from tests.faults.kill_collect import Campaign, campaign
from tests.faults.kill_days import ScanLogCampaign
from tests.faults.kill_history import campaign as history_campaign
from tests.faults.kill_lake import campaign as lake_campaign
from tests.faults.kill_slices import AlertCampaign
from tests.faults.kill_twins import TwinCampaign
from tests.faults.seeds import choose_seed

KILLS = int(os.environ.get("PERIMETER_KILLS", "20"))
RUN_KILLS = min(50, KILLS) if "PERIMETER_KILLS" in os.environ else 6
"""Kills of runs of the history."""


KINDS: dict[str, type[Campaign]] = {
    "events": Campaign,
    "days with changing rows": ScanLogCampaign,
    "slices in the order of time": AlertCampaign,
    "equal keys in parts of dense windows": TwinCampaign,
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_collector_that_is_killed_again_and_again(kind: type[Campaign]) -> None:
    print(campaign(KILLS, choose_seed(), kind))


def test_a_lake_that_is_killed_again_and_again() -> None:
    # A quarter as often as the collectors: what can be torn here are two renames.
    print(lake_campaign(max(1, KILLS // 4), choose_seed()))


def test_a_collector_that_is_killed_before_anything_is_durable_promises_nothing_for_that_time() -> None:
    # With this seed the first process is killed before it commits anything, and the next one begins 25 minutes later.
    print(campaign(2, 1045862614, Campaign))


def test_a_comparison_that_is_killed_again_and_again() -> None:
    print(changes_campaign(KILLS, choose_seed()))


def test_a_run_of_the_history_that_is_killed_again_and_again(tmp_path: Path) -> None:
    print(history_campaign(RUN_KILLS, choose_seed(), tmp_path))
