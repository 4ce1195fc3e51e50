"""What a stranger's xarray and zarr see in a store, while a sweep runs and after it."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
import zarr
from distributed import Client

import sweep
from sweep.ledger import Ledger
from sweep.messages import Receipt
from sweep.progress import Silent
from sweep.reading import stored_plan
from sweep.state import SweepState

pytestmark = pytest.mark.usefixtures("plugin")

SLAB = {
    "modesweep": 1, "name": "slab", "model": "slab",
    "outputs": ["frequency", "mode_kind", "bulk_band", "layer_height", "elastic_constant",
                "surface_energy"],
    "where": "adlayer != 'none' or adlayer_mass_ratio == 2",
    "fixed": {"cutoff": 3.0, "k_points": 12},
    "axes": {"layers": [5, 3], "material": ["Xe", "Ar"], "adlayer": ["none", "one side"],
             "adlayer_mass_ratio": [0.1, 0.3, 2.0]},
}  # fmt: skip
ONE = {
    "modesweep": 1, "name": "one", "model": "slab", "outputs": ["frequency", "surface_energy"],
    "fixed": {"cutoff": 3.0, "k_points": 12, "layers": 3},
}  # fmt: skip
SUBSTANCE = {"epsilon_K": 120.957608, "sigma_angstrom": 3.4, "mass_u": 39.948}
ODD = {
    "modesweep": 1, "name": "odd", "model": "slab", "zip": [["surface", "layers"]],
    "outputs": ["frequency"], "fixed": {"cutoff": 2.0},
    "axes": {"material": ["Ar", SUBSTANCE], "k_list": [[[0.5, 0.0]], [[0.5, 0.0], [0.25, 0.25]]],
             "surface": ["100", "111"], "layers": [2, 3], "relaxed": [True, False]},
}  # fmt: skip
CHAIN = {
    "modesweep": 1, "name": "chain", "model": "chain", "fixed": {"temperatures": [0, 1.5]},
    "axes": {"atoms": [3, 5, 200], "end_mass_ratio": {"linspace": [0.2, 1.0, 30]}},
}  # fmt: skip
ROWS_BESIDE = ("status", "attempts", "seconds")
FLAGS = "todo running ok failed unstable lost skipped"


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """Make a workspace with one sweep of each kind."""
    workspace = tmp_path_factory.mktemp("stores")
    for content in (SLAB, ONE, ODD, CHAIN):
        result = sweep.run(content, workspace=workspace, scheduler=client)
        assert result.complete
    return workspace


def stock(folder: Path, **options: Any) -> xarray.Dataset:
    """Open a store as anybody would."""
    return xarray.open_zarr(folder / "data.zarr", consolidated=False, **options)


# --- shape and coordinates ------------------------------------------------------------------


def test_dims_are_axes_in_their_order_then_own_dims(stores: Path) -> None:
    data = stock(stores / "slab")

    axes = ("layers", "material", "adlayer", "adlayer_mass_ratio")
    assert data.frequency.dims == (*axes, "k", "mode")
    assert data.mode_kind.dims == (*axes, "k", "mode")
    assert data.layer_height.dims == ("layers", "material", "adlayer", "layer")
    assert data.bulk_band.dims == ("material", "k", "band", "edge")
    assert data.n_modes.dims == ("layers", "material")
    for name in ROWS_BESIDE:
        assert data[name].dims == axes
        assert data[name].shape == (2, 2, 2, 3)


def test_every_axis_and_dim_has_its_values_under_its_name(stores: Path) -> None:
    slab, chain = stock(stores / "slab"), stock(stores / "chain")

    for name, values in SLAB["axes"].items():
        assert slab.indexes[name].tolist() == values
    assert slab.k.values.tolist() == list(range(12))
    assert slab["mode"].values.tolist() == list(range(15))
    assert slab.edge.values.tolist() == ["low", "high"]
    assert slab.component.values.tolist() == ["x", "y"]
    assert chain.temperature.values.tolist() == [0, 1.5]
    assert chain.end_mass_ratio.values == pytest.approx(np.linspace(0.2, 1.0, 30), rel=1e-13)
    assert slab.layers.dtype == np.int64
    assert slab.adlayer_mass_ratio.dtype == np.float64
    for data in (slab, chain):
        assert set(data.dims) == set(data.indexes)


def test_texts_select(stores: Path) -> None:
    data = stock(stores / "slab").load()

    picked = data.frequency.sel(material="Ar", adlayer="one side", adlayer_mass_ratio=0.3, layers=3)

    assert np.isfinite(picked.isel(mode=slice(9))).all()


def test_zipped_axes_share_the_dim_of_the_first(stores: Path) -> None:
    data = stock(stores / "odd")

    group = json.loads((stores / "odd/data.zarr/zarr.json").read_text())
    assert group["attributes"]["coordinates"] == "layers"
    assert data.frequency.dims == ("material", "k_list", "surface", "relaxed", "k", "mode")
    assert data.layers.dims == ("surface",)
    assert "layers" in data.coords
    assert "layers" not in data.indexes
    assert data.layers.values.tolist() == [2, 3]
    assert data.status.shape == (2, 2, 2, 2)


def test_lists_and_tables_are_named_by_compact_json(stores: Path) -> None:
    data = stock(stores / "odd").load()
    table = '{"epsilon_K":120.957608,"sigma_angstrom":3.4,"mass_u":39.948}'

    assert data.material.values.tolist() == ["Ar", table]
    assert data.k_list.values.tolist() == ["[[0.5,0.0]]", "[[0.5,0.0],[0.25,0.25]]"]
    # the table spells argon out
    both = [data.frequency.sel(material=name) for name in ("Ar", table)]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-9)
    found = sweep.query(stores / "odd", "frequency > 0.1",
                        select={"material": table, "k_list": "[[0.5,0.0]]"})  # fmt: skip
    assert set(found.material) == {table}
    assert set(found.k) == {0}


def test_true_and_false_are_an_axis_of_booleans(stores: Path) -> None:
    data = stock(stores / "odd").load()

    assert data.relaxed.dtype == np.bool_
    assert data.relaxed.values.tolist() == [True, False]
    apart = data.frequency.sel(relaxed=True) - data.frequency.sel(relaxed=False)
    assert np.nanmax(np.abs(apart)) > 0.01


def test_a_sweep_without_axes_is_one_point(stores: Path) -> None:
    data = stock(stores / "one").load()

    assert data.frequency.dims == ("k", "mode")
    assert data.surface_energy.dims == data.status.dims == ()
    assert data.status.item() == FLAGS.split().index("ok")
    assert data.attempts.item() == 1
    assert data.seconds.item() > 0
    assert sweep.status(stores / "one").counts == {"ok": 1}


# --- attributes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["slab", "one", "odd", "chain"])
def test_every_array_says_what_it_is(stores: Path, name: str) -> None:
    data = stock(stores / name)

    for variable in data.variables.values():
        assert variable.attrs["units"]
        assert variable.attrs["long_name"]
    for variable in data.data_vars.values():
        assert variable.attrs["source"]


def test_units_are_those_of_a_gas_or_reduced(stores: Path) -> None:
    gas, reduced, chain = (stock(stores / n) for n in ("slab", "one", "chain"))

    assert {n: gas[n].attrs["units"] for n in SLAB["outputs"]} == {
        "frequency": "THz", "bulk_band": "THz", "mode_kind": "1", "layer_height": "angstrom",
        "elastic_constant": "GPa", "surface_energy": "meV",
    }  # fmt: skip
    assert gas.k_vector.attrs["units"] == "1/angstrom"
    assert reduced.frequency.attrs["units"] == "sqrt(epsilon/m)/sigma"
    assert chain.frequency_squared.attrs["units"] == "spring/mass"
    assert gas.adlayer_mass_ratio.attrs["units"] == "host mass"
    assert gas.seconds.attrs["units"] == "s"


def test_flags_follow_cf(stores: Path) -> None:
    data = stock(stores / "slab").load()

    assert data.status.attrs["flag_meanings"] == FLAGS
    assert list(data.status.attrs["flag_values"]) == list(range(7))
    assert data.mode_kind.attrs["flag_meanings"] == "bulk below gap above resonance"
    assert list(data.mode_kind.attrs["flag_values"]) == list(range(5))
    assert data.status.dtype == data.mode_kind.dtype == np.uint8
    assert set(np.unique(data.mode_kind)) <= {0, 1, 2, 3, 4, 255}


def test_the_group_says_where_it_comes_from(stores: Path) -> None:
    attrs = stock(stores / "slab").attrs

    assert attrs["modesweep_format"] == 2
    assert (attrs["name"], attrs["model"], attrs["revision"]) == ("slab", "slab", 1)
    assert json.loads(attrs["sweep"]) == SLAB
    assert attrs["versions"]["numpy"] == np.__version__
    assert attrs["versions"]["zarr"] == zarr.__version__
    assert attrs["blas"]
    assert attrs["created"].startswith("20")


def test_no_variable_is_named_like_a_parameter_or_a_dim(stores: Path) -> None:
    for name in ("slab", "one", "odd", "chain"):
        plan = stored_plan(stores / name)
        taken = {*plan.model.parameters.model_fields, *(d.name for d in plan.model.dims)}

        assert not taken & set(stock(stores / name).data_vars)


# --- values ---------------------------------------------------------------------------------


def test_shorter_spectra_are_padded_at_the_end_with_their_length_beside(stores: Path) -> None:
    data = stock(stores / "slab").load()

    assert data.n_modes.values.tolist() == [[15, 15], [9, 9]]
    there = (data["mode"] < data.n_modes) & (data.status == FLAGS.split().index("ok"))
    assert (np.isfinite(data.frequency) == there).all()
    short = data.frequency.sel(layers=3, adlayer="one side")
    assert np.isfinite(short.isel(mode=slice(0, 9))).all()
    assert np.isnan(short.isel(mode=slice(9, None))).all()
    assert (data.mode_kind.sel(layers=3).isel(mode=slice(9, None)) == 255).all()
    assert (np.diff(short.isel(mode=slice(0, 9)), axis=-1) >= 0).all()
    assert np.isnan(data.layer_height.sel(layers=3).isel(layer=slice(3, None))).all()
    assert np.isfinite(data.layer_height.sel(layers=5, material="Xe", adlayer="one side")).all()


def test_skipped_points_hold_nothing(stores: Path) -> None:
    data = stock(stores / "slab").load()

    skipped = data.sel(adlayer="none", adlayer_mass_ratio=[0.1, 0.3])
    assert (skipped.status == FLAGS.split().index("skipped")).all()
    assert (skipped.attempts == 0).all()
    assert np.isnan(skipped.seconds).all()
    assert np.isnan(skipped.frequency).all()
    assert (skipped.mode_kind == 255).all()
    assert (skipped.n_zero == -1).all()
    rest = data.status.sel(adlayer="one side")
    assert (rest == FLAGS.split().index("ok")).all()


def test_gases_differ_by_their_scale_only(stores: Path) -> None:
    """Frequencies go like sqrt(epsilon/m)/sigma, lengths like sigma, energies like epsilon."""
    gas, reduced = stock(stores / "slab").load(), stock(stores / "one").load()
    xenon, argon = gas.sel(material="Xe"), gas.sel(material="Ar")

    scale = math.sqrt(231.775057 / 131.293 / (120.957608 / 39.948)) * 3.40 / 3.98
    assert scale == pytest.approx(0.048447 / 0.074272, rel=1e-5)
    np.testing.assert_allclose(xenon.frequency, argon.frequency * scale, rtol=1e-12)
    np.testing.assert_allclose(xenon.layer_height, argon.layer_height * 3.98 / 3.4, rtol=1e-12)
    np.testing.assert_allclose(
        xenon.surface_energy, argon.surface_energy * 231.775057 / 120.957608, rtol=1e-12
    )
    np.testing.assert_array_equal(xenon.mode_kind, argon.mode_kind)
    clean = xenon.frequency.sel(layers=3, adlayer="none", adlayer_mass_ratio=2).isel(
        mode=slice(0, 9)
    )
    moving = np.abs(reduced.frequency) > 1e-3
    np.testing.assert_allclose(
        clean.values[moving], reduced.frequency.values[moving] * 0.048447, rtol=1e-5
    )


def test_a_variable_is_stored_once_for_the_axes_it_does_not_depend_on(stores: Path) -> None:
    """An axis without influence is no dim: xarray repeats the values along it."""
    data = stock(stores / "slab").load()

    assert data.elastic_constant.dims == ("material", "constant")
    ratio = data.frequency.sel(layers=3) / data.elastic_constant.sel(constant="c44")
    assert ratio.dims == ("material", "adlayer", "adlayer_mass_ratio", "k", "mode")


# --- half-way -------------------------------------------------------------------------------

HOSTS = {
    "modesweep": 1, "name": "hosts", "model": "shared-host",
    "axes": {"host": [1, 13, 3], "defect": {"arange": [10]}},
}  # fmt: skip
"""Blocks of one point; host 13 cannot be computed."""


class Onlooker(Silent):
    """Opens the store after every block, and may stop the run at a number of good points."""

    def __init__(self, folder: Path, enough: int = 99) -> None:
        self.folder = folder
        self.enough = enough
        self.seen: list[xarray.Dataset] = []

    def update(self, state: SweepState, receipt: Receipt | None) -> None:
        """Look."""
        self.seen.append(stock(self.folder, chunks=None).load())
        if state.counts().get("ok", 0) >= self.enough:
            msg = "the onlooker has seen enough"
            raise KeyboardInterrupt(msg)


def has_final_values(data: xarray.Dataset) -> bool:
    """Say whether every value is missing or what it will be for ever."""
    level = data.level.transpose("host", "defect")
    final = np.isclose(level, 16 * data.host / 7 + data.defect, rtol=1e-12)
    return bool((np.isnan(level) | final).all() and np.isnan(level.sel(host=13)).all())


def test_whoever_looks_while_it_runs_sees_nothing_or_what_stays(
    tmp_path: Path, client: Client
) -> None:
    onlooker = Onlooker(tmp_path / "hosts")

    sweep.run(HOSTS, workspace=tmp_path, scheduler=client, progress=onlooker)

    filled = [int(np.isfinite(data.level).sum()) for data in onlooker.seen]
    assert all(map(has_final_values, onlooker.seen))
    assert filled == sorted(filled)
    # no more than a few blocks are under way at a time, so some looks fall in between
    assert filled[0] < filled[-1] == 20
    assert len(set(filled)) > 2
    assert {data.level.shape for data in onlooker.seen} == {(3, 10)}


def test_a_store_between_two_runs_holds_what_is_finished(tmp_path: Path, client: Client) -> None:
    onlooker = Onlooker(tmp_path / "hosts", enough=3)

    with pytest.raises(KeyboardInterrupt, match="seen enough"):
        sweep.run(HOSTS, workspace=tmp_path, scheduler=client, progress=onlooker)
    between = stock(tmp_path / "hosts").load()
    result = sweep.run(HOSTS, workspace=tmp_path, scheduler=client)
    after = stock(tmp_path / "hosts").load()

    words = np.array(FLAGS.split())
    assert has_final_values(between)
    assert {"todo", "ok"} <= set(words[between.status].flat)
    assert np.isfinite(between.level.values[words[between.status] == "ok"]).all()
    assert result.counts == {"ok": 20, "failed": 10}
    assert has_final_values(after)
    assert np.isfinite(after.level.sel(host=[1, 3])).all()
    assert words[after.status.sel(defect=4)].tolist() == ["ok", "failed", "ok"]


# --- on the disk ----------------------------------------------------------------------------


def chunk_files(sweep: Path, variable: str) -> set[Path]:
    """List the chunks of a variable; that of a single number is a file by itself."""
    root = (sweep / "data.zarr" / variable / "c").resolve()
    return {f for f in (root, *root.rglob("*")) if f.is_file()}


@pytest.mark.parametrize("name", ["slab", "one", "odd", "chain"])
def test_chunks_are_the_blocks(stores: Path, name: str) -> None:
    plan = stored_plan(stores / name)
    group = zarr.open_group(stores / name / "data.zarr", mode="r")

    for region in plan.regions.values():
        for variable in region.variables:
            array, own = group[variable], plan.variables[variable].dims
            longest = [
                region.cut_chunk if region.divided and d == region.cut else plan.lengths[d]
                for d in own
            ]
            assert array.chunks == (*region.chunk, *longest)
            assert array.nchunks == region.blocks
            assert array.nchunks_initialized == int(plan.wanted_blocks(region).sum())


def test_a_sweep_of_many_points_has_few_files(stores: Path) -> None:
    files = chunk_files(stores / "chain", "frequency_squared")

    assert stored_plan(stores / "chain").sweep.size == 90
    assert len(files) == 1


@pytest.mark.parametrize("name", ["slab", "one", "odd", "chain"])
def test_arrays_are_zarr_3_and_shrunk_by_zstd(stores: Path, name: str) -> None:
    root = stores / name / "data.zarr"

    assert json.loads((root / "zarr.json").read_text())["zarr_format"] == 3
    assert json.loads((root / "zarr.json").read_text()).get("consolidated_metadata") is None
    for variable, array in stock(stores / name).data_vars.items():
        meta: dict[str, Any] = json.loads((root / str(variable) / "zarr.json").read_text())
        assert meta["zarr_format"] == 3
        assert meta.get("dimension_names", []) == list(array.dims)
        # the checksum comes last, so that every reader checks it first
        *_, last, checksum = meta["codecs"]
        assert checksum["name"] == "crc32c"
        if meta["data_type"] == "string":
            assert last["name"] == "zstd"
        else:
            settings = last["configuration"]
            assert (last["name"], settings["cname"], settings["shuffle"]) == (
                "blosc", "zstd", "shuffle",
            )  # fmt: skip


@pytest.mark.parametrize("name", ["slab", "one", "odd", "chain"])
def test_receipts_name_every_chunk_with_its_size_and_checksum(stores: Path, name: str) -> None:
    data = stores / name / "data.zarr"
    ledger = Ledger(stores / name)
    noted = {
        (stores / name / p).resolve(): sums
        for row in ledger.blocks()
        for p, sums in row.files.items()
    }
    ledger.close()

    plan = stored_plan(stores / name)
    chunks = {f for v in plan.arrays for f in chunk_files(stores / name, v)}
    assert chunks == {p for p in noted if p.is_relative_to(data.resolve())}
    assert len(chunks) == plan.files
    for path, (size, checksum) in noted.items():
        content = path.read_bytes()
        assert (len(content), zlib.crc32(content)) == (size, checksum)


def test_no_temporary_file_is_left(stores: Path) -> None:
    assert not list(stores.rglob("*.partial"))
    assert not list(stores.glob(".*.creating"))
