# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collector that is killed at random instants: the segments hold each record once, and nothing is missing.

PERIMETER_KILLS says how often (20 unless set; ``make faults`` sets 200), PERIMETER_FAULT_SEED repeats a run. The same
for the delivery to a database is in tests/receivers/test_kills.py.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.kill_collect import Campaign, campaign
from tests.faults.kill_days import ScanLogCampaign

KILLS = int(os.environ.get("PERIMETER_KILLS", "20"))


@pytest.mark.parametrize("kind", [Campaign, ScanLogCampaign], ids=["events", "days with changing rows"])
def test_a_collector_that_is_killed_again_and_again(kind: type[Campaign]) -> None:
    seed = int(os.environ.get("PERIMETER_FAULT_SEED", random.SystemRandom().randrange(2**31)))
    print(f"PERIMETER_FAULT_SEED={seed}")
    print(campaign(KILLS, seed, kind))
