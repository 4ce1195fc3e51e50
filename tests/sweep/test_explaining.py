"""A point tells what it is and why."""

import json
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

import sweep
from sweep.explaining import Explanation
from sweep.layout import plan_file

pytestmark = pytest.mark.usefixtures("plugin")

MESH: dict[str, Any] = {
    "modesweep": 1, "name": "mesh", "model": "slab", "outputs": ["frequency"],
    "where": "adlayer != 'none' or adlayer_mass_ratio != 3",
    "fixed": {"layers": 4, "k_mesh": 6, "cutoff": 2.0},
    "axes": {"adlayer": ["none", "one side"], "adlayer_mass_ratio": [1.0, 2.0, 3.0],
             "material": ["Ar", "Xe"]},
}  # fmt: skip
POINT = {"adlayer": "none", "adlayer_mass_ratio": 2, "material": "Ar"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    sweep.run(MESH, workspace=folder, scheduler=client)
    hosts = {"modesweep": 1, "model": "shared-host", "axes": {"host": [1, 13], "defect": [0, 1]}}
    sweep.run({**hosts, "name": "hosts"}, workspace=folder, scheduler=client)
    hosts["axes"] = {"host": [1], "defect": [5, 6]}
    sweep.run({**hosts, "name": "later"}, workspace=folder, scheduler=client)
    return folder


def lines(told: Explanation, stage: str) -> str:
    """Give what is said of a stage, in one text."""
    (account,) = [a for a in told.accounts if stage in a.stages]
    return "; ".join((account.status, *account.lines))


def test_a_computed_point_names_its_block_and_what_it_is_shared_with(workspace: Path) -> None:
    told = sweep.explain("mesh", POINT, workspace=workspace)

    assert told.status == "ok"
    assert "computed" in lines(told, "modes")
    assert "block 0/0/0/0" in lines(told, "modes")
    assert "all values of material, brought to its units by scaling" in lines(told, "modes")
    assert "does not depend on adlayer_mass_ratio" in lines(told, "structure")


def test_a_parameter_without_effect_names_the_point_that_is_equal(workspace: Path) -> None:
    told = sweep.explain("mesh", POINT, workspace=workspace)
    other = sweep.explain("mesh", {**POINT, "adlayer": "one side"}, workspace=workspace)

    assert any("those of adlayer_mass_ratio=1.0" in line for line in told.remarks)
    assert not any("no effect" in line for line in other.remarks)


def test_symmetry_is_counted(workspace: Path) -> None:
    told = sweep.explain("mesh", POINT, workspace=workspace)

    solved = sweep.open("mesh", workspace).sizes["k"]
    assert solved < 36
    assert any(f"{solved} wavevectors stand for the 36" in line for line in told.remarks)


def test_a_skipped_point_names_the_condition(workspace: Path) -> None:
    told = sweep.explain("mesh", {**POINT, "adlayer_mass_ratio": 3}, workspace=workspace)

    assert told.status == "skipped"
    assert told.accounts == ()
    assert "`where` leaves it out: adlayer != 'none'" in told.remarks[0]


def test_a_failed_shared_stage_is_told_with_its_error(workspace: Path) -> None:
    told = sweep.explain("hosts", {"host": 13, "defect": 1}, workspace=workspace)

    assert told.status == "failed"
    assert "ArithmeticError: this host cannot be computed" in lines(told, "host")
    assert "reads the kept results of host" in lines(told, "defect")


def test_a_reused_result_names_the_sweep_that_made_it(workspace: Path) -> None:
    later = sweep.explain("later", {"host": 1, "defect": 6}, workspace=workspace)
    first = sweep.explain("hosts", {"host": 1, "defect": 1}, workspace=workspace)

    assert "reused: from sweep hosts, kept under" in lines(later, "host")
    assert "reused" not in lines(first, "host")


def test_another_revision_makes_a_point_stale(tmp_path: Path, client: Client) -> None:
    path = sweep.run(MESH, workspace=tmp_path, scheduler=client).path
    frozen = json.loads(plan_file(path).read_text())
    plan_file(path).write_text(json.dumps({**frozen, "revision": 0}))

    told = sweep.explain(path, POINT)

    assert any("stale: computed by revision 0" in line for line in told.remarks)


def test_points_still_to_be_done_say_so(workspace: Path, client: Client) -> None:
    sweep.extend("mesh", {"adlayer_mass_ratio": [9]}, workspace=workspace, compute=False)

    told = sweep.explain(
        "mesh", {"adlayer": "one side", "adlayer_mass_ratio": 9, "material": "Xe"},
        workspace=workspace,
    )  # fmt: skip

    assert told.status == "todo"
    assert "not computed yet" in lines(told, "modes")
    assert "computed" in lines(told, "structure")


def test_every_mistake_in_a_point_is_told_at_once(workspace: Path) -> None:
    with pytest.raises(sweep.InputError) as caught:
        sweep.explain("mesh", {"adlayr": "none", "material": "Kr"}, workspace=workspace)

    for text in ('Did you mean "adlayer"', "material has no value", "adlayer has 2 values: say"):
        assert text in str(caught.value)
