"""What a sweep of slabs decides before it runs: grids, variables that no point can have."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

import sweep
from models.evaluate import compute
from sweep.problems import InputError
from sweep.spec import Sweep, output_variables
from tests.faults.tools import results

SMALL: dict[str, Any] = {"cutoff": 2.0, "k_mesh": 2, "surface": "100", "grid_points": 300}


def document(name: str = "spectra", **tables: Any) -> dict[str, Any]:
    axes = {"layers": [2, 4], "adlayer_mass_ratio": [0.2, 1.0]}
    return {
        "modesweep": 1, "name": name, "model": "slab", "outputs": ["dos"],
        "fixed": {**SMALL, "adlayer": "one side"}, "axes": axes, **tables,
    }  # fmt: skip


def every_point(read: Sweep) -> list[Any]:
    return [read.point(i) for i in np.ndindex(*[len(d) for d in read.dims])]


def highest(read: Sweep) -> float:
    return max(compute(read.model, ["frequency"], p)["frequency"].max() for p in every_point(read))


def refusal(**tables: Any) -> str:
    with pytest.raises(InputError, match=r"\w") as caught:
        sweep.read(document(**tables))
    assert caught.value.exit_code == 2
    return str(caught.value)


# --- the grid ---


@pytest.mark.parametrize(
    "fixed", [{}, {"material": "Ar"}, {"forces": "springs", "spring_nnn": 0.3}], ids=str
)
def test_a_grid_left_open_is_settled_from_all_points(fixed: dict[str, Any]) -> None:
    read = sweep.read(document(fixed={**SMALL, "adlayer": "one side", **fixed}))

    assert read.fixed["grid_max"] == pytest.approx(1.05 * highest(read), rel=1e-9)
    assert read.fixed["grid_width"] == pytest.approx(read.fixed["grid_max"] / 200, rel=1e-12)
    assert read.document["fixed"]["grid_max"] == read.fixed["grid_max"]
    assert set(read.settled) == {"grid_max", "grid_width"}


def test_a_material_on_an_axis_has_one_grid_in_thz() -> None:
    read = sweep.read(document(fixed={**SMALL, "layers": 3}, axes={"material": ["Xe", "Ne", "Ar"]}))

    top = [1.05 * compute(read.model, ["frequency"], p)["frequency"].max()
           for p in every_point(read)]  # fmt: skip
    assert read.fixed["grid_max"] == pytest.approx(max(top), rel=1e-9)
    assert max(top) > 1.2 * min(top)


def test_numbers_that_are_given_stay() -> None:
    fixed = {**SMALL, "adlayer": "one side", "grid_max": 33.0}
    one = sweep.read(document(fixed=fixed))
    assert (one.fixed["grid_max"], one.fixed["grid_width"]) == (33.0, 33.0 / 200)
    assert one.settled == ("grid_width",)
    both = sweep.read(document(fixed={**fixed, "grid_width": 0.5}))
    assert both.settled == ()


def test_nothing_is_settled_that_no_output_feels() -> None:
    read = sweep.read(document(outputs=["frequency", "surface_energy"]))

    assert read.settled == ()
    assert read.fixed["grid_max"] == "auto"
    assert "grid_max" not in read.document["fixed"]


def test_a_settled_grid_is_frozen_and_goes_on(tmp_path: Path, client: Client) -> None:
    """The same file again computes nothing; more values keep the grid, whatever they need."""
    given = document()
    first = sweep.run(given, workspace=tmp_path, scheduler=client)
    settled = sweep.read(given)
    written = (first.path / "sweep.toml").read_text()
    before = results(first.path)

    assert re.search(rf"grid_max = {re.escape(repr(settled.fixed['grid_max']))}\n", written)
    assert "grid_width = " in written
    again = sweep.run(given, workspace=tmp_path, scheduler=client)
    assert again.counts == {"ok": 4}
    assert results(again.path) == before

    store = sweep.open("spectra", tmp_path)
    expected = compute(settled.model, ["dos", "dos_error"], settled.point([1, 0]))
    for name in ("dos", "dos_error"):
        assert store[name].values[1, 0] == pytest.approx(expected[name], rel=1e-12)
    norm = np.trapezoid(store.dos.values, store.grid.values)
    assert norm == pytest.approx(np.full((2, 2), 3), abs=1e-6)

    sweep.extend(first.path, {"adlayer_mass_ratio": [0.05]}, scheduler=client)
    grid = sweep.open("spectra", tmp_path).grid.values
    assert grid[-1] == pytest.approx(settled.fixed["grid_max"], rel=1e-12)
    axes = {"layers": [2, 4], "adlayer_mass_ratio": [0.2, 1.0, 0.05]}
    assert sweep.read(document(axes=axes)).fixed["grid_max"] > 1.5 * settled.fixed["grid_max"]
    # the file as it began, and as it is now, are both this sweep
    for now in (given, document(axes=axes)):
        assert sweep.run(now, workspace=tmp_path, scheduler=client).counts == {"ok": 6}


# --- errors ---


def test_errors_that_are_turned_off_are_not_stored() -> None:
    """What is computed without them is missing; see the sweep of unstable crystals below."""
    on, off = (
        set(
            output_variables(
                sweep.read(
                    document(
                        outputs=["heat_capacity", "bulk_band"], axes={"layers": [2, 3]},
                        fixed={**SMALL, "temperatures": [1.0], "errors": errors},
                    )
                )
            )
        )
        for errors in (True, False)
    )  # fmt: skip

    assert on - off == {"heat_capacity_error", "bulk_band_error"}
    assert {"heat_capacity", "bulk_band"} <= off


# --- unstable crystals ---


def test_an_unstable_crystal_is_told_by_its_status(tmp_path: Path, client: Client) -> None:
    """bcc with Lennard-Jones forces: negative frequencies are stored, thermal values missing."""
    result = sweep.run(
        document(
            "bcc", outputs=["frequency", "heat_capacity"], axes={"layers": [3, 4]},
            fixed={"crystal": "bcc", "surface": "100", "relaxed": False, "k_mesh": 3,
                   "cutoff": 3.0, "temperatures": [1.0], "errors": False},
        ),
        workspace=tmp_path, scheduler=client,
    )  # fmt: skip
    store = sweep.open("bcc", tmp_path)

    assert result.counts == {"unstable": 2}
    assert (store.frequency.values[0][~np.isnan(store.frequency.values[0])] < -0.1).any()
    assert np.isnan(store.heat_capacity.values).all()
    assert (store.n_negative.values > 0).any()
    assert "heat_capacity_error" not in store


# --- variables that no point can have ---

THERMAL: dict[str, Any] = {**SMALL, "temperatures": [1.0]}
REFUSED = {
    "thermal without temperatures": (
        {"outputs": ["heat_capacity"]}, r"heat_capacity needs `temperatures`.*under \[fixed\]"),
    "displacements without temperatures": (
        {"outputs": ["frequency", "debye_temperature"]}, "debye_temperature needs `temperatures`"),
    "density on a path": (
        {"outputs": ["dos"], "fixed": {"surface": "100"}},
        "dos is a sum over the surface zone. Give `k_mesh`"),
    "layer density on a path": (
        {"outputs": ["layer_dos"], "fixed": {"k_path": "G-M"}}, "layer_dos is a sum over"),
    "scattering without a vector": (
        {"outputs": ["debye_waller_exponent"], "fixed": THERMAL}, "needs `scattering_vector`"),
    "all modes of a thick slab": (
        {"outputs": ["eigenvector"], "fixed": {"layers": 700}, "axes": {"cutoff": [2.0, 3.0]}},
        'eigenvector needs all modes .*"banded".*Use "dense"'),
    "modes of a half space": (
        {"outputs": ["frequency"], "fixed": {"layers": "infinite"}, "axes": {"cutoff": [2.0]}},
        'frequency belongs to a slab, and `layers` = "infinite".*Give a number of `layers`'),
    "heat of a half space": (
        {"outputs": ["surface_heat_capacity"], "fixed": {**THERMAL, "layers": "infinite"},
         "axes": {"relaxed": [False]}},
        "surface_heat_capacity belongs to a slab"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_point_can_have_is_refused_by_name(case: str) -> None:
    tables, pattern = REFUSED[case]

    assert re.search(pattern, refusal(**tables))


def test_what_no_point_can_have_is_left_out_when_nothing_is_asked_for() -> None:
    given = document(fixed={"surface": "100"})
    del given["outputs"]
    outputs = sweep.read(given).outputs

    assert "frequency" in outputs
    assert not {"heat_capacity", "mean_square_displacement", "dos"} & set(outputs)
    given["fixed"] = THERMAL
    assert {"heat_capacity", "surface_entropy"} <= set(sweep.read(given).outputs)


def test_what_some_points_can_have_is_stored_where_they_do() -> None:
    """A half space beside slabs: thermal functions of the slabs."""
    read = sweep.read(
        document(outputs=["heat_capacity"], fixed=THERMAL, axes={"layers": [2, "infinite"]})
    )

    assert read.outputs == ("heat_capacity",)


@pytest.mark.parametrize(
    ("tables", "pattern"),
    [
        ({"fixed": {"crystal": "hcp"}}, '`surface` = "111" is no face of .*hcp.*: 0001'),
        ({"fixed": {}, "axes": {"crystal": ["fcc", "bcc"]}}, "no face.*At crystal=bcc"),
        ({"fixed": {**SMALL, "temperatures": [2.0, 1.0]}}, "must ascend without repeats"),
        ({"fixed": {"temperatures": [1.0]}}, "sums over the surface zone.*Give `k_mesh`"),
        ({"fixed": {"superlattice_period": 2, "layer_masses": [1.0, 2.0]}}, "Give one of them"),
        ({"fixed": {"line_shape": "linear"}}, "interpolates between wavevectors of a mesh"),
        ({"fixed": {"nn_distance": "zero-point", "relaxed": False}}, "depends on the mass.*Ar"),
        ({"fixed": {"nn_distance": "zero-point", "material": "Ar"}}, "Set `relaxed` = false"),
        ({"fixed": {"nn_distance": {"temperature": -1}}}, r"fixed.nn_distance: .*not allowed"),
        ({"fixed": SMALL, "axes": {"grid_max": [30.0, 40.0]}}, "axes.grid_max"),
        ({"fixed": SMALL, "axes": {"temperatures": [[1.0], [2.0]]}}, "axes.temperatures"),
        ({"fixed": {**SMALL, "grid_width": 0.0}}, "must be above 0|0.0 is not allowed"),
        ({"fixed": {**SMALL, "scattering_vector": [1.0, 2.0]}}, "scattering_vector"),
        ({"fixed": {"superlattice_period": 51}}, "at most 50"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_new_parameters_are_refused_in_words(tables: dict[str, Any], pattern: str) -> None:
    assert re.search(pattern, refusal(**{"outputs": ["frequency"], **tables}))
