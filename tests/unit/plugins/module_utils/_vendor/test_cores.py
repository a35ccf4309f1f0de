# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many cores may be used: the fewest that affinity and any control group above the process allow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._vendor.cores import usable_cores


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)), raising=False)


def cores(folder: Path, own: str, files: dict[str, str]) -> int:
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "own").write_text(own)
    return usable_cores(root=folder / "cgroup", own=folder / "own")


CASES: dict[str, tuple[str, dict[str, str], int]] = {
    "no quota": ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
    "a container": ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
    "a part of a core more": ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
    "less than one core": ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
    "more than there are": ("0::/\n", {"cpu.max": "6400000 100000\n"}, 16),
    "the group above": ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
    "the path of the host": ("0::/docker/4711\n", {"cpu.max": "400000 100000\n"}, 4),
    "outside": ("0::/../../x\n", {"cpu.max": "max 100000\n"}, 16),
    "version 1": (
        "4:memory:/x\n3:cpu,cpuacct:/x\n",
        {"cpu,cpuacct/x/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n"},
        3,
    ),
    "version 1 without quota": (
        "3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16,
    ),
    "nonsense": ("x\n\n::::\n0::/\n", {"cpu.max": "many\n"}, 16),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_quota_of_the_control_group_counts(tmp_path: Path, name: str) -> None:
    own, files, expected = CASES[name]
    assert cores(tmp_path, own, files) == expected


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(root=tmp_path / "none", own=tmp_path / "none") == 16


def test_where_a_system_does_not_tell_one_core_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores(root=tmp_path, own=tmp_path) == 1
