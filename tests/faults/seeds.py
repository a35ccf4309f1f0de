# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed of tests that leave something to chance: fixed, unless the environment asks for another one."""

from __future__ import annotations

import os
import random

FIXED = 20261101
VARIABLE = "PERIMETER_FAULT_SEED"


def choose_seed() -> int:
    """The seed of this run, which is printed so that the run can be repeated.

    Returns:
        The number in PERIMETER_FAULT_SEED, a random one when it is ``random`` (as ``make faults`` sets it), else always
        the same.
    """
    wanted = os.environ.get(VARIABLE) or str(FIXED)
    seed = random.SystemRandom().randrange(2**31) if wanted == "random" else int(wanted)
    print(f"{VARIABLE}={seed}")
    return seed
