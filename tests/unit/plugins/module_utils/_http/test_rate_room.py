# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client may ask a governor about its rate: how many may start, when the next one may, when the oldest goes."""

from __future__ import annotations

from ansible_collections.appsec.perimeter.plugins.module_utils._http.governor import (
    WINDOW_MARGIN,
    Governor,
    WaitBudget,
)

from .servers import FakeTime

WINDOW = 300 + WINDOW_MARGIN


def test_room_shrinks_with_each_start_and_grows_with_time(fake: FakeTime) -> None:
    subject = Governor(1, calls=3, per_seconds=300, budget=WaitBudget(1e6, clock=fake.clock, sleep=fake.sleep))
    assert (subject.room(), subject.due_in(), subject.clear_in()) == (3, 0.0, WINDOW)
    for left in (2, 1, 0):
        with subject.slot():
            pass
        assert subject.room() == left
        fake.sleep(10)
    assert subject.due_in() == subject.clear_in() == WINDOW - 30
    fake.sleep(WINDOW - 30)
    assert (subject.room(), subject.due_in()) == (1, 0.0)
    assert subject.clear_in() == 10, "the place of the first is free, and the second goes in ten seconds"


def test_a_pause_counts_as_well(fake: FakeTime) -> None:
    subject = Governor(2, budget=WaitBudget(1e6, clock=fake.clock, sleep=fake.sleep), draw=lambda: 0.0)
    assert subject.room() is None
    subject.throttled(42)
    assert subject.due_in() == 42
