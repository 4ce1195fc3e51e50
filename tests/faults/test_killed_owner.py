"""An owner that is killed at a scripted moment, and what whoever comes next finds."""

import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

import sweep
from sweep import planning
from sweep.layout import OK, UNSTABLE
from sweep.ledger import Ledger
from sweep.reading import stored_plan
from sweep.state import SweepState
from tests.faults.tools import document, results

pytestmark = pytest.mark.usefixtures("plugin")

DRIVER = Path(__file__).with_name("driver.py")
POINTS = 20
RUN = document("killed", axes={"x": {"arange": [POINTS]}})
COUNTS = {"ok": 19, "unstable": 1}

MOMENTS = [
    # moment, when, call, blocks that must have been finished; None: there is no sweep yet
    ("its arrays are made", "after", 1, None),
    ("the sweep gets its name", "before", 1, None),
    ("the sweep gets its name", "after", 1, 0),
    ("the owner is numbered", "before", 1, 0),
    ("the owner is numbered", "after", 1, 0),
    ("a chunk is written", "before", 3, 0),
    ("a chunk is written", "after", 3, 0),
    ("a chunk is synced", "before", 6, 0),
    ("a chunk is synced", "after", 6, 0),
    ("a chunk gets its name", "before", 5, 0),
    ("a chunk gets its name", "after", 5, 0),
    ("its name is synced", "before", 5, 0),
    ("its name is synced", "after", 5, 0),
    ("rows are put", "before", 4, 0),
    ("rows are put", "after", 4, 0),
    ("rows are committed", "before", 4, 3),
    ("rows are committed", "after", 4, 4),
    ("the status is written", "before", 1, 0),
    ("the status is written", "after", 1, 0),
]  # fmt: skip
QUICK = [("the sweep gets its name", "before"), ("a chunk gets its name", "after")]


def cases(listed: Sequence[tuple[Any, ...]], quick: Sequence[tuple[str, str]]) -> list[object]:
    """Mark those that take part in the long form only."""
    return [
        pytest.param(
            *case, id=f"{case[1]} {case[0]}", marks=[] if case[:2] in quick else pytest.mark.long
        )
        for case in listed
    ]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LEAST_SECONDS", 0.0)


def killed(
    folder: Path, moment: str, when: str, call: int, content: dict[str, object],
    values: dict[str, list[float]] | None = None,
) -> None:  # fmt: skip
    """Run or extend a sweep in a process that kills itself."""
    told = {"moment": moment, "when": when, "call": call, "content": content, "values": values,
            "workspace": str(folder)}  # fmt: skip
    command = [sys.executable, "-P", str(DRIVER), json.dumps(told)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == -signal.SIGKILL, run.stdout + run.stderr


# --- a run ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, client: Client) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("quiet")
    return results(sweep.run(RUN, workspace=folder, scheduler=client).path)


@pytest.mark.parametrize(("moment", "when", "call", "least"), cases(MOMENTS, QUICK))
def test_a_run_goes_on_wherever_its_owner_was_killed(
    tmp_path: Path, client: Client, quiet: dict[str, bytes],
    moment: str, when: str, call: int, least: int | None,
) -> None:  # fmt: skip
    diary = tmp_path / "diary"
    content = {**RUN, "fixed": {"diary": str(diary)}}
    killed(tmp_path, moment, when, call, content)
    finished: set[float] = set()
    if least is None:
        with pytest.raises(sweep.StoreError, match="There is no sweep"):
            sweep.status("killed", tmp_path)
    else:
        before = sweep.status("killed", tmp_path)
        assert least <= before.blocks_done < before.blocks
        assert sum(before.counts.values()) == POINTS
        assert not before.running
        finished = points_of(tmp_path / "killed")

    after = sweep.run(content, workspace=tmp_path, scheduler=client)

    assert after.counts == COUNTS
    assert results(after.path) == quiet
    assert sweep.verify(after.path, sample=1).check.damaged == ()
    assert not list(after.path.glob(".in_hand/*"))
    computed = Counter(map(float, diary.read_text().split()))
    assert len(computed) == POINTS
    assert {computed[x] for x in finished} <= {1}, "what is finished is not computed again"


def points_of(path: Path) -> set[float]:
    """Give the points that the ledger has."""
    ledger = Ledger(path)
    status = SweepState.of(stored_plan(path), ledger).arrays()["status"]
    ledger.close()
    return {float(x) for x in np.flatnonzero(np.isin(status, (OK, UNSTABLE)))}


# --- an extension ---------------------------------------------------------------------------

GROWS = document("grows", axes={"x": {"arange": [33]}})
VALUES = {"x": [32.5, 40.0, 41.0, 42.0]}
STEPS = [
    # moment, when, call, whether the extension has happened
    ("it is prepared", "before", 1, False),
    ("it is prepared", "after", 1, False),
    ("it is decided", "before", 1, False),
    ("it is decided", "after", 1, True),
    ("a file is put in place", "before", 2, True),
    ("a file is put in place", "after", 3, True),
    ("the journal is closed", "before", 1, True),
    ("the journal is closed", "after", 1, True),
    ("the journal is removed", "before", 1, True),
    ("the journal is removed", "after", 1, True),
    ("a chunk gets its name", "before", 1, True),
    ("a chunk gets its name", "after", 1, True),
    ("rows are committed", "before", 2, True),
    ("rows are committed", "after", 2, True),
]  # fmt: skip
QUICK_STEPS = [("it is decided", "before"), ("a file is put in place", "before")]
Look = Callable[[Path, Client], object]
LOOKS: dict[str, Look] = {
    "run": lambda path, client: sweep.run(GROWS, workspace=path.parent, scheduler=client),
    "status": lambda path, client: sweep.status(path),
    "query": lambda path, client: sweep.query(path, "square > 100"),
    "errors": lambda path, client: sweep.errors(path),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """A sweep whose last chunk is partly filled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "LEAST_SECONDS", 0.0)
        path = sweep.run(GROWS, workspace=tmp_path_factory.mktemp("begun"), scheduler=client).path
    (region,) = stored_plan(path).regions.values()
    assert region.shape[0] % region.chunk[0]
    return path


@pytest.fixture(scope="module")
def extended(begun: Path, client: Client) -> dict[str, bytes]:
    quiet = begun.parent / "extended" / "grows"
    shutil.copytree(begun, quiet)
    return results(sweep.extend(quiet, VALUES, scheduler=client).path)


@pytest.mark.parametrize(("moment", "when", "call", "happened"), cases(STEPS, QUICK_STEPS))
def test_an_extension_has_happened_or_not_wherever_its_owner_was_killed(
    tmp_path: Path, client: Client, begun: Path, extended: dict[str, bytes],
    moment: str, when: str, call: int, happened: bool,
) -> None:  # fmt: skip
    path = tmp_path / "grows"
    shutil.copytree(begun, path)
    killed(tmp_path, moment, when, call, GROWS, VALUES)
    look = list(LOOKS)[STEPS.index((moment, when, call, happened)) % len(LOOKS)]

    LOOKS[look](path, client)

    assert not (path / ".extension").exists()
    assert sum(sweep.status(path).counts.values()) == (37 if happened else 33)
    assert sweep.open(path).x.size == (37 if happened else 33)
    result = sweep.extend(path, VALUES, scheduler=client)
    assert result.counts == {"ok": 36, "unstable": 1}
    assert results(path) == extended
    assert not list(path.glob(".extension*"))
    assert sweep.verify(path, sample=1).check.damaged == ()
