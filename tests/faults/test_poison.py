"""One bad point costs itself and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from distributed import Client

import sweep
from sweep.layout import FAILED, OK, STATUS, UNSTABLE
from tests.faults.tools import document

pytestmark = pytest.mark.usefixtures("plugin")

POISONS = {20: "exception", 40: "hang", 60: "segfault", 80: "memory"}
REASONS = {
    20: ("exception", "RuntimeError: this number is poison"),
    40: ("timeout", "took longer than 2 s"),
    60: ("signal", "SIGSEGV"),
    80: ("memory", "MemoryError"),
}


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory, client: Client) -> sweep.Result:
    poison = [POISONS.get(i, "none") for i in range(100)]
    content = document(
        "poisoned", zip=[["x", "poison"]], axes={"x": {"arange": [100]}, "poison": poison},
        run={"timeout": 2, "retries": 1, "memory": "500MB"},
    )  # fmt: skip
    return sweep.run(content, workspace=tmp_path_factory.mktemp("poison"), scheduler=client)


def test_each_poison_marks_its_own_point_with_the_reason(poisoned: sweep.Result) -> None:
    found = {int(e.point["x"]): e for e in sweep.errors(poisoned.path)}

    assert sorted(found) == sorted(REASONS)
    for x, (kind, message) in REASONS.items():
        assert found[x].kind == kind
        assert message in found[x].message


def test_neighbours_of_poison_are_right(poisoned: sweep.Result) -> None:
    data = poisoned.open()
    good = np.array([i for i in range(100) if i not in POISONS])

    assert poisoned.counts == {"ok": 95, "failed": 4, "unstable": 1}
    assert (data.square.values[good] == good**2).all()
    assert np.isnan(data.square.values[list(POISONS)]).all()
    assert (data.status.values[list(POISONS)] == FAILED).all()
    assert data.status.values[7] == UNSTABLE
    assert (np.delete(data.status.values[good], 7) == OK).all()


def test_only_deaths_are_tried_again_and_no_neighbour_counts_them(
    poisoned: sweep.Result,
) -> None:
    attempts = poisoned.open().attempts.values

    assert {x: attempts[x] for x in POISONS} == {20: 1, 40: 1, 60: 2, 80: 2}
    assert (np.delete(attempts, list(POISONS)) == 1).all()


def test_a_failure_keeps_its_traceback_and_can_be_reproduced(poisoned: sweep.Result) -> None:
    (error,) = [e for e in sweep.errors(poisoned.path) if e.kind == "exception"]

    assert "misbehave" in error.traceback
    with pytest.raises(RuntimeError, match="this number is poison"):
        error.reproduce()


def test_status_flags_say_what_the_numbers_mean(poisoned: sweep.Result) -> None:
    attrs = poisoned.open().status.attrs

    assert attrs["flag_meanings"].split() == list(STATUS)
    assert list(attrs["flag_values"]) == list(range(len(STATUS)))


def test_a_failed_shared_stage_fails_its_points_with_one_entry(
    tmp_path: Path, client: Client
) -> None:
    content = document("hosts", "shared-host",
                       axes={"host": [1, 13], "defect": {"arange": [12]}})  # fmt: skip

    result = sweep.run(content, workspace=tmp_path, scheduler=client)

    (error,) = sweep.errors(result.path)
    assert (error.stage, error.point, error.kind) == ("host", {"host": 13}, "exception")
    assert result.counts == {"ok": 12, "failed": 12}
    assert np.isnan(result.open().level.sel(host=13)).all()
    assert result.open().level.sel(host=1, defect=3).item() == pytest.approx(16 / 7 + 3)


def test_an_input_that_fails_is_blamed_once_whoever_makes_it_again(
    tmp_path: Path, client: Client
) -> None:
    """The relaxation is a region of its own, and made again in the blocks of the modes."""
    content = document(
        "loose", "slab", outputs=["frequency", "layer_height"],
        fixed={"layers": 4, "cutoff": 3.0, "k_points": 8, "adlayer": "one side"},
        axes={"surface_bond_ratio": [1.0, 0.001], "adlayer_mass_ratio": [1.0, 2.0]},
    )  # fmt: skip

    result = sweep.run(content, workspace=tmp_path, scheduler=client)

    (error,) = sweep.errors(result.path)
    assert (error.stage, error.kind) == ("structure", "exception")
    assert error.point["surface_bond_ratio"] == 0.001
    assert "relaxed_shifts" in error.traceback
    assert "evaluate.py" not in error.traceback
    assert result.counts == {"ok": 2, "failed": 2}
