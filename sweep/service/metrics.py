"""Numbers of a service in Prometheus' text format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from sweep.service.service import Service


def exposition(service: Service) -> str:
    """Write all numbers."""
    health, statuses = service.health, service.statuses()
    states = Counter(s.state for s in statuses)
    points = [({"sweep": s.name, "status": w}, n) for s in statuses for w, n in s.counts.items()]
    lines = [
        *_gauge("modesweep_scheduler_up", "Does the scheduler answer", [({}, not health.fault)]),
        *_gauge("modesweep_workers", "Workers of the cluster", [({}, health.workers)]),
        *_gauge("modesweep_slots", "Worker threads of the cluster", [({}, health.slots)]),
        *_gauge("modesweep_carried_sweeps", "Sweeps that have a seat", [({}, health.carried)]),
        *_gauge("modesweep_resident_bytes", "Memory of the service", [({}, _resident())]),
        *_gauge("modesweep_sweeps", "Sweeps by state",
                [({"state": state}, n) for state, n in sorted(states.items())]),
        *_gauge("modesweep_points", "Points by sweep and status", points),
        *_gauge("modesweep_blocks_done", "Finished blocks by sweep",
                [({"sweep": s.name}, s.blocks_done) for s in statuses]),
        *_gauge("modesweep_blocks", "Blocks by sweep",
                [({"sweep": s.name}, s.blocks) for s in statuses]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _gauge(name: str, what: str, samples: Iterable[tuple[dict[str, str], float]]) -> list[str]:
    rows = []
    for labels, value in samples:
        inside = ",".join(f'{k}="{_escaped(v)}"' for k, v in labels.items())
        rows.append(
            f"{name}{{{inside}}} {float(value):g}" if inside else f"{name} {float(value):g}"
        )
    return [f"# HELP {name} {what}.", f"# TYPE {name} gauge", *rows]


def _escaped(value: str) -> str:
    """Write a label: a folder that looks like a damaged sweep may have any name."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
