"""Stages of the host: its Green's functions between atoms, in three families of z.

One stage for each family, each depth that is reached and each radius: so a defect reads what it
needs, and what one sweep has made serves the next. z lies

* "local": on the real axis above the bands, where localised modes are;
* "imaginary": at -y^2, for thermodynamics;
* "lines": at (omega + i eta)^2 for a few eta, from which spectra are extrapolated to the axis.

Functions of the first two have cusps at symmetric wavevectors as z comes near the bands; they
are integrated by `zone_quadrature`, and again with half its order, which tells the error.
On lines they are smooth on the scale of eta, and a uniform mesh converges exponentially.

Grains are values of z; each is summed over all wavevectors, in one order.
Source: Wallis (1973), Eqs. 131-137.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from models.crystal.faces import operations
from models.crystal.k_points import on_mesh
from models.crystal.zone_quadrature import wedge, wedge_quadrature
from models.defects.interpolation import (
    AXIS_NODES,
    ENDLESS_HOST,
    FINITE_HOST,
    Panels,
    axis_nodes,
    edge_nodes,
    squared_at,
)
from models.defects.spectra import extrapolate
from models.green.half_space import HalfSpace, Matrices
from models.green.layer_functions import layer_functions
from models.green.pair_table import PairTable, pair_table
from models.impurity.hosts import Host
from models.impurity.parameters import INFINITE, LAYERS, RADII, ImpurityParameters
from models.protocol import Arrays, Cost, FloatArray, Part, Stage

FAMILIES = ("local", "imaginary", "lines")
ORDER = 28
"""Gauss nodes along and across the rays of the quadrature, where `k_mesh` is "auto"."""
ETAS = np.array([1.0, 1.5, 2.0, 2.5, 3.0])
"""Heights of the lines, in units of the lowest."""
LOWEST_ETA = 0.009
"""Height of the lowest line over the highest frequency, where `k_mesh` is "auto"."""
MESH_ON_LINES = 2.3
"""Points on each side of the zone, times eta over the highest frequency."""
MARGIN = 1.05
"""End of the frequency grid over the highest frequency."""
CHUNK = 256
"""Wavevectors that are summed at once."""
GRAIN = {"local": 4, "imaginary": 4, "lines": 8}
WIDE_GRAIN = 32
"""The same where z share what is done at a wavevector: modes of slabs, blocks of several layers."""


@dataclass(frozen=True)
class Mesh:
    """Wavevectors of an irreducible part of the zone, and the half space at each."""

    k: FloatArray
    """(n, 2), in the inverse of the nearest-neighbour distance."""
    weight: FloatArray
    half_space: HalfSpace


@lru_cache(maxsize=16)
def _mesh(host: Host, uniform: bool, size: int, shift: str) -> Mesh:
    """Make a mesh once: every grain of z goes through it."""
    if uniform:
        points = on_mesh(host.face, size, shift)
        k, weight = points.vectors(host.face), points.weight
    else:
        fraction, weight = wedge_quadrature(host.crystal, host.surface, size)
        k = fraction @ host.face.reciprocal
    parts = [host.half_space(part) for part in np.array_split(k, -(-len(k) // CHUNK))]
    blocks = ("surface", "surface_to_bulk", "onsite", "hop")
    joined = [np.concatenate([getattr(half, name) for half in parts]) for name in blocks]
    return Mesh(k, weight, HalfSpace(*joined))


def line_heights(p: ImpurityParameters, host: Host) -> FloatArray:
    """Give the eta of the lines, ascending."""
    if p.grid_width != "auto":
        return np.array([p.grid_width / p.frequency_scale])
    lowest = LOWEST_ETA if p.k_mesh == "auto" else MESH_ON_LINES / p.k_mesh
    return lowest * np.sqrt(host.bulk_top) * ETAS


def frequency_grid(p: ImpurityParameters, host: Host) -> FloatArray:
    """Give the frequencies of spectra in the unit of the host, (grid_points,)."""
    end = MARGIN * np.sqrt(host.top) if p.grid_max == "auto" else p.grid_max / p.frequency_scale
    return np.linspace(0.0, end, p.grid_points)


def panels_of(p: ImpurityParameters) -> Panels:
    """Give how the axis above the bands is cut for interpolation."""
    return ENDLESS_HOST if p.host_layers == INFINITE else FINITE_HOST


def axis_scale(host: Host) -> float:
    """Frequency about which the nodes on the imaginary axis lie."""
    return float(np.sqrt(host.bulk_top))


def grain_of(family: str, p: ImpurityParameters) -> int:
    """Give how many values of z one call sees."""
    return GRAIN[family] if p.host_layers == INFINITE and p.rest.reach == 1 else WIDE_GRAIN


def node_count(family: str, p: ImpurityParameters) -> int:
    """Count the values of z of a family."""
    if family == "local":
        return len(edge_nodes(panels_of(p)))
    if family == "imaginary":
        return AXIS_NODES
    return p.grid_points * (len(ETAS) if p.grid_width == "auto" else 1)


def nodes_of(family: str, p: ImpurityParameters, host: Host) -> Matrices:
    """Give the values of z of a family, in the order in which they are stored.

    Lines: the lowest line first, all its frequencies together.
    """
    if family == "local":
        return squared_at(edge_nodes(panels_of(p)), host.top)
    if family == "imaginary":
        return np.asarray(-(axis_nodes(axis_scale(host)) ** 2))
    z = (frequency_grid(p, host) + 1j * line_heights(p, host)[:, None]) ** 2
    return np.asarray(z.ravel())


class HostFunctions(Stage):
    """Green's functions of the host between its atoms, (z, rows of the table, 3, 3)."""

    sums = True
    family: str
    layers: int
    radius: float
    endless: bool

    def host(self, p: ImpurityParameters) -> Host:
        """Give the host of a point, whatever the depth of the defect."""
        return p.host_at(endless=self.endless)

    def table(self, host: Host) -> PairTable:
        """Give the pairs that it holds."""
        return pair_table(host.crystal, host.surface, self.layers, self.radius, self.endless)

    def cost(self, parameters: Any, part: Part) -> Cost:
        """Count the wavevectors, the closing of the layers and the sums over pairs."""
        p, host = parameters, self.host(parameters)
        etas = line_heights(p, host) if self.family == "lines" else np.ones(1)
        sizes = [size for eta in etas.tolist() for size in self._sizes(p, host, eta)]
        points = sum(self._points(p, host, size) for size in sizes) / len(etas)
        reach = host.reach
        pairs = self.layers if self.endless else self.layers * (self.layers + 1) // 2
        around = pairs * (1 + 3.2 * self.radius**2)
        each = 4e4 + 2e3 * pairs + 120 * around
        if reach > 1:  # one wavevector after the other
            each += 4e5 * reach
        if not host.face.two_fold:
            each *= 2.5
        return Cost(part.size * points * each, 4e7 + CHUNK * part.size * 600.0 * pairs * reach**2
                    + part.size * 600 * around)  # fmt: skip

    def solve(self, p: ImpurityParameters, inputs: Mapping[str, Arrays], part: Part) -> Arrays:
        """Sum a grain of z over the wavevectors."""
        host = self.host(p)
        z = nodes_of(self.family, p, host)[part.indices]
        kept = slice(part.stop - part.start)
        eta = float(np.sqrt(z).imag.min()) if self.family == "lines" else 0.0
        return {
            f"{name}_{part.start}": self._summed(p, host, z, size)[kept]
            for name, size in zip(("g", "half"), self._sizes(p, host, eta), strict=False)
        }

    def gather(self, p: ImpurityParameters, total: Arrays) -> Arrays:
        """Put the grains in order, and bring lines to the real axis.

        "half" is what the error is told from: half the quadrature, or all lines but the lowest.
        """
        found: Arrays = {}
        for name in ("g", "half"):
            grains = sorted((int(key.split("_")[1]), key) for key in total if key.startswith(name))
            if grains:
                found[name] = np.concatenate([total[key] for _, key in grains])
        if self.family == "lines" and p.grid_width == "auto":
            host, g = self.host(p), found["g"]
            lines = g.reshape(len(ETAS), p.grid_points, *g.shape[1:])
            etas, omega = line_heights(p, host), frequency_grid(p, host)
            found["g"], found["half"] = extrapolate(lines, etas, omega, host.top)
        return found

    def _sizes(self, p: ImpurityParameters, host: Host, eta: float) -> list[int]:
        """Give the size of the mesh of wavevectors, and of that for the error."""
        if p.k_mesh != "auto":
            half = p.k_mesh // 2 if self.family != "lines" else 0
            return [p.k_mesh, half] if half else [p.k_mesh]
        if self.family == "lines":
            return [16 * int(np.ceil(MESH_ON_LINES * np.sqrt(host.bulk_top) / eta / 16))]
        return [ORDER, ORDER // 2]

    def _points(self, p: ImpurityParameters, host: Host, size: int) -> float:
        """Estimate the wavevectors of the irreducible part."""
        if p.k_mesh == "auto" and self.family != "lines":
            return 6.0 * size**2 * len(wedge(host.face))
        return size**2 / len(operations(host.face)) / (1 if host.face.two_fold else 2) + size

    def _summed(self, p: ImpurityParameters, host: Host, z: Matrices, size: int) -> Matrices:
        uniform = p.k_mesh != "auto" or self.family == "lines"
        mesh, table = _mesh(host, uniform, size, p.k_mesh_shift), self.table(host)
        total: Matrices = np.zeros(())
        for start in range(0, len(mesh.weight), CHUNK):
            of = slice(start, start + CHUNK)
            functions = self._functions(p, host, mesh, of, z)
            total = total + table.sums(functions, mesh.k[of], mesh.weight[of])
        g = table.averaged(total)
        return g.real if np.isrealobj(z) else g  # time reversal leaves real matrices there

    def _functions(
        self, p: ImpurityParameters, host: Host, mesh: Mesh, of: slice, z: Matrices
    ) -> Matrices:
        pairs = self.table(host).layer_pairs
        if isinstance(p.host_layers, str):
            return layer_functions(mesh.half_space[of], z, pairs, endless=self.endless)
        return _slab_functions(host.slab_matrices(mesh.k[of], p.host_layers), z, pairs)


def _slab_functions(d: Matrices, z: Matrices, pairs: Sequence[tuple[int, int]]) -> Matrices:
    """Do what `layer_functions` does, for a slab of so many layers, by its modes."""
    squared, e = np.linalg.eigh(d)
    layers = d.shape[-1] // 3
    rows = e.reshape(len(d), layers, 3, -1)
    poles = 1 / (z - squared[..., None])  # (n_k, modes, n_z)
    found = np.zeros((len(pairs), 3, 3, len(z), len(d)), np.result_type(e, z))
    for number, (i, j) in enumerate(pairs):
        if max(i, j) < layers:  # there are no others to be asked for
            products = rows[:, i, :, None] * rows[:, j, None].conj()
            sums = products.reshape(len(d), 9, -1) @ poles
            found[number] = sums.reshape(len(d), 3, 3, -1).transpose(1, 2, 3, 0)
    return found


def _stage(family: str, layers: int, radius: float, *, endless: bool) -> HostFunctions:
    """Make the stage of one family, depth and radius."""
    depends = ["host", "k_mesh", "k_mesh_shift"]
    depends += [] if endless else ["surface", "host_layers"]
    depends += ["grid_points", "grid_max", "grid_width"] if family == "lines" else []
    attributes = {
        "name": stage_name(family, layers, radius, endless=endless),
        "depends_on": tuple(depends), "cut": f"{family}_node", "family": family,
        "layers": layers, "radius": radius, "endless": endless,
        "__doc__": f"Green's functions of the host, {family}, {layers} layers.",
    }  # fmt: skip
    stage: HostFunctions = type("HostFunctions", (HostFunctions,), attributes)()
    return stage


def stage_name(family: str, layers: int, radius: float, *, endless: bool) -> str:
    """Name the stage of one family, depth and radius."""
    return f"{'bulk' if endless else 'host'}_{family}_{layers}_{radius:.0f}"


ALL: dict[str, HostFunctions] = {
    stage.name: stage
    for stage in (
        _stage(family, layers, radius, endless=endless)
        for endless in (False, True) for family in FAMILIES
        for layers in LAYERS for radius in RADII
    )
}  # fmt: skip
"""The stages of every family, depth and radius, by name."""


def stages_of(family: str) -> tuple[str, ...]:
    """Name all stages of a family."""
    return tuple(name for name, stage in ALL.items() if stage.family == family)


def host_stage(family: str, p: ImpurityParameters) -> HostFunctions:
    """Give the stage whose functions a point reads."""
    layers, radius = p.needs
    return ALL[stage_name(family, layers, radius, endless=p.endless)]
