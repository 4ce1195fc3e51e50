"""Exports of real stores, read back by xarray, pandas and phonopy, against `sweep.open`."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray
from distributed import Client

import sweep
from sweep.exports import csv_tables, exportable, netcdf
from sweep.exports.exportable import Field

pytestmark = pytest.mark.usefixtures("plugin")

CM_PER_THZ = 1e12 / 2.99792458e10

SLAB = {
    "modesweep": 1, "name": "slab", "model": "slab", "zip": [["layers", "surface"]],
    "outputs": ["frequency", "surface_weight", "mode_kind", "bulk_band", "elastic_constant",
                "layer_height", "eigenvector"],
    "where": "relaxed or layers == 3",
    "fixed": {"cutoff": 2.0, "k_points": 7, "material": "Xe"},
    "axes": {"layers": [3, 5], "surface": ["100", "111"], "relaxed": [True, False]},
}  # fmt: skip
CHAIN = {
    "modesweep": 1, "name": "chain", "model": "chain", "fixed": {"temperatures": [0, 1.5]},
    "axes": {"atoms": [3, 5, 8], "end_mass_ratio": [0.2, 1.0]},
}  # fmt: skip
POISON = {
    "modesweep": 1, "name": "poison", "model": "poison",
    "fixed": {"poison": "exception", "at": 3.0}, "axes": {"x": [1, 3, 5, 7]},
}  # fmt: skip
ONE = {
    "modesweep": 1, "name": "one", "model": "slab", "outputs": ["frequency", "surface_energy"],
    "fixed": {"layers": 2, "cutoff": 2.0, "k_points": 4},
}  # fmt: skip
NAMES = ("slab", "chain", "poison", "one")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """Make a workspace with one sweep of each kind."""
    workspace = tmp_path_factory.mktemp("exports")
    for content in (SLAB, CHAIN, POISON, ONE):
        sweep.run(content, workspace=workspace, scheduler=client)
    return workspace


def read_back(file: Path) -> xarray.Dataset:
    """Open a netCDF export, complex variables put together again."""
    with xarray.open_dataset(file, engine="h5netcdf") as opened:
        data = opened.load()
    for name in [str(n)[:-5] for n in data if str(n).endswith("_real")]:
        data[name] = data[f"{name}_real"] + 1j * data[f"{name}_imag"]
        data = data.drop_vars([f"{name}_real", f"{name}_imag"])
    return data


def assert_same(found: xarray.Dataset, wanted: xarray.Dataset) -> None:
    """Check names, dims, types and values; texts may have another type of text."""
    assert set(found.variables) == set(wanted.variables)
    assert set(found.coords) == set(wanted.coords)
    for name in wanted.variables:
        a, b = found[name], wanted[name].load()
        assert a.dims == b.dims
        if b.dtype.kind in "OUT":
            assert a.astype(object).equals(b.astype(object)), name
        else:
            assert a.dtype == b.dtype, name
            assert a.equals(b), name


# --- netCDF ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_netcdf_is_read_by_xarray_as_the_store_is(stores: Path, tmp_path: Path, name: str) -> None:
    files = sweep.export(name, tmp_path / "a.nc", format="netcdf", workspace=stores)

    assert files == [tmp_path / "a.nc"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.nc"]
    assert_same(read_back(files[0]), sweep.open(name, stores))


def test_netcdf_keeps_units_flags_and_where_it_comes_from(stores: Path, tmp_path: Path) -> None:
    (file,) = sweep.export("slab", tmp_path / "a.nc", format="netcdf", workspace=stores)

    with xarray.open_dataset(file) as data:
        store = sweep.open("slab", stores)
        for name in set(store.variables) & set(data.variables):
            for key, value in store[name].attrs.items():
                assert np.array_equal(data[name].attrs[key], value), (name, key)
        assert data.status.attrs["flag_values"].dtype == np.uint8
        assert data.eigenvector_imag.attrs["comment"] == "imag part of eigenvector"
        assert json.loads(data.attrs["versions"]) == store.attrs["versions"]
        assert json.loads(data.attrs["sweep"])["name"] == "slab"


def test_netcdf_of_a_part_has_the_status_of_its_points(stores: Path, tmp_path: Path) -> None:
    (file,) = sweep.export(
        "slab", tmp_path / "a.nc", format="netcdf", workspace=stores, unit="cm-1",
        select={"surface": "111", "k": [0, 2]}, variables=["frequency", "bulk_band"],
    )  # fmt: skip

    part = read_back(file)
    store = sweep.open("slab", stores).sel(k=[0, 2]).isel(layers=[1])
    assert set(part) == {
        "frequency", "bulk_band", "bulk_band_error", "status", "attempts", "seconds",
    }  # fmt: skip
    assert part.frequency.attrs["units"] == "cm-1"
    assert part.frequency.values == pytest.approx(store.frequency.values * CM_PER_THZ, nan_ok=True)
    assert part.status.values.tolist() == store.status.values.tolist()
    assert part.surface.values.tolist() == ["111"]


def test_missing_points_are_nan(stores: Path, tmp_path: Path) -> None:
    (file,) = sweep.export("poison", tmp_path / "a.nc", format="netcdf", workspace=stores)

    data = read_back(file)
    failed = data.status == 3
    assert failed.values.tolist() == [False, True, False, False]
    floats = [n for n in data if data[n].dtype == np.float64 and data[n].dims == ("x",)]
    assert floats
    for name in floats:
        assert np.isnan(data[name].values).tolist() == failed.values.tolist()


@pytest.mark.parametrize(
    ("format", "select"),
    [("netcdf", {"surface": ["111"], "relaxed": [True]}),
     *(pytest.param(f, {}, marks=pytest.mark.long) for f in ("netcdf", "csv"))],
)  # fmt: skip
def test_a_slab_at_a_time_gives_the_same_file(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str,
    select: dict[str, Any],
) -> None:  # fmt: skip
    """A slab is a few whole chunks; with one of one element, a chunk at a time."""
    out = tmp_path / "whole"
    whole = sweep.export("slab", out, format=format, workspace=stores, select=select)
    sizes: list[tuple[int, int]] = []
    load = Field.values

    def spy(self: Field, slab: Any) -> Any:
        values = load(self, slab)
        sizes.append((values.size, int(np.prod(self.chunk))))
        return values

    monkeypatch.setattr(exportable, "SLAB_ELEMENTS", 1)
    monkeypatch.setattr(Field, "chunk", property(lambda self: tuple(1 for _ in self.dims)))
    monkeypatch.setattr(Field, "values", spy)
    variables = ["frequency", "mode_kind", "k_label", "bulk_band"]
    pieces = sweep.export(
        "slab", tmp_path / "pieces", format=format, workspace=stores, variables=variables,
        select=select,
    )  # fmt: skip

    along_axes = max(sweep.open("slab", stores).sizes.values())  # coordinates are loaded whole
    assert max(size for size, _ in sizes) <= along_axes
    if format == "netcdf":
        assert_same(read_back(pieces[0])[variables], read_back(whole[0])[variables])
    else:
        frame = pd.read_csv(tmp_path / "pieces" / "layers-k-band-edge.csv")
        pd.testing.assert_frame_equal(frame, pd.read_csv(out / "layers-k-band-edge.csv"))


# --- CSV ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_read_by_pandas_as_the_store_is(stores: Path, tmp_path: Path, name: str) -> None:
    files = sweep.export(name, tmp_path / "t", format="csv", workspace=stores)

    store = sweep.open(name, stores).load()
    seen = set()
    for file in files[:-1]:
        table = pd.read_csv(file, keep_default_na=False, na_values=[""], dtype={"surface": str})
        for column in set(table.columns) - set(store.coords):
            variable = column.removesuffix("_real").removesuffix("_imag")
            array = store[variable]
            assert file.stem == ("-".join(map(str, array.dims)) or "values")
            if array.dtype.kind in "fc":
                wanted = array.values.imag if column.endswith("_imag") else array.values.real
                found = table[column].to_numpy().astype(wanted.dtype)
                # the file has all digits, of which pandas 2 reads a few less
                np.testing.assert_allclose(found, wanted.ravel(), rtol=1e-12)
            else:
                assert table[column].tolist() == cells(array)
            seen.add(variable)
        for d in array.dims:
            wanted = xarray.broadcast(store[d], array)[0].transpose(*array.dims)
            assert table[d].tolist() == wanted.values.ravel().tolist()
    assert seen == set(store.data_vars)


class Empty:
    """Equal to NaN, which is equal to nothing."""

    def __eq__(self, other: object) -> bool:
        return other != other

    __hash__ = None  # type: ignore[assignment]


def cells(array: xarray.DataArray) -> list[Any]:
    """Give what a column of words or whole numbers should hold."""
    values = array.values.ravel().tolist()
    words = str(array.attrs.get("flag_meanings", "")).split()
    if words:
        return [words[x] if x < len(words) else Empty() for x in values]
    return [Empty() if x in (-1, "") else x for x in values]


def test_columns_are_described_with_their_units(stores: Path, tmp_path: Path) -> None:
    *tables, described = sweep.export(
        "slab", tmp_path / "t", format="csv", workspace=stores, unit="meV"
    )

    columns = pd.read_csv(described, keep_default_na=False)
    assert described.name == csv_tables.COLUMNS
    unit = columns[columns.column == "frequency"].iloc[0]
    assert (unit.file, unit.unit) == ("layers-relaxed-k-mode.csv", "meV")
    assert set(columns.file) == {t.name for t in tables}
    for table in tables:
        assert list(columns[columns.file == table.name].column) == list(pd.read_csv(table).columns)


def test_variables_of_the_same_dims_go_into_one_file(stores: Path, tmp_path: Path) -> None:
    files = sweep.export(
        "slab", tmp_path / "t.csv", format="csv", workspace=stores,
        variables=["frequency", "mode_kind"], select={"layers": 3, "relaxed": True},
    )  # fmt: skip

    assert [f.name for f in files] == ["t.csv", "t.columns.csv"]
    table = pd.read_csv(files[0])
    assert list(table.columns) == [
        "layers", "surface", "relaxed", "k", "mode", "frequency", "mode_kind",
    ]  # fmt: skip
    assert len(table) == 7 * 15
    assert table.frequency.notna().sum() == 7 * 9  # the store has room for five layers


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [({"format": "netcfd"}, "--format 'netcfd' is not known. Did you mean \"netcdf\""),
     ({"variables": ["freqency"]}, "--vars names 'freqency'.* Did you mean \"frequency\""),
     ({"unit": "thz"}, "--unit 'thz' is not known. Did you mean \"THz\""),
     ({"select": {"layers": 4}}, "layers has no value 4"),
     ({"select": {"layers": 3, "surface": "111"}}, "--select leaves no point"),
     ({"format": "csv", "out": "t.csv"}, r"different sets of dims: .*k_weight \(layers, k\)"),
     ({"out": "."}, "is a folder, but a netCDF export is one file")],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_is_written(
    stores: Path, tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    out = tmp_path / given.pop("out", "a.nc")

    with pytest.raises(sweep.InputError, match=words):
        sweep.export("slab", out, workspace=stores, **{"format": "netcdf", **given})

    assert not list(tmp_path.iterdir())


def test_reduced_units_have_no_thz(stores: Path, tmp_path: Path) -> None:
    with pytest.raises(sweep.InputError, match="reduced units has no scale"):
        sweep.export("one", tmp_path / "a.nc", format="netcdf", workspace=stores, unit="THz")


@pytest.mark.parametrize(("format", "name"), [("netcdf", "a.nc"), ("csv", "t")])
def test_nothing_is_replaced_without_force(
    stores: Path, tmp_path: Path, format: str, name: str
) -> None:
    first = sweep.export("chain", tmp_path / name, format=format, workspace=stores)
    first[0].write_text("mine")

    with pytest.raises(sweep.RefusedError, match="is there already.*--force"):
        sweep.export("chain", tmp_path / name, format=format, workspace=stores)
    assert first[0].read_text() == "mine"

    again = sweep.export("chain", tmp_path / name, format=format, workspace=stores, force=True)
    assert again == first
    assert first[0].read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [(errno.ENOSPC, sweep.MachineError, "Nothing is left of it"),
     (errno.EACCES, sweep.InputError, "that you can write")],
)  # fmt: skip
def test_a_failed_write_leaves_nothing(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int,
    kind: type[Exception], words: str,
) -> None:  # fmt: skip
    def fail(*_: object) -> None:
        raise OSError(number, "the disk says no")

    monkeypatch.setattr(csv_tables, "_describe", fail)

    with pytest.raises(kind, match=words):
        sweep.export("chain", tmp_path / "t", format="csv", workspace=stores)

    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_without_h5netcdf_it_says_what_to_install(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netcdf, "h5netcdf", None)

    with pytest.raises(sweep.InputError, match=r"Install modesweep\[export\]"):
        sweep.export("chain", tmp_path / "a.nc", format="netcdf", workspace=stores)
