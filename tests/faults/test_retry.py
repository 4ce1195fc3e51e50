"""Failed and lost points, and no others, are computed again once the code is mended."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

import sweep
from sweep.layout import FAILED, LOST, OK
from sweep.ledger import BlockRow, Ledger
from sweep.stage_cache import list_kept
from tests.faults.tools import document, modesweep, results

pytestmark = pytest.mark.usefixtures("plugin")

X = 30
SOURCES = [2, 3]
BAD = {4: "exception", 11: "segfault", 12: "exception"}
"""By value of x, for both sources."""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "code"
    file.write_text("".join(f"target {x} {kind}\n" for x, kind in BAD.items()))
    return file


def mendable(tmp_path: Path, name: str = "mendable", **run: Any) -> dict[str, Any]:
    fixed = {"code": str(tmp_path / "code"), "diary": str(tmp_path / "diary")}
    axes = {"source": SOURCES, "x": {"arange": [X]}}
    return document(name, "mendable", fixed=fixed, axes=axes, run={"retries": 1, **run})


def computed(tmp_path: Path) -> Counter[str]:
    """Count what was computed since the last look."""
    diary = tmp_path / "diary"
    lines = Counter(diary.read_text().splitlines()) if diary.exists() else Counter()
    diary.write_text("")
    return lines


def rows(path: Path) -> dict[tuple[str, tuple[int, ...]], BlockRow]:
    ledger = Ledger(path)
    found = {(row.region, row.cell): row for row in ledger.blocks()}
    ledger.close()
    return found


def quiet(tmp_path: Path, client: Client) -> dict[str, bytes]:
    """Run the same points, with code that is right from the start."""
    (tmp_path / "code").write_text("")
    folder = tmp_path / "quiet"
    return results(sweep.run(mendable(tmp_path), workspace=folder, scheduler=client).path)


def chunks(path: Path, name: str) -> dict[Path, tuple[int, bytes]]:
    files = (path / "data.zarr" / name / "c").rglob("*")
    return {p: (p.stat().st_ino, p.read_bytes()) for p in files if p.is_file()}


@pytest.mark.long
def test_exactly_the_failed_points_are_computed_again_once_the_code_is_mended(
    tmp_path: Path, client: Client, code: Path
) -> None:
    path = sweep.run(mendable(tmp_path), workspace=tmp_path, scheduler=client).path
    assert sweep.status(path).counts == {"ok": 54, "failed": 6}
    assert sweep.run(mendable(tmp_path), workspace=tmp_path, scheduler=client).counts == {
        "ok": 54, "failed": 6,
    }  # fmt: skip
    before, chunks_before = rows(path), chunks(path, "height")
    computed(tmp_path)
    code.write_text("")

    result = sweep.retry(path, scheduler=client)

    assert result.counts == {"ok": 60}
    assert computed(tmp_path) == {f"target {x}": len(SOURCES) for x in BAD}
    assert sweep.errors(path) == []
    touched = {key for key, row in rows(path).items() if row.finished != before[key].finished}
    assert touched == {key for key, row in before.items() if FAILED in row.status}
    bad_chunks = {p for p, now in chunks(path, "height").items() if now != chunks_before[p]}
    assert len(bad_chunks) == len(touched) < len(chunks_before)
    attempts = sweep.open(path).attempts.values
    assert (attempts[:, list(BAD)] == [2, 3, 2]).all(), "a segfault is tried again at once"
    assert (np.delete(attempts, list(BAD), axis=1) == 1).all()
    assert results(path) == quiet(tmp_path, client)


@pytest.mark.long
def test_what_still_fails_keeps_its_count_and_its_reason(
    tmp_path: Path, client: Client, code: Path
) -> None:
    path = sweep.run(mendable(tmp_path), workspace=tmp_path, scheduler=client).path
    code.write_text("target 11 exception\n")

    for again in (2, 3):
        result = sweep.retry(path, scheduler=client)

        assert result.counts == {"ok": 58, "failed": 2}
        found = sweep.errors(path)
        assert [(e.kind, e.stage, e.point["x"]) for e in found] == [("exception", "target", 11)] * 2
        assert [e.attempts for e in found] == [again + 1] * 2
        assert (sweep.open(path).attempts.values[:, 11] == again + 1).all()
    code.write_text("")
    assert sweep.retry(path, scheduler=client).complete
    assert results(path) == quiet(tmp_path, client)


def test_a_failure_of_a_shared_stage_is_no_cache_hit_and_its_dependents_follow(
    tmp_path: Path, client: Client, code: Path
) -> None:
    code.write_text("source 3 exception\n")
    path = sweep.run(mendable(tmp_path), workspace=tmp_path, scheduler=client).path
    (error,) = sweep.errors(path)
    assert (error.stage, error.point) == ("source", {"source": 3})
    assert sweep.status(path).counts == {"ok": 30, "failed": 30}
    (kept,) = list_kept(tmp_path)
    kept_before = kept.path.stat().st_ino
    assert kept.values["source"] == 2
    computed(tmp_path)
    code.write_text("")

    result = sweep.retry(path, scheduler=client)

    done = computed(tmp_path)
    assert done == {"source 3": 1, **{f"target {x}": 1 for x in range(X)}}
    assert result.counts == {"ok": 60}
    assert sorted(k.values["source"] for k in list_kept(tmp_path)) == SOURCES
    assert kept.path.stat().st_ino == kept_before
    assert results(path) == quiet(tmp_path, client)
    # and a later sweep finds both
    (tmp_path / "code").write_text("")
    later = mendable(tmp_path, "later") | {"axes": {"source": SOURCES, "x": [100.0, 101.0]}}
    computed(tmp_path)
    sweep.run(later, workspace=tmp_path, scheduler=client)
    assert not [line for line in computed(tmp_path) if line.startswith("source")]


@pytest.mark.long
def test_lost_points_are_tried_again(tmp_path: Path, client: Client, code: Path) -> None:
    code.write_text("target 7 worker\n")
    path = sweep.run(mendable(tmp_path, retries=0), workspace=tmp_path, workers=1).path
    status = sweep.open(path).status.values
    assert (status[:, 7] == LOST).all()
    assert (np.delete(status, 7, axis=1) == OK).all()
    computed(tmp_path)
    code.write_text("")

    code_of_exit, out = modesweep("retry", path, "--workers", 1)

    assert code_of_exit == 0, out
    assert computed(tmp_path) == {"target 7": 2}
    assert (sweep.open(path).attempts.values[:, 7] == 2).all()
    assert results(path) == quiet(tmp_path, client)


@pytest.mark.long
def test_a_shared_stage_that_kills_its_worker_is_lost_and_so_are_its_dependents(
    tmp_path: Path, client: Client, code: Path
) -> None:
    code.write_text("source 3 worker\n")
    result = sweep.run(mendable(tmp_path), workspace=tmp_path, workers=2)

    (error,) = sweep.errors(result.path)
    assert (error.kind, error.stage, error.point) == ("lost", "source", {"source": 3})
    assert computed(tmp_path)["source 3"] == 2
    assert {k: v for k, v in result.counts.items() if k == "ok"} == {"ok": 30}
    assert sum(result.counts.get(k, 0) for k in ("failed", "lost")) == 30
    code.write_text("")
    assert sweep.retry(result.path, scheduler=client).counts == {"ok": 60}
    assert results(result.path) == quiet(tmp_path, client)
