"""Sites told apart by their coordination number.

Units: sigma. Axes: kinds of sites: the classes, then the atom at the centre by itself.
Source: J. M. Dickey and A. Paskin, Phys. Rev. B 1, 851 (1970).
"""

from __future__ import annotations

import numpy as np

from models.errors import NumericsError
from models.particle.shapes import Particle
from models.protocol import FloatArray

SITE_CLASSES = (3, 5, 6, 7, 8, 9, 12)
"""Coordination numbers that occur in any shape: corners, edges, faces, core."""
CENTRE = len(SITE_CLASSES)
"""The row of the atom at the centre, below those of the classes."""
NEIGHBOUR = 1.35
"""Atoms nearer than this are neighbours: between the first (1.1) and second (1.5) shell."""


def kinds_of(whole: Particle, count: FloatArray) -> FloatArray:
    """Give how the sets make up site classes and the centre, (kinds, sets).

    Parameters
    ----------
    count : (sets,), coordination numbers

    Returns
    -------
    1/(atoms of the kind) where a set belongs to it
    """
    kinds = np.zeros((CENTRE + 1, len(count)))
    kinds[:CENTRE] = count == np.array(SITE_CLASSES)[:, None]
    if not kinds.any(axis=0).all():
        msg = (
            f"An atom has {sorted(set(count[~kinds.any(axis=0)].tolist()))} neighbours within "
            f"{NEIGHBOUR} sigma; site classes are {SITE_CLASSES}. "
            "The particle is far from its shape. Use another number of `shells`."
        )
        raise NumericsError(msg)
    kinds[CENTRE, 0] = whole.centred
    atoms = kinds @ whole.size
    return kinds / np.where(atoms > 0, atoms, 1)[:, None]
