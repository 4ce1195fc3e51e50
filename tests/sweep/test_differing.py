"""Diff finds what differs between two sweeps, whatever the shape of either."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from distributed import Client

import sweep
from sweep.comparison import differing
from sweep.comparison.points import Matching, match_values, same_value
from sweep.comparison.values import Comparison
from sweep.sweep_file import read
from tests.commands import run_here

pytestmark = pytest.mark.usefixtures("plugin")

RATIOS = [0.2, 0.5, 1.0]
CHAIN = {
    "modesweep": 1, "name": "chain", "model": "chain", "fixed": {"temperatures": [0, 1.5]},
    "axes": {"atoms": [3, 5], "end_mass_ratio": RATIOS},
}  # fmt: skip
SLAB = {
    "modesweep": 1, "name": "slab", "model": "slab",
    "outputs": ["frequency", "surface_weight", "mode_kind"],
    "where": "adlayer != 'none' or adlayer_mass_ratio == 2",
    "fixed": {"cutoff": 2.0, "k_points": 8, "material": "Xe"},
    "axes": {"layers": [5, 3], "adlayer": ["none", "one side"], "adlayer_mass_ratio": [0.3, 2.0]},
}  # fmt: skip
OTHERS = {
    "turned": CHAIN | {"axes": {"end_mass_ratio": [1.0, 0.7, 0.2], "atoms": [5, 3, 7]}},
    "fixed": CHAIN | {"fixed": {"temperatures": [0, 1.5], "atoms": 5},
                      "axes": {"end_mass_ratio": RATIOS}},
    "single": CHAIN | {"fixed": {"temperatures": [0, 1.5], "atoms": 5, "end_mass_ratio": 0.2},
                       "axes": {}},
    "zipped": CHAIN | {"zip": [["atoms", "end_mass_ratio"]],
                       "axes": {"atoms": [3, 5, 7], "end_mass_ratio": [1.0, 0.2, 0.5]}},
    "sprung": CHAIN | {"fixed": {"temperatures": [0, 1.5], "end_spring_ratio": 1.01}},
    "warmer": CHAIN | {"fixed": {"temperatures": [0, 2.0]}},
    "partly": CHAIN | {"outputs": ["end_weight"], "where": "atoms == 3 or end_mass_ratio < 1"},
    "longer": SLAB | {"axes": SLAB["axes"] | {"layers": [7, 3]}},
    "finer": SLAB | {"fixed": {"cutoff": 2.0, "k_points": 9, "material": "Xe"}},
    "reduced": SLAB | {"fixed": {"cutoff": 2.0, "k_points": 8}},
    "poison": {"modesweep": 1, "model": "poison", "axes": {"x": [1, 3, 7]}},
    "sick": {"modesweep": 1, "model": "poison", "fixed": {"poison": "exception", "at": 3},
             "axes": {"x": [1, 3, 7]}},
}  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """Make a workspace with pairs of sweeps."""
    workspace = tmp_path_factory.mktemp("differing")
    for name, content in {"chain": CHAIN, "slab": SLAB, **OTHERS}.items():
        sweep.run({**content, "name": name}, workspace=workspace, scheduler=client)
    return workspace


@pytest.fixture
def copy(stores: Path, tmp_path: Path) -> Path:
    """Give a workspace that a test may spoil."""
    shutil.copytree(stores, tmp_path / "results")
    return tmp_path / "results"


def of(found: differing.Difference, name: str) -> Comparison:
    """Give the comparison of one variable."""
    return next(v for v in found.variables if v.variable.name == name)


# --- the same points ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chain", "slab", "single", "zipped"])
def test_a_sweep_does_not_differ_from_itself(stores: Path, name: str) -> None:
    found = sweep.diff(name, name, workspace=stores)

    assert found.agree
    assert found.parameters == found.status == ()
    assert found.points[0] == found.points[1] == found.both == found.compared > 0
    assert all(v.identical == v.points > 0 for v in found.variables)
    assert all(not x.only_a and not x.only_b for x in found.axes)


def test_values_in_another_order_are_found(stores: Path) -> None:
    found = sweep.diff("chain", "turned", workspace=stores)

    axes = {x.name: x for x in found.axes}
    assert (found.points, found.both, found.compared) == ((6, 9), 4, 4)
    assert (axes["atoms"].both, axes["atoms"].only_a, axes["atoms"].only_b) == (2, [], [7])
    assert (axes["end_mass_ratio"].only_a, axes["end_mass_ratio"].only_b) == ([0.5], [0.7])
    assert all(v.identical == v.points for v in found.variables)
    assert of(found, "frequency_squared").points == 4
    assert of(found, "frequency_squared").values == 2 * (3 + 5)  # without the padding to 7
    assert of(found, "end_mode_squared").points == 2  # does not hang on the length


@pytest.mark.parametrize(("other", "points"), [("fixed", 3), ("single", 1), ("zipped", 2)])
def test_an_axis_matches_a_fixed_value_and_a_zipped_one(
    stores: Path, other: str, points: int
) -> None:
    there = sweep.diff("chain", other, workspace=stores)
    back = sweep.diff(other, "chain", workspace=stores)

    for found in (there, back):
        assert found.agree
        assert found.both == found.compared == points
        assert not found.parameters
        assert of(found, "frequency_squared").points == points
        assert all(v.identical == v.points > 0 for v in found.variables)
    assert [x.swept for x in there.axes] == [x.swept[::-1] for x in back.axes]
    assert [x.only_a for x in there.axes] == [x.only_b for x in back.axes]


def test_shorter_spectra_of_a_store_with_longer_ones_compare(stores: Path) -> None:
    found = sweep.diff("slab", "longer", workspace=stores)

    assert found.agree
    assert found.both == 3
    assert of(found, "frequency").values == 3 * 8 * 9
    assert of(found, "mode_kind").values == 3 * 8 * 9


# --- what differs ---------------------------------------------------------------------------


def test_a_parameter_that_changes_the_numbers_is_named_with_what_it_does(stores: Path) -> None:
    found = sweep.diff("chain", "sprung", workspace=stores)

    (parameter,) = found.parameters
    assert (parameter.name, parameter.a, parameter.b) == ("end_spring_ratio", 1.0, 1.01)
    assert parameter.unit == "spring"
    squared = of(found, "frequency_squared")
    assert not found.agree
    assert squared.disagreeing == squared.points == 6
    a, b = (sweep.open(stores / n).frequency_squared.values for n in ("chain", "sprung"))
    largest = np.nanmax(np.abs(a - b), axis=2) / np.nanmax(np.maximum(a, b), axis=2)
    assert squared.relative == pytest.approx(largest.max())
    assert set(squared.at) == {"atoms", "end_mass_ratio", "mode"}


def test_a_mode_that_one_side_does_not_have_deviates_beyond_any_tolerance(stores: Path) -> None:
    """An end of half the mass is just not light enough to bind a mode above the band."""
    found = sweep.diff("chain", "sprung", tolerance=0.5, workspace=stores)

    (deviating,) = [v for v in found.variables if v.disagreeing]
    assert deviating.variable.name == "end_mode_squared"
    assert deviating.at == {"end_mass_ratio": 0.5, "end_mode": 0}
    assert deviating.absolute == np.inf


def test_outputs_where_and_status_are_compared(stores: Path) -> None:
    found = sweep.diff("chain", "partly", workspace=stores)

    told = {p.name: (p.a, p.b) for p in found.parameters}
    assert set(told) == {"outputs", "where"}
    assert told["where"] == (None, "atoms == 3 or end_mass_ratio < 1")
    assert found.points == (6, 5)
    assert found.both == found.compared == 5
    (status,) = found.status
    assert (status.a, status.b, status.points) == ("ok", "skipped", 1)
    assert status.at == {"atoms": 5, "end_mass_ratio": 1.0}
    assert [v.variable.name for v in found.variables] == ["end_weight"]
    assert "frequency_squared" in found.only_a
    assert found.only_b == ()


def test_degenerate_modes_need_their_eigenvalues(stores: Path) -> None:
    found = sweep.diff("chain", "partly", workspace=stores)

    assert "modes are compared one by one" in of(found, "end_weight").note
    assert of(sweep.diff("chain", "chain", workspace=stores), "end_weight").note == ""


def test_points_that_failed_differ_in_status(stores: Path) -> None:
    found = sweep.diff("poison", "sick", workspace=stores)

    assert [(s.a, s.b, s.points, s.at["x"]) for s in found.status] == [("ok", "failed", 1, 3.0)]
    assert (found.both, found.compared) == (3, 2)
    assert {p.name for p in found.parameters} == {"poison", "at"}
    assert of(found, "square").identical == 2
    assert not found.agree


@pytest.mark.parametrize(
    ("a", "b", "variable", "why"),
    [("chain", "warmer", "mean_square_velocity", "temperature has other values in b"),
     ("slab", "finer", "frequency", "k has 8 entries in a, 9 in b"),
     ("slab", "reduced", "frequency", "in THz in a, in sqrt(epsilon/m)/sigma in b")],
)  # fmt: skip
def test_what_cannot_be_compared_is_said(
    stores: Path, a: str, b: str, variable: str, why: str
) -> None:
    found = sweep.diff(a, b, workspace=stores)

    comparison = of(found, variable)
    assert comparison.points == 0
    assert comparison.left_out > 0
    assert comparison.note == why


def test_a_changed_value_is_found_with_its_place(copy: Path) -> None:
    shutil.copytree(copy / "slab", copy / "other")
    array = zarr.open_group(copy / "other/data.zarr", mode="r+")["surface_weight"]
    array[0, 1, 1, 3, 7] = np.nan

    found = sweep.diff("slab", "other", workspace=copy)

    weight = of(found, "surface_weight")
    assert (weight.disagreeing, weight.differing) == (1, 1)
    assert weight.as_dict()["largest_relative"] is None
    assert weight.at == {
        "layers": 5, "adlayer": "one side", "adlayer_mass_ratio": 2.0, "k": 3, "mode": 7,
    }  # fmt: skip
    assert [v.variable.name for v in found.variables if v.disagreeing] == ["surface_weight"]


def test_a_damaged_chunk_is_told_in_words(copy: Path) -> None:
    chunks = [p for p in (copy / "chain/data.zarr/frequency_squared/c").rglob("*") if p.is_file()]
    chunks[0].write_bytes(b"not a chunk")

    found = sweep.diff("chain", "turned", workspace=copy)

    assert of(found, "frequency_squared").left_out > 0
    assert "cannot be read" in of(found, "frequency_squared").note
    assert of(found, "end_mode_squared").identical == 2


def test_small_batches_and_slabs_find_the_same(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [v.as_dict() for v in sweep.diff("slab", "longer", workspace=stores).variables]
    monkeypatch.setattr(differing, "BATCH_BYTES", 1)
    monkeypatch.setattr(differing, "SLAB_POINTS", 1)

    pieces = [v.as_dict() for v in sweep.diff("slab", "longer", workspace=stores).variables]

    assert pieces == whole


def test_different_models_are_refused(stores: Path) -> None:
    with pytest.raises(sweep.RefusedError, match="Name two sweeps of one model"):
        sweep.diff("chain", "slab", workspace=stores)


# --- matching -------------------------------------------------------------------------------


def test_numbers_match_up_to_rounding_and_words_exactly() -> None:
    a = [0.1 + 0.2, 1, "static", 2.0, True, None]
    b = ["static", 0.3, 2, 1.0000001, "true", None, 1.0]

    assert match_values(a, b).tolist() == [1, 6, 0, 2, 4, 5]
    assert match_values([], b).tolist() == []
    assert match_values(a, []).tolist() == [-1] * 6
    assert same_value(0.0, -0.0)
    assert not same_value(0.0, 1e-300)


def matched(a: dict[str, Any], b: dict[str, Any]) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Give the pairs of two sweeps, by places."""
    first, second = (read({"modesweep": 1, "name": "x", "model": "chain", **s}) for s in (a, b))
    places = np.array(list(np.ndindex(first.shape)), dtype=np.int64)
    partners, there = Matching(first, second).partners(places)
    return {
        tuple(p): tuple(q)
        for p, q, t in zip(places.tolist(), partners.tolist(), there, strict=True)
        if t
    }


def test_a_zipped_axis_matches_a_product_both_ways() -> None:
    product = {"axes": {"atoms": [3, 5], "mass_ratio": [1.0, 2.0]}}
    zipped = {"axes": {"mass_ratio": [2.0, 1.0, 3.0], "atoms": [5, 3, 9]},
              "zip": [["mass_ratio", "atoms"]]}  # fmt: skip

    assert matched(product, zipped) == {(0, 0): (1,), (1, 1): (0,)}
    assert matched(zipped, product) == {(0,): (1, 1), (1,): (0, 0)}


def test_sweeps_without_axes_match_if_their_fixed_values_may_differ() -> None:
    none: dict[str, Any] = {"fixed": {"atoms": 5}}
    one = {"axes": {"atoms": [3, 5]}}

    assert matched(none, none) == {(): ()}
    assert matched(none, one) == {(): (1,)}
    assert matched(one, none) == {(1,): ()}
    assert matched(one, {"fixed": {"atoms": 4}}) == {}


# --- the command ----------------------------------------------------------------------------


def command(*arguments: object, code: int = 0) -> str:
    """Run the command, which must end with an exit code."""
    done = run_here("diff", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_command_prints_tables_and_a_verdict(stores: Path) -> None:
    text = command("chain", "sprung", "--workspace", stores)

    assert "end_spring_ratio / spring  1.0  1.01" in text
    assert "6 points are in both, 6 of them with a result in both" in text
    assert "Beyond rounding: frequency_squared, end_weight, end_mode_squared" in text


def test_the_command_gives_json(stores: Path) -> None:
    plain = json.loads(command("chain", "turned", "--json", "--workspace", stores))

    assert plain["agree"] is True
    assert plain["points"] == {"a": 6, "b": 9, "both": 4, "compared": 4}
    assert {x["name"] for x in plain["axes"]} == {"atoms", "end_mass_ratio"}


def test_the_command_explains_bad_input(stores: Path) -> None:
    assert "one of 'slab'" in command("chain", "slab", "--workspace", stores, code=2)
    assert "There is no sweep" in command("chain", "nothing", "--workspace", stores, code=2)
    assert "compares nothing" in command(
        "chain", "chain", "--tolerance", "-1", "--workspace", stores, code=2
    )
