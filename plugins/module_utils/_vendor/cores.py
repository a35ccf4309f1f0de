# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many processor cores this process may use, given its affinity and the CPU quota of its control group.

This module is private to the collection and may change at any time.

A container with a quota of one core on a machine with 64 sees all 64 of them, but a second busy process would only be
throttled.
"""

from __future__ import annotations

import math
import os
import pathlib
import typing as t

_ROOT = pathlib.Path("/sys/fs/cgroup")
_OWN = pathlib.Path("/proc/self/cgroup")


def usable_cores(*, root: pathlib.Path = _ROOT, own: pathlib.Path = _OWN) -> int:
    """Return the number of cores, at least 1.

    Args:
        root: where the control groups are mounted.
        own: the file that names this process's groups.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not available on every system
        return 1
    return max(1, min([cores, *map(math.ceil, _quotas(root, own))]))


def _quotas(root: pathlib.Path, own: pathlib.Path) -> t.Iterator[float]:
    """Yield the quota, in cores, of each group of this process that has one."""
    for controllers, path in _groups(own):
        if not controllers:
            yield from _each_level(root, path, _version_2)
        elif "cpu" in controllers:
            yield from _each_level(root / "cpu", path, _version_1)
            yield from _each_level(root / ",".join(controllers), path, _version_1)


def _groups(own: pathlib.Path) -> list[tuple[list[str], str]]:
    found = []
    for line in _text(own).splitlines():
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        found.append(([name for name in controllers.split(",") if name], path))
    return found


def _each_level(top: pathlib.Path, path: str, quota: t.Callable[[pathlib.Path], float | None]) -> t.Iterator[float]:
    """Yield the quotas of a group and of all its parents. Inside a container, the path may be relative to the host."""
    folder = top / path.lstrip("/")
    for level in (folder, *folder.parents):
        if level == top or top in level.parents:
            found = quota(level)
            if found is not None:
                yield found


def _version_2(folder: pathlib.Path) -> float | None:
    words = _text(folder / "cpu.max").split()
    return _ratio(*words) if len(words) == 2 else None


def _version_1(folder: pathlib.Path) -> float | None:
    return _ratio(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    """The quota in cores; None for ``max``, for -1, and for values that cannot be parsed."""
    try:
        used, of = int(quota), int(period)
    except ValueError:
        return None
    return used / of if used > 0 and of > 0 else None


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
