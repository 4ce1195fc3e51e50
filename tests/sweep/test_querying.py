"""Queries on real stores, against the same condition worked out by xarray and pandas."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client
from pandas.testing import assert_frame_equal

import sweep
from models import registry
from sweep.queries import querying

pytestmark = pytest.mark.usefixtures("plugin")

CM_PER_THZ = 1e12 / 2.99792458e10
MEV_PER_THZ = 4.135667696923859

SLAB = {
    "modesweep": 1, "name": "slab", "model": "slab",
    "outputs": ["frequency", "surface_weight", "mode_kind", "bulk_band", "layer_height",
                "elastic_constant"],
    "where": "adlayer != 'none' or adlayer_mass_ratio == 2",
    "fixed": {"cutoff": 3.0, "k_points": 12},
    "axes": {"layers": [3, 5], "material": ["Xe", "Ar"], "adlayer": ["none", "one side"],
             "adlayer_mass_ratio": [0.1, 0.3, 2.0]},
}  # fmt: skip
ZIPPED = {
    "modesweep": 1, "name": "zipped", "model": "slab", "zip": [["layers", "surface"]],
    "outputs": ["frequency", "bulk_band", "surface_energy"],
    "fixed": {"cutoff": 3.0, "k_points": 6},
    "axes": {"layers": [3, 4], "surface": ["100", "111"], "relaxed": [True, False]},
}  # fmt: skip
CHAIN = {
    "modesweep": 1, "name": "chain", "model": "chain", "fixed": {"temperatures": [0, 1.5]},
    "axes": {"atoms": [3, 5, 8], "end_mass_ratio": [0.2, 1.0]},
}  # fmt: skip
POISON = {
    "modesweep": 1, "name": "poison", "model": "poison",
    "fixed": {"poison": "exception", "at": 3.0}, "axes": {"x": [1, 3, 5, 7]},
}  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """Make a workspace with one sweep of each kind."""
    workspace = tmp_path_factory.mktemp("queries")
    for content in (SLAB, ZIPPED, CHAIN, POISON):
        sweep.run(content, workspace=workspace, scheduler=client)
    return workspace


def places(workspace: Path, name: str, *variables: str) -> pd.DataFrame:
    """Give every place of some variables, without what queries are made of."""
    data = sweep.open(name, workspace)[list(variables)].load()
    for n in variables:
        if words := str(data[n].attrs.get("flag_meanings", "")).split():
            numbers = data[n].values
            data[n] = data[n].dims, np.array([*words, *[None] * (256 - len(words))])[numbers]
        elif data[n].dtype == np.int32:
            data[n] = data[n].where(data[n] != -1)
    axes = sweep.open(name, workspace).status.dims
    own = [d for n in sorted(variables, key=lambda n: -data[n].ndim) for d in data[n].dims]
    order = [*(a for a in axes if a in own), *dict.fromkeys(d for d in own if d not in axes)]
    return data.to_dataframe(dim_order=order).reset_index()


def test_variables_stand_as_their_model_lists_them(
    stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sweep.open("chain", stores)
    listed = [name for name in registry.get("chain").variables() if name in data]
    ledger = ["attempts", "seconds", "status"]

    assert list(data.data_vars) == [*listed, *ledger]

    monkeypatch.setattr(registry, "_entries", dict)  # results are read without their model, too
    registry._made.cache_clear()
    assert list(sweep.open("chain", stores).data_vars) == sorted([*listed, *ledger])


# --- conditions -----------------------------------------------------------------------------

CONDITIONS: dict[str, tuple[str, tuple[str, ...], Callable[[Any], Any]]] = {
    "two variables": (
        "frequency > 0.5 and surface_weight > 0.9", ("frequency", "surface_weight"),
        lambda t: (t.frequency > 0.5) & (t.surface_weight > 0.9)),
    "axes of numbers and of texts": (
        "adlayer_mass_ratio < 1 and material == 'Xe' and frequency >= 1", ("frequency",),
        lambda t: (t.adlayer_mass_ratio < 1) & (t.material == "Xe") & (t.frequency >= 1)),
    "a value of an axis up to rounding": (
        "adlayer_mass_ratio == 0.1 + 0.2 and frequency > 1", ("frequency",),
        lambda t: (t.adlayer_mass_ratio == 0.3) & (t.frequency > 1)),
    "own dims": (
        "k in [0, 3] and mode between 2 and 4 and frequency > -99", ("frequency",),
        lambda t: t.k.isin([0, 3]) & (t["mode"] >= 2) & (t["mode"] <= 4) & (t.frequency > -99)),
    "an own dim of texts": (
        "constant in ['c11', 'c44'] and elastic_constant > 2", ("elastic_constant",),
        lambda t: t.constant.isin(["c11", "c44"]) & (t.elastic_constant > 2)),
    "flags as words": (
        'mode_kind == "below"', ("mode_kind",), lambda t: t.mode_kind == "below"),
    "several flags": (
        "mode_kind in ['gap', 'above'] or frequency > 2", ("mode_kind", "frequency"),
        lambda t: t.mode_kind.isin(["gap", "above"]) | (t.frequency > 2)),
    "status as a word": ("status == 'skipped'", ("status",), lambda t: t.status == "skipped"),
    "arithmetic between variables": (
        "2 * frequency - 1 > surface_weight / 3", ("frequency", "surface_weight"),
        lambda t: 2 * t.frequency - 1 > t.surface_weight / 3),
    "a variable that has fewer dims": (
        "mode >= n_modes - 2 and frequency > 0", ("frequency", "n_modes"),
        lambda t: (t["mode"] >= t.n_modes - 2) & (t.frequency > 0)),
    "own dims of two variables": (
        "frequency > bulk_band and edge == 'high' and mode == 8",
        ("frequency", "bulk_band", "bulk_band_error"),
        lambda t: (t.frequency > t.bulk_band) & (t.edge == "high") & (t["mode"] == 8)),
    "not": (
        "not adlayer == 'none' and frequency > 1", ("frequency",),
        lambda t: (t.adlayer != "none") & (t.frequency > 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", CONDITIONS)
def test_a_query_is_what_xarray_and_pandas_find(stores: Path, case: str) -> None:
    condition, variables, holds = CONDITIONS[case]

    found = sweep.query("slab", condition, workspace=stores)

    everything = places(stores, "slab", *variables)
    wanted = everything[holds(everything)].reset_index(drop=True)
    assert 0 < len(wanted) < len(everything)
    assert_frame_equal(found, wanted[list(found.columns)], check_dtype=False)
    assert set(variables) < set(found.columns)


def test_columns_are_axes_in_the_order_of_the_sweep_then_own_dims_then_variables(
    stores: Path,
) -> None:
    found = sweep.query("slab", "surface_weight > 0.9 and mode > 2 and frequency > 1",
                        variables=["layer_height"], workspace=stores)  # fmt: skip

    assert list(found.columns) == [
        "layers", "material", "adlayer", "adlayer_mass_ratio", "k", "mode", "layer",
        "surface_weight", "frequency", "layer_height",
    ]  # fmt: skip


def test_further_variables_stand_beside_each_place(stores: Path) -> None:
    found = sweep.query("slab", "mode_kind == 'below'", workspace=stores,
                        variables=["frequency", "attempts", "k_label"])  # fmt: skip

    everything = places(stores, "slab", "mode_kind", "frequency", "attempts", "k_label")
    wanted = everything[everything.mode_kind == "below"].reset_index(drop=True)
    assert_frame_equal(found, wanted[list(found.columns)], check_dtype=False)
    assert set(found.attempts) == {1}
    assert {*found.k_label} == {"M", "K", ""}  # at G the bulk bands begin at zero


def test_true_gives_every_place(stores: Path) -> None:
    found = sweep.query("chain", "true", variables=["end_weight"], workspace=stores)

    assert len(found) == 3 * 2 * 8
    assert found.end_weight.isna().sum() == 2 * (5 + 3)


def test_booleans_are_conditions_of_their_own(stores: Path) -> None:
    still = sweep.query("zipped", "not relaxed and frequency > 8", workspace=stores)
    also = sweep.query("zipped", "frequency > 8", select={"relaxed": False}, workspace=stores)

    assert_frame_equal(still[also.columns], also)
    assert set(still.relaxed) == {False}


def test_a_zipped_axis_stands_beside_the_one_that_leads_it(stores: Path) -> None:
    found = sweep.query("zipped", "surface == '111' and frequency > 1", workspace=stores)

    assert list(found.columns[:3]) == ["layers", "surface", "relaxed"]
    assert set(zip(found.layers, found.surface, strict=True)) == {(4, "111")}


def test_a_sweep_of_one_point_can_be_queried(tmp_path: Path, client: Client) -> None:
    content = {"modesweep": 1, "name": "one", "model": "slab",
               "outputs": ["surface_energy", "layer_height"],
               "fixed": {"layers": 3, "cutoff": 2.0, "material": "Ar"}}  # fmt: skip
    path = sweep.run(content, workspace=tmp_path, scheduler=client).path

    energy = sweep.query(path, "surface_energy > 0", variables=["status"])
    top = sweep.query(path, "layer == 0 and layer_height > 0")

    assert energy.surface_energy[0] == sweep.open(path).surface_energy.item()
    assert energy.attrs["units"] == {"surface_energy": "meV"}
    assert list(energy.status) == ["ok"]
    assert list(top.columns) == ["layer", "layer_height"]
    assert len(sweep.query(path, "surface_energy < 0")) == 0


# --- missing values -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "condition",
    ["frequency != -99", "frequency < 1 or frequency >= 1", "frequency not in [1, 2]",
     "mode_kind != 'below'", "mode_kind not in ['below', 'gap']", "n_zero != 99", "n_zero < 99",
     "2 * surface_weight != 9", "surface_weight between -9 and 9"],
)  # fmt: skip
def test_a_skipped_point_or_a_padded_mode_never_matches(stores: Path, condition: str) -> None:
    found = sweep.query("slab", condition, workspace=stores, variables=["frequency", "n_modes"])

    skipped = (found.adlayer == "none") & (found.adlayer_mass_ratio < 1)
    assert len(found)
    assert not skipped.any()
    if "n_zero" not in condition:  # that is a number for a whole spectrum
        assert (found["mode"] < found.n_modes).all()
        assert found.frequency.notna().all()


@pytest.mark.parametrize("condition", ["square != -1", "square < 99", "powers not in [7, 8]"])
def test_a_failed_point_never_matches(stores: Path, condition: str) -> None:
    found = sweep.query("poison", condition, workspace=stores)

    assert set(found.x) == {1, 5, 7}


def test_points_are_found_by_their_status(stores: Path) -> None:
    found = {
        word: list(sweep.query("poison", f"status == '{word}'", workspace=stores).x)
        for word in ("ok", "failed", "unstable", "lost")
    }

    assert found == {"ok": [1, 5], "failed": [3], "unstable": [7], "lost": []}


# --- select ---------------------------------------------------------------------------------


def test_a_number_is_selected_up_to_rounding(stores: Path) -> None:
    found = sweep.query("slab", "frequency > 1", select={"adlayer_mass_ratio": 0.1 + 0.2},
                        workspace=stores)  # fmt: skip

    everything = sweep.query("slab", "frequency > 1", workspace=stores)
    wanted = everything[everything.adlayer_mass_ratio == 0.3].reset_index(drop=True)
    assert_frame_equal(found, wanted)


@pytest.mark.parametrize("values", [[5, 3], (5, 3), [5.0, 3]])
def test_a_list_selects_its_values_in_its_order(stores: Path, values: Any) -> None:
    found = sweep.query("chain", "end_weight > 0.5", select={"atoms": values}, workspace=stores)

    assert list(found.atoms.unique()) == [5, 3]


def test_several_selections_hold_at_once(stores: Path) -> None:
    found = sweep.query(
        "slab", "frequency > 0.1",
        select={"material": "Ar", "adlayer": ["one side"], "k": 6, "mode": [0, 1]},
        workspace=stores,
    )  # fmt: skip

    everything = sweep.query("slab", "frequency > 0.1", workspace=stores)
    wanted = everything.query("material == 'Ar' and adlayer == 'one side' and k == 6 and mode < 2")
    assert_frame_equal(found, wanted.reset_index(drop=True))


@pytest.mark.parametrize("surface", ["111", 111, ["111"]])
def test_a_zipped_axis_selects_along_the_dim_it_shares(stores: Path, surface: Any) -> None:
    found = sweep.query("zipped", "frequency > 1", select={"surface": surface}, workspace=stores)

    assert set(found.layers) == {4}


def test_zipped_axes_that_never_meet_select_nothing(stores: Path) -> None:
    select = {"surface": "111", "layers": 3}

    apart = sweep.query("zipped", "frequency > 1", select=select, workspace=stores)
    together = sweep.query("zipped", "frequency > 1", select={"surface": ["100", "111"],
                           "layers": 4}, workspace=stores)  # fmt: skip

    assert len(apart) == 0
    assert "frequency" in apart
    assert set(together.surface) == {"111"}


# --- units ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("unit", "factor"), [("cm-1", CM_PER_THZ), ("meV", MEV_PER_THZ),
                                              ("THz", 1.0)])  # fmt: skip
def test_a_unit_holds_for_the_numbers_asked_and_given(
    stores: Path, unit: str, factor: float
) -> None:
    limit = 0.7 * factor

    found = sweep.query("slab", f"{limit} < frequency and bulk_band > {limit}", unit=unit,
                        variables=["elastic_constant"], workspace=stores)  # fmt: skip

    plain = sweep.query("slab", "0.7 < frequency and bulk_band > 0.7", workspace=stores,
                        variables=["elastic_constant"])  # fmt: skip
    assert found.attrs["units"]["frequency"] == found.attrs["units"]["bulk_band"] == unit
    assert found.attrs["units"]["elastic_constant"] == "GPa"
    assert len(found) == len(plain) > 0
    for name in ("frequency", "bulk_band"):
        np.testing.assert_allclose(found[name], plain[name] * factor, rtol=1e-12)
    assert (found.elastic_constant == plain.elastic_constant).all()


def test_units_of_variables_axes_and_dims_go_with_the_table(stores: Path) -> None:
    slab = sweep.query("slab", "frequency > 2 and surface_weight > 0", workspace=stores)
    chain = sweep.query("chain", "mean_square_displacement > 0", workspace=stores)

    assert slab.attrs["units"] == {"frequency": "THz", "adlayer_mass_ratio": "host mass"}
    assert chain.attrs["units"] == {
        "mean_square_displacement": "hbar/(mass*omega)", "temperature": "hbar*omega/k_B",
        "end_mass_ratio": "its own mass",
    }  # fmt: skip


def test_reduced_stores_stay_reduced(stores: Path) -> None:
    found = sweep.query("zipped", "frequency > 8", unit="reduced", workspace=stores)

    assert_frame_equal(found, sweep.query("zipped", "frequency > 8", workspace=stores))
    assert found.attrs["units"]["frequency"] == "sqrt(epsilon/m)/sigma"


@pytest.mark.parametrize("condition", ["frequency > 1", "bulk_band > 1"])
@pytest.mark.parametrize("unit", ["THz", "cm-1", "meV"])
def test_a_reduced_frequency_has_no_other_unit(stores: Path, condition: str, unit: str) -> None:
    with pytest.raises(sweep.InputError, match=f"--unit {unit} cannot .* has no scale.*`material`"):
        sweep.query("zipped", condition, unit=unit, workspace=stores)


@pytest.mark.parametrize("condition", ["frequency > 1", "bulk_band > 1"])
def test_a_gas_is_not_brought_back_to_reduced_units(stores: Path, condition: str) -> None:
    with pytest.raises(sweep.InputError, match="stored in THz, which --unit reduced cannot"):
        sweep.query("slab", condition, unit="reduced", workspace=stores)


# --- bad questions --------------------------------------------------------------------------

BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "a name with a typo": ("freqency > 1", {}, "names 'freqency'.*mean 'frequency'.*layers"),
    "a word without quotes": ("mode_kind == below", {}, "names 'below'.*put it in quotes"),
    "a flag with a typo": ("mode_kind == 'bellow'", {}, 'mode_kind with "bellow".*mean "below"'),
    "a status with a typo": ("status != 'skiped'", {}, '"skiped".*mean "skipped".*todo, running'),
    "a value that an axis has not": ("material in ['Xe', 'Kr']", {}, '"Kr".*Values: Ar, Xe'),
    "a word of an axis with a typo": ("adlayer == 'on side'", {}, 'mean "one side"'),
    "a variable with a typo": (
        "k > 1", {"variables": ["surface_wieght"]}, 'surface_wieght.*mean "surface_weight"'),
    "two names with typos": (
        "freqency > 1", {"variables": ["adlyer"]}, "'frequency'.*mean \"adlayer\""),
    "a unit in other letters": ("frequency > 1", {"unit": "thz"}, "'thz'.*mean \"THz\".*meV"),
    "a unit with a typo": ("frequency > 1", {"unit": "cm1"}, 'mean "cm-1"'),
    "a unit of something else": ("frequency > 1", {"unit": "GPa"}, "'GPa' is not known.*THz"),
    "selecting an axis with a typo": (
        "frequency > 1", {"select": {"adlayr": "none"}}, "'adlayr'.*mean \"adlayer\".*Known"),
    "selecting a variable": (
        "frequency > 1", {"select": {"frequency": 3}}, "'frequency', which is no axis"),
    "selecting a word with a typo": (
        "frequency > 1", {"select": {"adlayer": "oneside"}}, 'no value "oneside".*"one side"'),
    "selecting a number that is near": (
        "frequency > 1", {"select": {"adlayer_mass_ratio": 0.3001}}, r"0\.3001.*\[0\.1, 0\.3"),
    "selecting one bad number of a list": (
        "frequency > 1", {"select": {"layers": [3, 4]}}, r"layers has no value 4\..*\[3, 5\]"),
    "selecting what no number is": (
        "frequency > 1", {"select": {"layers": math.nan}}, "layers has no value NaN"),
    "selecting true among numbers": (
        "frequency > 1", {"select": {"layers": True}}, "layers has no value true"),
    "selecting a wavevector that is not there": (
        "frequency > 1", {"select": {"k": 12}}, "k has no value 12"),
    "no expression": ("", {}, "cannot be answered"),
    "half an expression": ("frequency >", {}, "cannot be read at column 12"),
    "a number as a condition": ("frequency + 1", {}, "a number, where a condition is wanted"),
    "a word against a number": ("mode_kind > 1", {}, "compares text with a number"),
    "Python": ("__import__('os')", {}, "cannot be read|names '__import__'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_question_gets_a_word_that_helps(stores: Path, case: str) -> None:
    condition, options, message = BAD[case]

    with pytest.raises(sweep.InputError, match=message):
        sweep.query("slab", condition, workspace=stores, **options)


def test_a_sweep_that_is_not_there_is_named_with_those_that_are(stores: Path) -> None:
    with pytest.raises(sweep.StoreError, match="no sweep 'slob'.*\"slab\".*chain, poison, slab"):
        sweep.query("slob", "frequency > 1", workspace=stores)


# --- size -----------------------------------------------------------------------------------


def test_nothing_found_keeps_columns_kinds_and_units(stores: Path) -> None:
    condition = "mode_kind == 'below' and frequency > {} and n_zero >= 0"

    some = sweep.query("slab", condition.format(0.1), workspace=stores, unit="meV")
    none = sweep.query("slab", condition.format(1e6), workspace=stores, unit="meV")

    assert len(some) > len(none) == 0
    assert none.attrs == some.attrs
    assert_frame_equal(none, some.iloc[:0], check_index_type=False)


@pytest.mark.parametrize("elements", [300, 900])
def test_the_table_does_not_depend_on_how_much_is_looked_at_in_one_go(
    stores: Path, monkeypatch: pytest.MonkeyPatch, elements: int
) -> None:
    question = {"expression": "mode_kind == 'below' and n_zero >= 0 and frequency > 0.3",
                "select": {"layers": [5, 3]}, "variables": ["k_label", "layer_height"]}  # fmt: skip
    whole = sweep.query("slab", **question, workspace=stores)

    monkeypatch.setattr(querying, "SLAB_ELEMENTS", elements)
    pieces = list(querying.stream("slab", **question, workspace=stores))

    assert len(whole) > elements
    assert max(map(len, pieces)) <= elements
    assert_frame_equal(sweep.query("slab", **question, workspace=stores), whole)


def test_places_may_be_looked_at_one_by_one(stores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sweep.query("chain", "end_weight > 0.5", workspace=stores)
    nothing = sweep.query("chain", "end_weight > 5", workspace=stores)

    monkeypatch.setattr(querying, "SLAB_ELEMENTS", 1)

    assert_frame_equal(sweep.query("chain", "end_weight > 0.5", workspace=stores), whole)
    assert_frame_equal(sweep.query("chain", "end_weight > 5", workspace=stores), nothing)


def test_a_damaged_chunk_is_named_in_words(tmp_path: Path, client: Client) -> None:
    document = {"modesweep": 1, "name": "c", "model": "chain", "axes": {"atoms": [4, 5]}}
    path = sweep.run(document, workspace=tmp_path, scheduler=client).path
    chunk = next(p for p in (path / "data.zarr/frequency_squared/c").rglob("*") if p.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)

    with pytest.raises(sweep.StoreError, match=r"(?s)frequency_squared.*damaged.*--repair"):
        sweep.query(path, "frequency_squared > 0")
