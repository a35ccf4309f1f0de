# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events in a real ansible-rulebook: what is promised with feedback and without it, across SIGKILLs.

PERIMETER_EDA_EVENTS says how many events there are with feedback (200 unless set; ``make faults`` sets 10,000).
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

from tests.eda.rulebook import Place, Rulebook, counted, rules_for
from tests.faults.seeds import choose_seed
from tests.integration.log_kit import VARIABLES, logins
from tests.sandbox import Sandbox

MANY = os.environ.get("PERIMETER_EDA_EVENTS")
EVENTS = int(MANY or "200")
WITHOUT_FEEDBACK = 150
KILLS, KILLS_WITHOUT_FEEDBACK = 2, 2 if MANY else 1
QUEUE = 40
PERSISTENCE = "6c1f0d0e-43c8-4d38-9d55-0f3f2d0f2a01"


def sandbox_with(records: int) -> Sandbox:
    return Sandbox(webapps=1, findings=0, edgecast={"records": records, "days": 2})


def login(sandbox: Sandbox) -> dict[str, str]:
    return {VARIABLES["edgecast"][name]: value for name, value in logins(sandbox)["edgecast"].items()}


def attacks(**arguments: Any) -> list[dict[str, Any]]:
    """A rulebook that shows every event of Edgecast."""
    given = {
        "vendor": "edgecast",
        "initial": "since",
        "since": "3d",
        "interval": 1,
        "lag": 0,
        "queue_size": QUEUE,
        **arguments,
    }
    return rules_for([{"name": "attacks", "appsec.perimeter.waf_events": given}])


def ids_in(sandbox: Sandbox) -> set[str]:
    """The ids of all events, as the sandbox has them."""
    store = sandbox.edgecast.store
    return {json.loads(store.text(number))["id"] for number in range(store.seed.records)}


def killed(
    kills: int, place: Place, sandbox: Sandbox, rules: list[dict[str, Any]], **options: Any
) -> list[list[tuple[str, str]]]:
    """What reached the rule in each process; all but the last were killed somewhere on their way."""
    chance = random.Random(choose_seed())
    wanted, runs = ids_in(sandbox), list[list[tuple[str, str]]]()
    for number in range(kills + 1):
        with Rulebook(place, f"run{number}", rules, login(sandbox), **options) as rulebook:
            most = len(wanted) if number == kills else chance.randrange(QUEUE // 2, max(QUEUE, len(wanted) // 3))
            before = {name for run in runs for _uuid, name in run}
            rulebook.wait_until(lambda: enough(rulebook.received(), most, before, wanted))  # noqa: B023
            rulebook.kill()
            runs.append(rulebook.received())
    return runs


def enough(received: list[tuple[str, str]], most: int, before: set[str], wanted: set[str]) -> bool:
    """Whether so many events reached the rule, or each wanted one did, in this process or before."""
    return len(received) >= most or wanted <= before | {name for _uuid, name in received}


def test_with_feedback_no_event_is_lost_across_two_kills(place: Place, database: dict[str, Any]) -> None:
    with sandbox_with(EVENTS) as sandbox:
        rules = attacks(feedback=True)
        runs = killed(KILLS, place, sandbox, rules, variables=database, persistence=PERSISTENCE)
        times = counted(runs)
        assert set(times) == ids_in(sandbox)
        assert sum(times.values()) - len(times) <= KILLS * QUEUE
        print(f"{len(times)} events, {sum(times.values()) - len(times)} repeated, seen {[len(run) for run in runs]}")


def test_without_feedback_a_kill_repeats_up_to_the_queue_and_loses_nothing(place: Place) -> None:
    with sandbox_with(WITHOUT_FEEDBACK) as sandbox:
        runs = killed(KILLS_WITHOUT_FEEDBACK, place, sandbox, attacks())
        times = counted(runs)
        assert set(times) == ids_in(sandbox)
        assert sum(times.values()) - len(times) <= KILLS_WITHOUT_FEEDBACK * QUEUE
        # Half of the queue is always behind the position.
        assert sum(times.values()) > len(times)


def test_two_rulebooks_on_one_stream_and_wrong_arguments_are_refused_in_a_sentence(place: Place) -> None:
    with sandbox_with(20) as sandbox:
        both = attacks()
        (source,) = both[0]["sources"]
        both[0]["sources"] = [source, {**source, "name": "the same again"}]
        with Rulebook(place, "twice", both, login(sandbox)) as rulebook:
            rulebook.wait_until(lambda: rulebook.process.poll() is not None)
            assert "Another run feeds this stream to a rulebook under the same consumer" in rulebook.errors
            assert login(sandbox)["EDGECAST_TOKEN"] not in rulebook.errors + rulebook.output
