"""Good sweep files: what they come to mean, however they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import sweep
from sweep.documents import to_toml
from sweep.spec import Sweep, output_variables
from sweep.sweep_file import expand_range

FULL = {
    "modesweep": 1,
    "name": "xenon-adlayer",
    "model": "slab",
    "outputs": ["frequency", "surface_weight"],
    "where": "adlayer != 'none' or adlayer_mass_ratio == 1",
    "fixed": {"surface": "111", "layers": 9, "k_path": "G-M-K-G", "k_points": 12},
    "axes": {
        "adlayer": ["none", "one side", "both sides"],
        "adlayer_mass_ratio": {"geomspace": [0.2, 5.0, 9]},
        "material": ["Xe", {"epsilon_K": 99.0, "sigma_angstrom": 3.1, "mass_u": 7.0}],
    },
    "run": {"retries": 1, "timeout": "10min", "memory": "2GiB", "priority": 3},
}
TOML = """
modesweep = 1
name = "xenon-adlayer"
model = "slab"
outputs = ["frequency", "surface_weight"]
where = "adlayer != 'none' or adlayer_mass_ratio == 1"
[fixed]
surface = "111"
layers = 9
k_path = "G-M-K-G"
k_points = 12
[axes]
adlayer = ["none", "one side", "both sides"]
adlayer_mass_ratio = { geomspace = [0.2, 5.0, 9] }
material = ["Xe", { epsilon_K = 99.0, sigma_angstrom = 3.1, mass_u = 7.0 }]
[run]
retries = 1
timeout = "10min"
memory = "2GiB"
priority = 3
"""


def chain(**tables: Any) -> Sweep:
    return sweep.read({"modesweep": 1, "name": "t", "model": "chain", **tables})


def same(a: Sweep, b: Sweep) -> bool:
    """Equal in all that the models and the store see; models are equal by name."""
    return a.document == b.document and [
        (s.name, s.model.name, s.outputs, s.fixed, s.dims, s.where, s.run) for s in (a,)
    ] == [(s.name, s.model.name, s.outputs, s.fixed, s.dims, s.where, s.run) for s in (b,)]


# ---------------------------------------------------------------------------- forms of a file


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("toml", TOML),
        ("toml", "\ufeff" + TOML.replace("\n", "\r\n")),
        ("toml", to_toml(FULL)),
        ("yaml", yaml.safe_dump(FULL, sort_keys=False)),
        ("yml", yaml.safe_dump(FULL, sort_keys=False, default_flow_style=True)),
        ("json", json.dumps(FULL)),
    ],
    ids=["toml", "toml from windows", "own toml", "yaml", "flowing yaml", "json"],
)
def test_every_form_of_a_file_is_the_same_sweep(suffix: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / f"sweep.{suffix}"
    file.write_text(text, encoding="utf-8", newline="")

    assert same(sweep.read(file), sweep.read(FULL))
    assert same(sweep.read(str(file)), sweep.read(FULL))


def test_a_dict_may_hold_tuples_and_numpy_values() -> None:
    plain = {"atoms": [3, 5], "mass_ratio": [0.5, 1.5]}
    other = {"atoms": np.array([3, 5]), "mass_ratio": (np.float64(0.5), 1.5)}

    assert same(chain(axes=plain), chain(axes=other))


def test_a_sweep_is_read_as_itself() -> None:
    once = sweep.read(FULL)

    assert sweep.read(once) is once


def test_what_is_not_given_has_the_defaults_of_the_model_and_of_run() -> None:
    found = chain()

    assert found.fixed == {"atoms": 40, "mass_ratio": 1.0, "end_mass_ratio": 1.0,
                           "end_spring_ratio": 1.0, "temperatures": ()}  # fmt: skip
    assert (found.run.retries, found.run.timeout, found.run.memory) == (2, 600.0, 2 * 2**30)
    assert found.shape == ()
    assert found.size == 1


def test_the_run_table_is_no_part_of_what_decides_the_results() -> None:
    a, b = (chain(run={"timeout": t}).canonical_document() for t in ("10min", 30))

    assert a == b


# ---------------------------------------------------------------------------- dims and points


def test_dims_stand_in_the_order_of_the_axes() -> None:
    found = chain(axes={"mass_ratio": [1, 2], "atoms": [3, 4, 5], "end_mass_ratio": [1]})

    assert [d.name for d in found.dims] == ["mass_ratio", "atoms", "end_mass_ratio"]
    assert found.shape == (2, 3, 1)
    assert found.point([1, 2, 0]).atoms == 5
    assert found.point([1, 2, 0]).mass_ratio == 2.0


def test_zipped_axes_share_one_dim_named_after_the_first() -> None:
    found = chain(
        zip=[["mass_ratio", "atoms"]],
        axes={"end_mass_ratio": [1, 2], "atoms": [3, 4, 5], "mass_ratio": [0.5, 1.5, 2.5]},
    )

    assert [d.name for d in found.dims] == ["end_mass_ratio", "mass_ratio"]
    assert found.shape == (2, 3)
    assert found.axes == {"end_mass_ratio": 0, "atoms": 1, "mass_ratio": 1}
    assert [(p.atoms, p.mass_ratio) for p in (found.point([0, i]) for i in range(3))] == [
        (3, 0.5), (4, 1.5), (5, 2.5)]  # fmt: skip


def test_two_groups_of_zipped_axes_are_two_dims() -> None:
    found = chain(
        zip=[["atoms", "mass_ratio"], ["end_spring_ratio", "end_mass_ratio"]],
        axes={"atoms": [3, 4], "mass_ratio": [1, 2], "end_mass_ratio": [1, 2, 3],
              "end_spring_ratio": [3, 2, 1]},
    )  # fmt: skip

    assert [(d.name, len(d)) for d in found.dims] == [("atoms", 2), ("end_spring_ratio", 3)]


@pytest.mark.parametrize(
    ("axis", "values", "stored"),
    [
        ("layers", [21, 41], np.array([21, 41], np.int64)),
        ("layers", [21.0, 41], np.array([21, 41], np.int64)),
        ("cutoff", [2, 3.5], np.array([2.0, 3.5])),
        ("relaxed", [True, False], np.array([True, False])),
        ("material", ["Xe", "Ar"], np.array(["Xe", "Ar"])),
        ("surface", ["100"], np.array(["100"])),
        ("k_list", [[[0, 0.5]], [[0.1, 0.2], [0, 0]]],
         np.array(["[[0.0,0.5]]", "[[0.1,0.2],[0.0,0.0]]"])),
        ("material", [{"epsilon_K": 1, "sigma_angstrom": 2, "mass_u": 3}, "Xe"],
         np.array(['{"epsilon_K":1.0,"sigma_angstrom":2.0,"mass_u":3.0}', "Xe"])),
    ],
)  # fmt: skip
def test_axes_are_stored_as_numbers_truths_or_strings(
    axis: str, values: list[Any], stored: np.ndarray
) -> None:
    found = sweep.read({"modesweep": 1, "name": "t", "model": "slab", "axes": {axis: values}})

    assert found.coordinates[axis].dtype.kind == stored.dtype.kind
    assert found.coordinates[axis].tolist() == stored.tolist()


def test_values_that_differ_by_rounding_are_one_point() -> None:
    a = chain(axes={"mass_ratio": [0.1 + 0.2, 1]})
    b = chain(axes={"mass_ratio": [0.3, 1.0]})

    assert a.document["axes"]["mass_ratio"] == [0.3, 1]
    assert same(a, chain(axes={"mass_ratio": [0.3, 1]}))
    assert a.point([0]) == b.point([0])


def test_a_million_points_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sweep, "point", lambda *_: pytest.fail("a point was made"))
    found = {"mass_ratio": {"linspace": [1, 2, 1000]}, "end_mass_ratio": {"linspace": [1, 2, 1000]}}

    with pytest.raises(pytest.fail.Exception, match="a point was made"):
        chain(axes=found)  # a few are: for units and lengths
    monkeypatch.undo()

    made = 0
    point = Sweep.point

    def counted(self: Sweep, index: Any) -> Any:
        nonlocal made
        made += 1
        return point(self, index)

    monkeypatch.setattr(Sweep, "point", counted)
    assert chain(axes=found).size == 10**6
    assert made < 5


# ---------------------------------------------------------------------------- ranges


@settings(derandomize=True, deadline=None)
@given(st.floats(-50, 50), st.floats(-50, 50), st.integers(1, 40))
def test_linspace_and_logspace_are_those_of_numpy(first: float, last: float, count: int) -> None:
    assert expand_range("linspace", [first, last, count]) == np.linspace(
        first, last, count).tolist()  # fmt: skip
    assert expand_range("logspace", [first, last, count]) == np.logspace(
        first, last, count).tolist()  # fmt: skip


@settings(derandomize=True, deadline=None)
@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.integers(1, 40), st.sampled_from([1, -1]))
def test_geomspace_is_that_of_numpy(first: float, last: float, count: int, sign: int) -> None:
    assert expand_range("geomspace", [sign * first, sign * last, count]) == np.geomspace(
        sign * first, sign * last, count).tolist()  # fmt: skip


@pytest.mark.parametrize("numbers", [[4], [3, 9], [3, 9, 2], [1, 0, -0.25], [0.5, 2.5, 0.5], [2.5]])
def test_arange_is_that_of_numpy(numbers: list[float]) -> None:
    assert expand_range("arange", numbers) == np.arange(*numbers).tolist()


def test_a_range_gives_whole_numbers_where_only_those_are_legal() -> None:
    found = chain(axes={"atoms": {"linspace": [3, 9, 4]}})

    assert found.dims[0].values["atoms"] == (3, 5, 7, 9)
    assert all(type(v) is int for v in found.dims[0].values["atoms"])


# ---------------------------------------------------------------------------- where and outputs


@settings(derandomize=True, deadline=None)
@given(
    st.integers(0, 4).flatmap(lambda a: st.tuples(st.just(a), st.integers(a, 5))),
    st.integers(0, 3).flatmap(lambda a: st.tuples(st.just(a), st.integers(a, 4))),
)
def test_where_says_which_points_of_a_box_are_wanted(
    atoms: tuple[int, int], ratios: tuple[int, int]
) -> None:
    found = chain(
        where="atoms > 3 and mass_ratio < 2 or end_mass_ratio == 2",
        axes={"atoms": [3, 4, 5, 6, 7], "mass_ratio": [1, 2, 1.5, 3], "end_mass_ratio": [1, 2]},
    )
    by_hand = np.array([[[
        (p.atoms > 3 and p.mass_ratio < 2) or p.end_mass_ratio == 2
        for p in (found.point([i, j, k]) for k in range(2))]
        for j in range(4)] for i in range(5)])  # fmt: skip

    box = (slice(*atoms), slice(*ratios), slice(None))

    assert found.wanted(box).tolist() == by_hand[box].tolist()


def test_where_over_zipped_axes_reads_the_one_dim() -> None:
    found = chain(
        zip=[["atoms", "mass_ratio"]], where="atoms == 4 or mass_ratio > 2",
        axes={"atoms": [3, 4, 5], "mass_ratio": [1, 2, 3]},
    )  # fmt: skip

    assert found.wanted([slice(None)]).tolist() == [False, True, True]


def test_rules_count_only_for_wanted_points() -> None:
    tables = {"axes": {"adlayer": ["none", "both sides"], "layers": [1, 5]}}
    document = {"modesweep": 1, "name": "t", "model": "slab", **tables}

    with pytest.raises(sweep.InputError, match="leaves no substrate"):
        sweep.read(document)
    found = sweep.read({**document, "where": "adlayer == 'none' or layers > 2"})

    assert found.wanted([slice(None)] * 2).tolist() == [[True, True], [False, True]]


def test_outputs_left_out_are_the_standard_ones_that_hold_something() -> None:
    assert chain().outputs == ("frequency_squared", "end_weight", "end_mode_squared")
    assert chain(fixed={"temperatures": [1]}).outputs == (
        "frequency_squared", "end_weight", "end_mode_squared", "mean_square_displacement",
        "mean_square_velocity")  # fmt: skip


def test_what_is_needed_to_read_an_output_is_stored_beside_it() -> None:
    found = sweep.read(
        {"modesweep": 1, "name": "t", "model": "slab", "outputs": ["surface_weight"]}
    )

    stored = set(output_variables(found))

    assert found.outputs == ("surface_weight",)
    assert {"surface_weight", "k_fraction", "k_label", "n_modes", "n_negative"} <= stored
    assert not stored & {"frequency", "bulk_band", "layer_height"}


def test_gases_may_share_an_axis() -> None:
    found = sweep.read(
        {"modesweep": 1, "name": "t", "model": "slab",
         "axes": {"material": ["Ne", "Xe", {"epsilon_K": 1, "sigma_angstrom": 1, "mass_u": 1}]}}
    )  # fmt: skip

    assert found.shape == (3,)
