"""Phonopy files: the numbers by phonopy itself from the atoms in the file, and its readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import phonopy
import pytest
import yaml
from distributed import Client
from numpy.typing import NDArray
from phonopy.cui import phonopy_bandplot_script as script
from phonopy.structure.atoms import PhonopyAtoms

import sweep
from sweep.exports.phonopy import segments

pytestmark = pytest.mark.usefixtures("plugin")

XENON_SIGMA, XENON_MASS = 3.98, 131.293
XENON_THZ = (
    np.sqrt(231.775057 * 1.380649e-23 / (XENON_MASS * 1.66053906660e-27)) / 3.98e-10 / 2e12 / np.pi
)
"""sqrt(epsilon/m)/sigma over 2 pi."""
CUTOFF = 1.8  # between the shells at sqrt(3) and 2, so that relaxation moves no pair across it
COPIES = 5

FIXED: dict[str, Any] = {"cutoff": CUTOFF, "adlayer": "one side", "adlayer_mass_ratio": 0.5}
OUTPUTS = ["frequency", "eigenvector"]
PATH: dict[str, Any] = {
    "modesweep": 1, "name": "path", "model": "slab", "outputs": OUTPUTS,
    "fixed": {**FIXED, "material": "Xe", "k_path": "G-M-K,M-G"},
    "axes": {"layers": [3, 4], "k_points": [9, 11]},
}  # fmt: skip
MESH: dict[str, Any] = {
    "modesweep": 1, "name": "mesh", "model": "slab", "outputs": OUTPUTS,
    "fixed": {**FIXED, "material": "Xe", "k_mesh": 3}, "axes": {"layers": [3, 4]},
}  # fmt: skip
REDUCED: dict[str, Any] = {
    "modesweep": 1, "name": "reduced", "model": "slab", "outputs": ["frequency"],
    "fixed": {"cutoff": CUTOFF, "layers": 2, "k_list": [[0.1, 0.2], [0.0, 0.5], [0.3, 0.3]]},
}  # fmt: skip
FEW: dict[str, Any] = {
    "modesweep": 1, "name": "few", "model": "slab", "outputs": ["frequency"],
    "fixed": {"cutoff": CUTOFF, "k_points": 5}, "where": "layers == 2", "axes": {"layers": [2, 3]},
}  # fmt: skip
CHAIN: dict[str, Any] = {
    "modesweep": 1, "name": "chain", "model": "chain", "axes": {"atoms": [3]},
}  # fmt: skip
NO_FREQUENCY: dict[str, Any] = {
    "modesweep": 1, "name": "static", "model": "slab", "outputs": ["layer_height"],
    "fixed": {"cutoff": CUTOFF, "layers": 3},
}  # fmt: skip


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    workspace = tmp_path_factory.mktemp("phonopy")
    for content in (PATH, MESH, REDUCED, FEW, CHAIN, NO_FREQUENCY):
        sweep.run(content, workspace=workspace, scheduler=client)
    return workspace


@pytest.fixture
def band(stores: Path, tmp_path: Path) -> dict[str, Any]:
    """Export a path of a slab of three layers, in a store with room for more."""
    (file,) = sweep.export(
        "path", tmp_path, format="phonopy", workspace=stores, select={"layers": 3, "k_points": 9}
    )
    assert file == tmp_path / "band.yaml"
    return yaml.safe_load(file.read_text())


def phonopy_of(band: dict[str, Any]) -> Any:
    """Hand the atoms of a file to phonopy, with Lennard-Jones force constants by hand.

    Lengths in sigma, masses in those of xenon: squared frequencies in epsilon/(m sigma^2).
    """
    points = band["points"]
    cell = PhonopyAtoms(
        symbols=[p["symbol"] for p in points], cell=np.array(band["lattice"]) / XENON_SIGMA,
        scaled_positions=[p["coordinates"] for p in points],
        masses=[p["mass"] / XENON_MASS for p in points],
    )  # fmt: skip
    found = phonopy.Phonopy(
        cell, supercell_matrix=np.diag([COPIES, COPIES, 1]), primitive_matrix="P",
        is_symmetry=False,
    )  # fmt: skip
    found.force_constants = force_constants(found.supercell)
    return found


def force_constants(supercell: Any) -> NDArray[np.float64]:
    """Second derivatives of 4 (r^-12 - r^-6) for pairs nearer than the cutoff."""
    x, cell = supercell.scaled_positions, supercell.cell
    away = x[None] - x[:, None]
    away = (away - np.rint(away)) @ cell
    r = np.linalg.norm(away, axis=2) + np.eye(len(x)) * 1e9
    near = r < (CUTOFF + 0.05) * r.min()
    first = np.where(near, 4 * (-12 * r**-13 + 6 * r**-7) / r, 0)
    second = np.where(near, 4 * (156 * r**-14 - 42 * r**-8), 0)
    unit = away / r[..., None]
    constants = -(
        (second - first)[..., None, None] * unit[..., :, None] * unit[..., None, :]
        + first[..., None, None] * np.eye(3)
    )
    own = np.arange(len(x))
    constants[own, own] = -constants.sum(axis=1)
    return constants


def vectors(entry: dict[str, Any]) -> NDArray[np.complex128]:
    """Eigenvectors of one wavevector, (3 atoms, modes)."""
    e = np.array([mode["eigenvector"] for mode in entry["band"]])
    return (e[..., 0] + 1j * e[..., 1]).reshape(len(e), -1).T


def test_phonopy_finds_the_modes_of_the_file_from_its_atoms(band: dict[str, Any]) -> None:
    """The matrix is phonopy's; the vectors test phases and the order of atoms too."""
    dynamical = phonopy_of(band).dynamical_matrix

    assert len(band["phonon"]) == band["nqpoint"]
    for entry in band["phonon"]:
        dynamical.run(entry["q-position"])
        frequency = np.array([mode["frequency"] for mode in entry["band"]]) / XENON_THZ
        e = vectors(entry)
        expected = e * (np.sign(frequency) * frequency**2)
        assert dynamical.dynamical_matrix @ e == pytest.approx(expected, abs=1e-8)
        assert e.conj().T @ e == pytest.approx(np.eye(9), abs=1e-9)


def test_the_path_is_what_phonopy_itself_would_write(band: dict[str, Any], tmp_path: Path) -> None:
    segment, points = [], [p["q-position"] for p in band["phonon"]]
    for count in band["segment_nqpoint"]:
        segment.append(points[:count])
        points = points[count:]
    theirs = phonopy_of(band)
    theirs.run_band_structure(
        segment, labels=["G", "M", "K", "M", "G"], path_connections=[True, False, False],
        with_eigenvectors=True,
    )  # fmt: skip
    theirs.band_structure.write_yaml(filename=tmp_path / "theirs.yaml")
    wanted = yaml.safe_load((tmp_path / "theirs.yaml").read_text())

    assert set(wanted) <= set(band)
    for key in ("nqpoint", "npath", "segment_nqpoint", "labels", "natom"):
        assert band[key] == wanted[key]
    reciprocal = np.array(wanted["reciprocal_lattice"]) / XENON_SIGMA
    assert np.array(band["reciprocal_lattice"]) == pytest.approx(reciprocal, abs=1e-8)
    for ours, other in zip(band["phonon"], wanted["phonon"], strict=True):
        assert set(other) <= set(ours)
        assert set(ours["band"][0]) == set(other["band"][0])
        assert ours["q-position"] == pytest.approx(other["q-position"], abs=1e-7)
        assert ours["distance"] == pytest.approx(other["distance"] / XENON_SIGMA, abs=1e-6)


def test_the_reader_of_phonopy_bandplot_reads_it(band: dict[str, Any], tmp_path: Path) -> None:
    data = script._read_band_yaml(tmp_path / "band.yaml")
    labels, connections, frequencies, distances = script._arrange_band_data(*data)

    assert labels == ["G", "M", "K", "M", "G"]
    assert connections == [True, False, False]
    assert [f.shape for f in frequencies] == [(n, 9) for n in band["segment_nqpoint"]]
    assert all((np.diff(d) > 0).all() for d in distances)
    assert distances[1][-1] == distances[2][0]


def test_the_file_has_the_numbers_of_the_store(stores: Path, band: dict[str, Any]) -> None:
    store = sweep.open("path", stores).sel(layers=3, k_points=9)
    first = [0, *np.cumsum(band["segment_nqpoint"])[:-1]]
    repeated = [i for i in first[1:] if band["phonon"][i].get("label") != "M" or i == first[1]]
    kept = [p for i, p in enumerate(band["phonon"]) if i not in repeated]

    assert len(kept) == 9
    found = [[mode["frequency"] for mode in p["band"]] for p in kept]
    assert np.array(found) == pytest.approx(store.frequency.values[:9, :9], abs=1e-11)
    assert [p["q-position"][:2] for p in kept] == [
        pytest.approx(f, abs=1e-14) for f in store.k_fraction.values[:9].tolist()
    ]
    assert (band["frequency_unit"], band["length_unit"], band["mass_unit"]) == (
        "THz", "angstrom", "u",
    )  # fmt: skip
    assert [p["mass"] for p in band["points"]] == [XENON_MASS / 2, XENON_MASS, XENON_MASS]
    assert band["modesweep"]["point"] == {"layers": 3, "k_points": 9}


def test_a_mesh_is_what_phonopy_itself_would_write(stores: Path, tmp_path: Path) -> None:
    select = {"layers": 3}
    (file,) = sweep.export("mesh", tmp_path, format="phonopy", workspace=stores, select=select)
    (atoms,) = sweep.export(
        "path", tmp_path, format="phonopy", workspace=stores, select={"layers": 3, "k_points": 9}
    )
    theirs = phonopy_of(yaml.safe_load(atoms.read_text()))
    theirs.run_mesh([3, 3, 1], with_eigenvectors=True, is_mesh_symmetry=False)
    theirs.mesh.write_hdf5(tmp_path / "theirs.hdf5")

    assert file == tmp_path / "mesh.hdf5"
    with h5py.File(file) as ours, h5py.File(tmp_path / "theirs.hdf5") as wanted:
        assert set(ours) == set(wanted)
        for name in wanted:
            assert ours[name].dtype == wanted[name].dtype, name
            assert ours[name].shape[1:] == wanted[name].shape[1:], name
        assert ours["mesh"][:].tolist() == [3, 3, 1]
        assert ours["weight"][:].sum() == 9
        assert ours.attrs["frequency_unit"] == "THz"
        for q, frequency, e in zip(
            ours["qpoint"][:], ours["frequency"][:], ours["eigenvector"][:], strict=True
        ):
            theirs.dynamical_matrix.run(q)
            squared = np.sign(frequency) * (frequency / XENON_THZ) ** 2
            matrix = theirs.dynamical_matrix.dynamical_matrix
            assert matrix @ e == pytest.approx(e * squared, abs=1e-8)


def test_reduced_units_stay_and_are_named(stores: Path, tmp_path: Path) -> None:
    (file,) = sweep.export("reduced", tmp_path / "b.yaml", format="phonopy", workspace=stores)

    band = yaml.safe_load(file.read_text())
    assert file == tmp_path / "b.yaml"
    assert band["frequency_unit"] == "sqrt(epsilon/m)/sigma"
    assert (band["length_unit"], band["mass_unit"]) == ("sigma", "host mass")
    assert [p["symbol"] for p in band["points"]] == ["X", "X"]
    assert (band["npath"], band["segment_nqpoint"]) == (1, [3])  # no names to cut it at
    assert "labels" not in band
    with pytest.raises(sweep.InputError, match="reduced units has no scale"):
        sweep.export("reduced", tmp_path, format="phonopy", workspace=stores, unit="THz")


def test_another_unit_and_no_vectors_on_request(stores: Path, tmp_path: Path) -> None:
    (file,) = sweep.export(
        "mesh", tmp_path / "m.h5", format="phonopy", workspace=stores, select={"layers": 4},
        unit="meV", variables=["frequency"],
    )  # fmt: skip

    store = sweep.open("mesh", stores).sel(layers=4)
    with h5py.File(file) as mesh:
        assert "eigenvector" not in mesh
        assert mesh.attrs["frequency_unit"] == "meV"
        wanted = store.frequency.values * 4.135667696923859
        assert mesh["frequency"][:] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [("path", {}, r"holds one point.* layers \(\[3, 4\]\), k_points \(\[9, 11\]\)"),
     ("path", {"select": {"layers": 3}}, r"several are selected along k_points \(\[9, 11\]\)"),
     ("path", {"select": {"layers": 3, "k_points": 9, "k": 0}}, "names 'k', which is no axis"),
     ("few", {"select": {"layers": 3}}, "status skipped"),
     ("static", {}, "not stored: frequency, k_fraction"),
     ("chain", {"select": {"atoms": 3}}, "A phonopy file needs frequency"),
     ("mesh", {"select": {"layers": 3}, "out": "band.yaml"}, "are those of a mesh"),
     ("few", {"select": {"layers": 2}, "out": "mesh.hdf5"}, "are those of a path or list"),
     ("few", {"select": {"layers": 2}, "variables": ["n_modes"]}, "--vars leaves out frequency")],
)  # fmt: skip
def test_what_phonopy_has_no_file_for_is_refused(
    stores: Path, tmp_path: Path, name: str, given: dict[str, Any], words: str
) -> None:
    out = tmp_path / given.pop("out", "")

    with pytest.raises(sweep.InputError, match=words):
        sweep.export(name, out, format="phonopy", workspace=stores, **given)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("label", "distance", "wanted"),
    [("G..M.K", [0, 1, 2, 3, 4, 5], [(0, 3), (3, 5)]),
     ("G.MK.G", [0, 1, 2, 2, 3, 4], [(0, 2), (3, 5)]),
     ("GMK", [0, 1, 2], [(0, 1), (1, 2)]),
     ("..M..", [0, 1, 2, 3, 4], [(0, 2), (2, 4)]),
     ("GG", [0, 0], [(0, 1)]),
     ("G", [0], [(0, 0)])],
)  # fmt: skip
def test_a_path_is_cut_at_its_labels(
    label: str, distance: list[float], wanted: list[tuple[int, int]]
) -> None:
    names = [x.strip(".") for x in label]

    assert segments(names, np.array(distance, dtype=float)) == wanted
