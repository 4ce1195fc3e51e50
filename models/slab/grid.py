"""The frequency grid of spectra, and what it is where it is left at "auto".

A grid has one end for a whole sweep: 1.05 times the highest frequency of its points.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from models.modes.matrix_forms import choose_form
from models.modes.phase_sums import find_couplings, sum_phases
from models.protocol import WHOLE, Arrays, FloatArray
from models.slab.modes import alike, endless_crystal
from models.slab.parameters import SlabParameters
from models.slab.statics import SlabCrystal, layer_spacing, shifts_at_rest

MARGIN = 1.05
"""End of the grid over the highest frequency."""
WIDTHS = 200
"""Widths of a line on the grid."""
THIN = 13
"""Layers of the slab that finds the wavevector of the highest frequency."""
EXACT = 60
"""Slabs up to this thickness are then solved there as they are; thicker ones reach the band."""
CANDIDATES = 4
"""Wavevectors at which they are solved."""
SCAN = 64
"""Values of k_z in the endless crystal."""


def frequency_grid(p: SlabParameters) -> tuple[FloatArray, float]:
    """Give the grid (grid_points,) and the width of a line, in reduced units."""
    values = {"grid_max": p.grid_max, "grid_width": p.grid_width}
    if "auto" in values.values():
        values |= _settled(p)
    end, width = float(values["grid_max"]), float(values["grid_width"])
    scale = 1.0 if p.gas is None else p.gas.frequency_thz
    return np.linspace(0.0, end / scale, p.grid_points), width / scale


@lru_cache(maxsize=64)
def _settled(p: SlabParameters) -> dict[str, Any]:
    return settled([p])


def settled(points: Sequence[SlabParameters]) -> dict[str, Any]:
    """Give numbers for `grid_max` and `grid_width` where they are "auto"."""
    first = points[0]
    found: dict[str, Any] = {}
    end = first.grid_max
    if end == "auto":
        end = found["grid_max"] = MARGIN * max(highest_frequency(p) for p in points)
    if first.grid_width == "auto":
        found["grid_width"] = float(end) / WIDTHS
    return found


def highest_frequency(p: SlabParameters) -> float:
    """Find the highest frequency of a point over its wavevectors, in its unit.

    That of the slab itself, up to a thickness where the band of the endless crystal, which
    is never lower, differs by less than the step of any grid.
    """
    crystal = SlabCrystal().solve(p, {}, WHOLE)
    k = p.k_set.vectors(p.face) / float(crystal["nearest_neighbour_distance"])
    thin = max(THIN, 3 * len(p.crystal_masses))
    layers = min(p.thickness, thin) if p.thickness else thin
    top = _highest_squared(p.model_copy(update={"layers": layers}), crystal, k)
    if p.thickness == 0 or p.thickness > EXACT:
        angle = np.linspace(0, 2 * np.pi, SCAN, endpoint=False)
        bulk = endless_crystal(p, crystal, k)
        top = np.append(top, bulk.squared(np.broadcast_to(angle, (len(k), SCAN))).max())
    elif layers < p.thickness:
        top = _highest_squared(p, crystal, k[np.argsort(top)[-CANDIDATES:]])
    scale = 1.0 if p.gas is None else p.gas.frequency_thz
    return float(np.sqrt(top.max()) * scale)


def _highest_squared(p: SlabParameters, crystal: Arrays, k: FloatArray) -> FloatArray:
    """Highest squared frequency of a slab at each wavevector (n, 2)."""
    couplings = find_couplings(
        p.pair_forces, p.pairs, float(crystal["nearest_neighbour_distance"]),
        layer_spacing(p, crystal), shifts_at_rest(p, crystal), p.strengths(),
        p.face.turns(p.thickness),
    )  # fmt: skip
    form = choose_form(couplings, p.masses(), p.face.two_fold, alike(p))
    top = []
    for part in np.array_split(k, -(-len(k) // 32)):
        sums = sum_phases(couplings, part)
        blocks = [np.linalg.eigvalsh(form.matrices(sums, b))[:, -1] for b in form.blocks]
        top.append(np.max(blocks, axis=0))
    return np.concatenate(top)
