"""A hundred sweeps and one of a million points: what looking at them reads."""

import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sweep import ledger_file, reading
from sweep.service.desk import Desk
from sweep.service.metrics import exposition
from tests.service.inside import Inside
from tests.service.stores import chains, copied, finished

SWEEPS = 100
MILLION = 1000
"""Values of each of two axes."""
STATEMENTS_A_SWEEP = 8
CALLS_A_SWEEP = 3000


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred sweeps of nine points and one of a million, finished."""
    folder = tmp_path_factory.mktemp("results")
    finished(folder, chains("large", MILLION, MILLION))
    small = finished(folder, chains("small-0", 3, 3))
    for i in range(1, SWEEPS):
        copied(small, f"small-{i}")
    return folder


class Reads:
    """Counts what a look at sweeps reads: statements of ledgers, their rows, plans, folds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.folded: list[str] = []
        connect = sqlite3.connect

        def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **options)
            connection.set_trace_callback(self.statements.append)
            return connection

        def fold(folder: Path) -> Any:
            self.folded.append(folder.name)
            return folded(folder)

        def build(folder: Path) -> Any:
            self.folded.append(folder.name)
            return stored_plan(folder)

        folded, stored_plan = reading.folded, reading.stored_plan
        monkeypatch.setattr(ledger_file.sqlite3, "connect", traced)
        monkeypatch.setattr(reading, "folded", fold)
        monkeypatch.setattr(reading, "stored_plan", build)

    def of_blocks(self) -> list[str]:
        return [s for s in self.statements if re.search(r"\bfrom block\b", s.lower())]


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """Count calls of Python functions: a loop over points or blocks makes as many."""
    calls = [0]

    def count(frame: FrameType, event: str, argument: object) -> None:
        calls[0] += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def test_a_list_of_sweeps_reads_a_summary_of_each(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Reads(monkeypatch)

    with counted_calls() as calls:
        found = Desk(workspace).statuses()

    assert len(found) == SWEEPS + 1
    assert {s.state for s in found} == {"complete"}
    assert found[0].counts == {"ok": MILLION**2}
    assert reads.folded == []
    assert reads.of_blocks() == []
    assert len(reads.statements) <= STATEMENTS_A_SWEEP * len(found)
    assert calls[0] <= CALLS_A_SWEEP * len(found)


def test_a_million_points_take_no_more_than_nine(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Reads(monkeypatch)
    desk = Desk(workspace)
    desk.status("small-0")  # whatever is done once

    counts = []
    for name in ("small-1", "large"):
        reads.statements.clear()
        with counted_calls() as calls:
            desk.status(name)
        counts.append((len(reads.statements), calls[0]))

    (few_statements, few_calls), (many_statements, many_calls) = counts
    assert many_statements == few_statements
    assert many_calls <= few_calls + 50
    assert reads.folded == []


def test_one_sweep_is_found_without_a_look_at_the_others(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Reads(monkeypatch)
    desk = Desk(workspace)

    desk.status("small-1")
    desk.folder("small-1")

    assert len(reads.statements) <= 2 * STATEMENTS_A_SWEEP


def test_a_summary_that_is_no_longer_true_is_made_anew(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(workspace / "small-0", tmp_path / "small-0", copy_function=shutil.copy2)
    with sqlite3.connect(tmp_path / "small-0" / "ledger.sqlite") as db:
        db.execute("update fact set value = '999' where name = 'commits'")
    db.close()
    reads = Reads(monkeypatch)

    status = Desk(tmp_path).status("small-0")

    assert status.counts == {"ok": 9}
    assert "small-0" in reads.folded
    assert reads.of_blocks()


@pytest.fixture(scope="module")
def inside(workspace: Path) -> Iterator[Inside]:
    service = Inside(workspace).start()
    yield service
    service.stop()


def test_the_service_lists_and_counts_them_without_a_fold(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Reads(monkeypatch)

    listed = inside.ask("GET", "/sweeps")
    large = inside.ask("GET", "/sweeps/large")
    numbers = inside.ask("GET", "/metrics")

    assert len(listed.told) == SWEEPS + 1
    assert large.told["counts"] == {"ok": MILLION**2}
    assert f'modesweep_points{{sweep="large",status="ok"}} {MILLION**2:g}' in str(numbers.body)
    assert f'modesweep_sweeps{{state="complete"}} {SWEEPS + 1}' in str(numbers.body)
    assert reads.folded == []
    assert reads.of_blocks() == []


def test_folders_that_are_no_sweeps_do_not_hide_them_or_break_the_numbers(
    workspace: Path, inside: Inside
) -> None:
    odd = workspace / 'odd"} 1\nx{y="\\'
    (odd / "data.zarr").mkdir(parents=True)
    try:
        listed = inside.ask("GET", "/sweeps").told
        text = exposition(inside.service)
    finally:
        shutil.rmtree(odd)

    assert [s["name"] for s in listed if s["state"] == "damaged"] == [odd.name]
    assert len(listed) == SWEEPS + 2
    assert r'{sweep="odd\"} 1\nx{y=\"\\"}' in text
    assert all(row.startswith(("#", "modesweep_")) for row in text.splitlines())
