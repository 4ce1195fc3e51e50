"""Mirror lines of a surface zone: wavevectors that a mirror plane of the slab keeps.

A mirror plane that holds the normal leaves each layer where it is. At a wavevector k with
Q k = k + G it sends the coordinate (layer l, direction a) to sign_l sign_a times itself, in
axes along and across the plane, so that even and odd coordinates do not mix. Where G = 0 the
even ones are the sagittal plane and the odd ones the shear-horizontal direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.crystal.faces import FACES, Face, operations
from models.protocol import FloatArray, IntArray

SAME = 1e-9
"""Fractions that differ by less are the same point of the zone."""


@dataclass(frozen=True)
class Mirror:
    """One mirror plane through the normal."""

    angle: float
    """Between the x axis and the trace of the plane, in radians."""
    on_fractions: tuple[tuple[int, int], tuple[int, int]]
    """W, as in `faces.point_group`: the fractions f of a wavevector go to W f."""
    phase: tuple[float, float]
    """Half turns by which layer 1 gains on layer 0 for G = b1 and for G = b2."""


@cache
def mirrors(crystal: str, surface: str) -> tuple[Mirror, ...]:
    """Give the mirror planes of a face, in a fixed order."""
    face = FACES[crystal, surface]
    phase = -2 * face.shifts(np.array([1]))[0] @ np.linalg.inv(face.vectors)
    found = []
    for q, w in operations(face):
        if np.linalg.det(q) < 0:
            angle = math.atan2(q[1, 0], q[0, 0]) / 2
            rows = tuple((int(a), int(b)) for a, b in w)
            found.append(Mirror(angle, rows, tuple(phase.tolist())))  # type: ignore[arg-type]
    return tuple(found)


def place_on_lines(face: Face, fractions: FloatArray) -> tuple[IntArray, IntArray]:
    """Find a mirror for each wavevector.

    Parameters
    ----------
    fractions : (n, 2)

    Returns
    -------
    line : (n,), 2 * mirror, plus 1 if the signs of the layers alternate; -1 where there is none
    sagittal : (n,), 1 where the mirror plane holds the wavevector or its like in another zone,
        so that modes are sagittal or shear-horizontal; else 0
    """
    line = np.full(len(fractions), -1)
    sagittal = np.zeros(len(fractions), dtype=np.int64)
    away = np.abs(fractions - np.rint(fractions)).max(axis=1) > SAME  # every mirror keeps Gamma
    for i, mirror in enumerate(mirrors(face.crystal, face.surface)):
        w = np.array(mirror.on_fractions)
        gain = fractions @ w.T - fractions
        kept = away & (np.abs(gain - np.rint(gain)).max(axis=1) < SAME)
        inside = kept & _equivalent(gain, w)
        turns = np.rint(np.rint(gain) @ np.array(mirror.phase)).astype(int)
        better = kept & ((line < 0) | (inside & (sagittal == 0)))
        line[better] = 2 * i + turns[better] % 2
        sagittal[better] = inside[better]
    return line, sagittal


def _equivalent(gain: FloatArray, w: IntArray) -> NDArray[np.bool_]:
    """Say for which W f - f (n, 2) the mirror plane holds f, or f moved by some G."""
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)
    moved = steps - steps @ w.T
    return np.asarray((np.abs(gain[:, None] - moved).max(axis=2) < SAME).any(axis=1))


def coordinate_signs(layers: int, alternates: bool) -> FloatArray:
    """Give the sign of each coordinate 3 * layer + direction under a mirror, (3 layers,).

    Directions are those of the mirror: along its trace, across it, along the normal.
    """
    by_layer = (-1.0) ** (np.arange(layers) * alternates)
    return np.outer(by_layer, [1.0, -1.0, 1.0]).ravel()
