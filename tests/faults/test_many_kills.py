"""The long form: killed again and again at moments drawn from a seed, then compared."""

import random
import subprocess
from pathlib import Path

import numpy as np
import pytest

import sweep
from tests.faults.tools import document, finish, kill_all, results, start

pytestmark = [pytest.mark.usefixtures("plugin"), pytest.mark.long]

SLOW = document("slow", fixed={"slow": 0.03}, axes={"x": {"arange": [300]}})
SLABS = {
    "modesweep": 1, "name": "slabs", "model": "slab",
    "fixed": {"layers": 31, "k_points": 200},
    "axes": {"surface": ["100", "110", "111"], "adlayer": ["none", "one side", "both sides"],
             "adlayer_mass_ratio": [1.0, 2.0, 5.0]},
}  # fmt: skip


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("content", [SLOW, SLABS], ids=["squares", "slabs"])
@pytest.mark.parametrize("seed", [1, 2])
def test_ten_kills_at_drawn_moments_leave_the_bytes_of_a_quiet_run(
    tmp_path: Path, content: dict[str, object], seed: int
) -> None:
    draw = random.Random(seed)
    quiet = sweep.run(content, workspace=tmp_path / "quiet", workers=2)
    folder = tmp_path / "results" / str(content["name"])

    kills = 0
    for _ in range(10):
        process = start(content, tmp_path, "--workers", "2")
        try:
            process.wait(timeout=draw.uniform(0.5, 4.0))
            process.communicate()
        except subprocess.TimeoutExpired:
            kill_all(process)
            kills += 1
    code, out = finish(start(content, tmp_path, "--workers", "2"))

    assert code == 0, out
    assert kills >= 3, "the run must not end before it is killed"
    assert results(folder) == results(quiet.path)


@pytest.mark.timeout(1200)
def test_four_poisons_among_a_thousand_points_are_found_exactly(tmp_path: Path) -> None:
    poisons = {111: "exception", 333: "hang", 555: "segfault", 777: "memory"}
    content = document(
        "thousand", zip=[["x", "poison"]], run={"timeout": 5, "retries": 1, "memory": "500MB"},
        axes={"x": {"arange": [1000]},
              "poison": [poisons.get(i, "none") for i in range(1000)]},
    )  # fmt: skip

    result = sweep.run(content, workspace=tmp_path, workers=2)

    assert result.counts == {"ok": 995, "failed": 4, "unstable": 1}
    found = {int(e.point["x"]): (e.kind, e.stage, e.attempts) for e in sweep.errors(result.path)}
    assert found == {
        111: ("exception", "square", 1), 333: ("timeout", "square", 1),
        555: ("signal", "square", 2), 777: ("memory", "square", 2),
    }  # fmt: skip
    data = result.open()
    good = np.delete(np.arange(1000), list(poisons))
    assert (data.square.values[good] == good**2).all()
    assert (data.attempts.values[good] == 1).all()
