"""One point of a crystal model as phonopy writes it: band.yaml of a path, mesh.hdf5 of a mesh.

Wavevectors are fractions of the reciprocal vectors; those in the plane of a slab get a third
component 0. As in phonopy, reciprocal vectors and distances leave out the factor 2 pi, and an
unstable mode has a negative frequency. phonopy's own unit is THz; a store in another unit
keeps it, and the file says which in `frequency_unit`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import numpy as np
import xarray
import yaml
from numpy.typing import NDArray

from models.protocol import FloatArray, Structure
from sweep.exports.exportable import SLAB_ELEMENTS, Exportable, Field
from sweep.exports.out_files import OutFile
from sweep.layout import OK, STATUS, UNSTABLE
from sweep.problems import InputError, shown
from sweep.reading import stored_plan

try:
    import h5py
except ImportError:  # the extra `export` is not installed
    h5py = None

BAND, MESH = "band.yaml", "mesh.hdf5"
SUFFIXES = {BAND: (".yaml", ".yml"), MESH: (".hdf5", ".h5")}
VARIABLES = ("frequency", "eigenvector")
BESIDE = ("k_fraction", "k_distance", "k_label", "k_weight")

_Piece: TypeAlias = tuple[int, FloatArray, NDArray[Any] | None]
"""First wavevector, frequencies (k, modes), eigenvectors (k, 3 atoms, modes)."""


@dataclass(frozen=True)
class Phonons:
    """One point: its atoms, its wavevectors, and its modes to be loaded piece by piece."""

    structure: Structure
    about: dict[str, Any]
    """Where the point comes from, and the units."""
    fraction: FloatArray
    """(k, 3)"""
    distance: FloatArray
    """(k,), along the path, without 2 pi."""
    label: tuple[str, ...]
    weight: FloatArray
    """(k,), sums to 1."""
    frequency: Field
    """(k, mode)"""
    eigenvector: Field | None
    """(k, mode, atom, direction)"""

    @property
    def atoms(self) -> int:
        """Number of atoms."""
        return len(self.structure.masses)

    def pieces(self, start: int, stop: int) -> Iterator[_Piece]:
        """Load wavevectors `start` to `stop` piece by piece, without the padding of the store."""
        modes = 3 * self.atoms
        step = max(1, SLAB_ELEMENTS // (modes if self.eigenvector is None else modes**2))
        k, mode = self.frequency.dims
        for i in range(start, stop, step):
            slab = {k: slice(i, min(i + step, stop)), mode: slice(0, modes)}
            vectors = None
            if self.eigenvector is not None:
                atom = self.eigenvector.dims[2]
                e = self.eigenvector.values({**slab, atom: slice(0, self.atoms)})
                vectors = e.reshape(len(e), modes, modes).transpose(0, 2, 1)
            yield i, self.frequency.values(slab), vectors


def phonopy_files(source: Exportable, out: Path) -> list[OutFile]:
    """Plan the one file of a phonopy export.

    Raises
    ------
    InputError : not one point, a point without results, a model or store without what is needed
    """
    phonons = _phonons(source)
    name, other = (BAND, MESH) if phonons.structure.mesh is None else (MESH, BAND)
    if out.suffix in SUFFIXES[other]:
        kind = "a path or list" if name == BAND else "a mesh"
        msg = (
            f"{out} looks like a {other}, but the wavevectors are those of {kind}, which "
            f"phonopy keeps in a {name}. Give --out {out.with_name(name)}, or a folder."
        )
        raise InputError(msg)
    if name == MESH and h5py is None:
        msg = f"A {MESH} is written by h5py, which is not installed. Install modesweep[export]."
        raise InputError(msg)
    path = out if out.suffix in SUFFIXES[name] and not out.is_dir() else out / name
    write = _write_band if name == BAND else _write_mesh
    holds = f"{len(phonons.fraction)} wavevectors, {phonons.frequency.unit}"
    return [OutFile(path, holds, lambda temporary: write(phonons, temporary))]


# --- one point of a store -------------------------------------------------------------------


def _phonons(source: Exportable) -> Phonons:
    point = _only_point(source)
    structure = _structure(source, point)
    names = [n for n in VARIABLES if n in point and n in (source.asked or VARIABLES)]
    here = {f.name: replace(f, array=point[f.name]) for f in map(source.field, names)}
    count = int(np.isfinite(point["k_fraction"].values[:, 0]).sum())  # a shorter set is padded
    fraction = point["k_fraction"].values[:count]
    axes = {str(n): c.item() for n, c in point.coords.items() if not c.ndim}
    about = {
        "modesweep": {"name": str(point.attrs["name"]), "model": str(point.attrs["model"]),
                      "revision": int(point.attrs["revision"]), "point": axes},
        "frequency_unit": here["frequency"].unit,
        "length_unit": structure.length_unit,
        "mass_unit": structure.mass_unit,
    }  # fmt: skip
    return Phonons(
        structure, about, np.pad(fraction, ((0, 0), (0, 3 - fraction.shape[1]))),
        point["k_distance"].values[:count] / (2 * math.pi),
        tuple(str(x) for x in point["k_label"].values[:count]),
        point["k_weight"].values[:count], here["frequency"], here.get("eigenvector"),
    )  # fmt: skip


def _only_point(source: Exportable) -> xarray.Dataset:
    """Take the one point that is selected, without its axes."""
    axes = {f.name for f in source.coordinates(source.axes)}
    if own := [n for n in source.select if n not in axes]:
        msg = (
            f"--select names {own[0]!r}, which is no axis: a phonopy file holds all wavevectors "
            f"and modes of a point. Select by axes: {', '.join(sorted(axes)) or 'there are none'}."
        )
        raise InputError(msg)
    several = [
        f"{d} ({shown(source.dataset[d].values.tolist())})"
        for d in source.axes if source.dataset.sizes[d] > 1
    ]  # fmt: skip
    if several:
        msg = (
            f"A phonopy file holds one point, but several are selected along {', '.join(several)}. "
            "Give --select axis=value for each."
        )
        raise InputError(msg)
    missing = [n for n in ("frequency", *BESIDE) if n not in source.dataset]
    if missing or (source.asked and "frequency" not in source.asked):
        msg = (
            f"A phonopy file needs frequency and {', '.join(BESIDE)}; "
            f"{'not stored: ' + ', '.join(missing) if missing else '--vars leaves out frequency'}. "
            'Sweep a crystal with "frequency" among its outputs, or leave --vars out.'
        )
        raise InputError(msg)
    point = source.dataset.isel(dict.fromkeys(source.axes, 0))
    status = int(point["status"])
    if status not in (OK, UNSTABLE):
        msg = (
            f"The point has the status {STATUS[status]}, so there is nothing to export. "
            "Select a point that is ok or unstable, or run the sweep to its end."
        )
        raise InputError(msg)
    return point


def _structure(source: Exportable, point: xarray.Dataset) -> Structure:
    """Ask the model for the atoms, at the parameters of the point."""
    sweep = stored_plan(source.folder).sweep
    index = [
        next(
            i for i in range(len(dim))
            if all(sweep.coordinates[a][i] == point[a].item() for a in dim.values)
        )
        for dim in sweep.dims
    ]  # fmt: skip
    structure = sweep.model.structure(sweep.point(index))
    if structure is None:
        msg = (
            f"The model {sweep.model.name} gives no cell and atoms, which phonopy files need. "
            "Export it as netcdf or csv."
        )
        raise InputError(msg)
    return structure


# --- band.yaml ------------------------------------------------------------------------------


def segments(label: Sequence[str], distance: FloatArray) -> list[tuple[int, int]]:
    """Cut a path at its labels: first and last wavevector of each segment.

    A corner belongs to two segments. Two labelled neighbours with no way between them are
    the ends of two pieces that do not touch.
    """
    last = len(label) - 1
    cuts = sorted({0, last, *[i for i, name in enumerate(label) if name]})
    found = [
        (a, b) for a, b in zip(cuts, cuts[1:], strict=False)
        if not (label[a] and label[b] and b == a + 1 and distance[b] == distance[a])
    ]  # fmt: skip
    covered = {i for a, b in found for i in range(a, b + 1)}
    return found if len(covered) == last + 1 else [(0, last)]


def _write_band(phonons: Phonons, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        parts = segments(phonons.label, phonons.distance)
        file.write("\n".join(_head(phonons, parts)) + "\n")
        for first, last in parts:
            _write_segment(phonons, first, last, file)


def _head(phonons: Phonons, parts: Sequence[tuple[int, int]]) -> Iterator[str]:
    yield yaml.safe_dump(phonons.about, sort_keys=False).rstrip()
    counts = [b - a + 1 for a, b in parts]
    yield f"nqpoint: {sum(counts)}"
    yield f"npath: {len(parts)}"
    yield "segment_nqpoint:"
    yield from (f"- {n}" for n in counts)
    ends = [(phonons.label[a], phonons.label[b]) for a, b in parts]
    if all(a and b for a, b in ends):
        yield "labels:"
        yield from (f"- [ '{a}', '{b}' ]" for a, b in ends)
    s = phonons.structure
    inverse = np.linalg.inv(s.lattice)
    yield "reciprocal_lattice:"
    yield from (f"- {_row(v)} # {a}*" for v, a in zip(inverse.T, "abc", strict=True))
    yield f"natom: {phonons.atoms}"
    yield "lattice:"
    yield from (f"- {_row(v)} # {a}" for v, a in zip(s.lattice, "abc", strict=True))
    yield "points:"
    for i, x in enumerate(s.positions @ inverse):
        yield f"- symbol: {s.symbols[i]} # {i + 1}"
        yield f"  coordinates: {_row(x)}"
        yield f"  mass: {s.masses[i]:.9f}"
    yield ""
    yield "phonon:"


def _row(vector: FloatArray) -> str:
    return f"[ {', '.join(f'{round(float(x), 15) + 0.0:.15f}' for x in vector)} ]"


def _write_segment(phonons: Phonons, first: int, last: int, file: TextIO) -> None:
    for start, frequency, vectors in phonons.pieces(first, last + 1):
        for i, row in enumerate(frequency):
            k = start + i
            lines = [
                f"- q-position: {_row(phonons.fraction[k])}",
                f"  distance: {phonons.distance[k]:.12f}",
            ]
            if k in (first, last) and phonons.label[k]:
                lines.append(f"  label: '{phonons.label[k]}'")
            lines.append("  band:")
            for mode, value in enumerate(row):
                lines += [f"  - # {mode + 1}", f"    frequency: {value:.12f}"]
                if vectors is not None:
                    lines += _vector_lines(vectors[i, :, mode])
            file.write("\n".join([*lines, "", ""]))


def _vector_lines(vector: NDArray[Any]) -> Iterator[str]:
    yield "    eigenvector:"
    for atom, xyz in enumerate(vector.reshape(-1, 3)):
        yield f"    - # atom {atom + 1}"
        yield from (f"      - [ {c.real:.14f}, {c.imag:.14f} ]" for c in xyz)


# --- mesh.hdf5 ------------------------------------------------------------------------------


def _write_mesh(phonons: Phonons, path: Path) -> None:
    mesh = np.array(phonons.structure.mesh, dtype=np.int64)
    count, modes = len(phonons.fraction), 3 * phonons.atoms
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {n: v if isinstance(v, str) else json.dumps(v) for n, v in phonons.about.items()}
        )
        file["mesh"] = mesh
        file["qpoint"] = phonons.fraction
        file["weight"] = np.rint(phonons.weight * mesh.prod()).astype(np.int64)
        frequency = file.create_dataset("frequency", (count, modes), np.float64)
        eigenvector = None
        if phonons.eigenvector is not None:
            shape = (count, modes, modes)
            eigenvector = file.create_dataset("eigenvector", shape, np.complex128)
        for start, values, vectors in phonons.pieces(0, count):
            frequency[start : start + len(values)] = values
            if eigenvector is not None:
                eigenvector[start : start + len(values)] = vectors
