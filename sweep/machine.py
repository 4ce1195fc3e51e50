"""What this process may use: cores and memory, limits of a container or batch system counted."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
UNLIMITED = 2**60
"""Bytes from which on a limit is none: the kernel writes a huge number for it."""


def cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def core_quota() -> float | None:
    """Give the cores' worth of time that a control group allows; None: all of them."""
    found = []
    for text in _limits("cpu.max", "cpu", "cpu.cfs_quota_us"):
        quota, _, period = text.partition(" ")
        if quota.lstrip("-").isdigit() and int(quota) > 0:
            found.append(int(quota) / int(period or 100_000))
    return min(found, default=None)


def memory_bytes() -> int:
    """Give the memory that this process may have: the machine's, or less by a limit."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    found += [int(x) for x in _limits("memory.max", "memory", "memory.limit_in_bytes")
              if x.isdigit()]  # fmt: skip
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    found += [soft] if soft != resource.RLIM_INFINITY else []
    return min(x for x in found if x < UNLIMITED)


def _limits(unified: str, controller: str, older: str) -> Iterator[str]:
    """Read a limit of the control groups of this process and of all groups around them."""
    for root, group in _groups(controller):
        name = unified if root == CGROUPS or root.name == "unified" else older
        for folder in (group, *group.parents):
            try:
                yield (root / folder.relative_to("/") / name).read_text().strip()
            except (OSError, ValueError):
                continue


def _groups(controller: str) -> Iterator[tuple[Path, Path]]:
    """Give where groups are mounted, and the group in there: version 2, then version 1."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, names, group = line.split(":", 2)
        if number == "0":
            yield (CGROUPS / "unified" if (CGROUPS / "unified").is_dir() else CGROUPS), Path(group)
        elif controller in names.split(","):
            yield CGROUPS / controller, Path(group)
