"""A slab as a crystal that is periodic in three directions, for programs that need one.

The third cell vector is the normal, so long that empty space separates the images. Modes do
not depend on it, for interactions end at the surface and k has no part along the normal.
"""

from __future__ import annotations

import numpy as np

from models.crystal.faces import Face
from models.protocol import FloatArray

VACUUM = 5.0
"""Empty space between two images of the slab, in nearest-neighbour distances."""


def slab_cell(face: Face, distance: float, heights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the cell vectors and the atoms of a slab, one a layer.

    Parameters
    ----------
    distance : nearest-neighbour distance in the face, any unit of length
    heights : (layers,), from the top face down, unit of `distance`

    Returns
    -------
    rows a1, a2, a3 (3, 3) and positions (layers, 3) inside the cell, the slab half way up
    """
    lattice = np.zeros((3, 3))
    lattice[:2, :2] = face.vectors * distance
    lattice[2, 2] = np.ptp(heights) + VACUUM * distance
    # whole cell vectors may be added to any position
    in_plane = face.shifts(np.arange(len(heights)))
    fraction = in_plane @ np.linalg.inv(face.vectors)
    fraction -= np.floor(fraction + 1e-9)
    middle = (heights.max() + heights.min()) / 2
    positions = np.column_stack([
        fraction @ lattice[:2, :2], heights - middle + lattice[2, 2] / 2,
    ])  # fmt: skip
    return lattice, positions
