# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector is killed a few times; ``make faults`` does it two hundred times, at other instants each time."""

from __future__ import annotations

import random

from tests.faults import kill_collect


def test_a_collector_that_is_killed_loses_nothing_and_repeats_nothing() -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    assert "is there once" in kill_collect.campaign(20, seed)
