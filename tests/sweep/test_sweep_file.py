"""A sweep file becomes a sweep: the same whatever its syntax, with numpy's ranges."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from models.slab.parameters import Substance
from sweep.documents import load, to_toml
from sweep.spec import output_variables, wanted_on
from sweep.sweep_file import read
from sweep.values import FieldValues, as_text, byte_count, canonical, seconds

CONTENT: dict[str, Any] = {
    "modesweep": 1, "name": "mine", "model": "slab",
    "outputs": ["frequency", "surface_weight"],
    "where": "adlayer != 'none' or adlayer_mass_ratio == 1",
    "fixed": {"surface": "100", "layers": 5, "k_path": "G-X"},
    "axes": {"adlayer": ["none", "one side"], "adlayer_mass_ratio": [0.5, 1.0, 2.0]},
    "run": {"retries": 1, "timeout": "10min", "memory": "2GiB"},
}  # fmt: skip


def changed(**tables: Any) -> dict[str, Any]:
    return {**CONTENT, **tables}


def axes(**values: Any) -> dict[str, Any]:
    return {"modesweep": 1, "name": "mine", "model": "chain", "axes": values}


@pytest.mark.parametrize("ending", ["toml", "yaml", "yml", "json"])
def test_every_syntax_gives_the_same_sweep(tmp_path: Path, ending: str) -> None:
    writers = {"toml": to_toml, "json": json.dumps}
    file = tmp_path / f"mine.{ending}"
    file.write_text(writers.get(ending, yaml.safe_dump)(CONTENT))

    assert read(file) == read(CONTENT)


PLAIN = st.one_of(st.booleans(), st.integers(-(2**62), 2**62), st.text(max_size=8),
                  st.floats(allow_nan=False, allow_infinity=False))  # fmt: skip
NESTED = st.recursive(PLAIN, lambda x: st.lists(x, max_size=3) | st.dictionaries(
    st.text(min_size=1, max_size=5), x, max_size=3), max_leaves=6)  # fmt: skip


@settings(max_examples=100, derandomize=True)
@given(st.dictionaries(st.text(min_size=1, max_size=6), NESTED, max_size=4))
def test_what_is_frozen_as_toml_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    file = tmp_path_factory.mktemp("toml") / "any.toml"
    file.write_text(to_toml(content), encoding="utf-8")

    assert load(file).content == content


def test_values_that_differ_by_rounding_are_one_value() -> None:
    assert canonical(0.1 + 0.2) == 0.3
    assert canonical([1 / 3, {"a": 0.7 + 0.1}]) == [0.33333333333333, {"a": 0.8}]
    assert read(axes(mass_ratio=[0.1 + 0.2])).dims == read(axes(mass_ratio=[0.3])).dims


@pytest.mark.parametrize(
    ("given_as", "values"),
    [
        ({"linspace": [0.5, 2.0, 4]}, np.linspace(0.5, 2.0, 4)),
        ({"geomspace": [0.2, 5.0, 9]}, np.geomspace(0.2, 5.0, 9)),
        ({"logspace": [-1, 1, 5]}, np.logspace(-1, 1, 5)),
        ({"arange": [0.5, 2.0, 0.25]}, np.arange(0.5, 2.0, 0.25)),
    ],
)
def test_ranges_mean_what_numpy_means(given_as: dict[str, Any], values: Any) -> None:
    found = read(axes(mass_ratio=given_as)).coordinates["mass_ratio"]

    assert found == pytest.approx(values, rel=1e-13)
    assert found.dtype == np.float64


def test_whole_numbers_of_a_range_fit_a_whole_parameter() -> None:
    found = read(axes(atoms={"linspace": [10, 30, 3]})).coordinates["atoms"]

    assert found.tolist() == [10, 20, 30]
    assert found.dtype == np.int64


def test_axes_that_are_not_all_numbers_or_all_booleans_are_strings() -> None:
    own = {"epsilon_K": 1.5, "sigma_angstrom": 2, "mass_u": 3.0}
    sweep = read(changed(where="", axes={"material": ["Xe", own], "relaxed": [True, False],
                                         "k_list": [[[0.5, 0]], [[0, 0.5], [1, 0]]]},
                         fixed={}))  # fmt: skip

    assert sweep.coordinates["relaxed"].dtype == bool
    assert sweep.coordinates["material"].tolist() == [
        "Xe", '{"epsilon_K":1.5,"sigma_angstrom":2.0,"mass_u":3.0}',
    ]  # fmt: skip
    assert sweep.coordinates["k_list"].tolist() == ["[[0.5,0.0]]", "[[0.0,0.5],[1.0,0.0]]"]
    assert sweep.point((1, 0, 0)).material == Substance(
        epsilon_K=1.5, sigma_angstrom=2.0, mass_u=3.0
    )
    assert as_text(True) == "true"


def test_zipped_axes_share_a_dim_named_after_the_first() -> None:
    content = axes(mass_ratio=[1.0, 2.0], atoms=[4, 8, 12], end_mass_ratio=[0.5, 0.5, 0.7])
    sweep = read({**content, "zip": [["atoms", "end_mass_ratio"]]})

    assert [d.name for d in sweep.dims] == ["mass_ratio", "atoms"]
    assert sweep.shape == (2, 3)
    point = sweep.point((1, 2))
    assert (point.mass_ratio, point.atoms, point.end_mass_ratio) == (2.0, 12, 0.7)


def test_where_leaves_points_out() -> None:
    sweep = read(CONTENT)

    wanted = sweep.wanted([slice(None), slice(None)])

    assert wanted.tolist() == [[False, True, False], [True, True, True]]
    assert wanted_on(sweep, [1]).tolist() == [True, True, True]
    assert wanted_on(read(changed(where="adlayer_mass_ratio > 1")), [1]).tolist() == [
        False, False, True,
    ]  # fmt: skip
    assert sweep.wanted([slice(0, 1), slice(2, 3)]).tolist() == [[False]]


def test_a_point_carries_axes_fixed_values_and_defaults() -> None:
    point = read(CONTENT).point((1, 2))

    assert (point.adlayer, point.adlayer_mass_ratio) == ("one side", 2.0)
    assert (point.surface, point.layers, point.cutoff) == ("100", 5, 8.03)


def test_outputs_bring_what_is_needed_to_read_them() -> None:
    names = set(output_variables(read(CONTENT)))

    assert {"frequency", "surface_weight", "n_modes", "k_fraction", "k_label"} <= names
    assert {"n_negative", "sum_rule_residual", "relaxation_force"} <= names
    assert "normal_weight" not in names


def test_variables_without_length_are_left_out_of_the_standard_set() -> None:
    cold = output_variables(read(axes(atoms=[4])))
    warm = output_variables(read({**axes(atoms=[4]), "fixed": {"temperatures": [0, 1]}}))

    assert "mean_square_displacement" not in cold
    assert "mean_square_displacement" in warm


@pytest.mark.parametrize(
    ("text", "value"), [("30s", 30), ("10min", 600), ("1.5h", 5400), ("2d", 172800), (12.5, 12.5)]
)
def test_durations(text: Any, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("2GiB", 2**31), ("500MB", 5 * 10**8), ("1 KiB", 1024), (4096, 4096)]
)
def test_byte_counts(text: Any, value: int) -> None:
    assert byte_count(text) == value


@pytest.mark.parametrize("text", ["", "10", "ten s", "5 weeks", "-1s", 0, -3, True, None, "1e999s"])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r'"30s"'):
        seconds(text)


def test_allowed_values_are_said_in_words() -> None:
    slab = read(CONTENT).model.parameters

    assert FieldValues(slab, "layers").allowed == ('a whole number from 1 to 20000, or "infinite"')
    assert FieldValues(slab, "surface").allowed == '"100", "110", "111", "0001"'
    assert FieldValues(slab, "adlayer_mass_ratio").allowed.startswith("a number above 0")
