"""Slabs of every crystal by hand: whole matrices at every wavevector of the whole zone."""

from typing import Any

import numpy as np
from slab_by_hand import dynamical_matrix, lennard_jones, springs, wavevector

SPRINGS = {"forces": "springs", "spring_nn": 1.0, "spring_nnn": 0.5}
FACES: dict[str, dict[str, Any]] = {
    "fcc 100": {"surface": "100"},
    "fcc 110": {"surface": "110"},
    "fcc 111": {"surface": "111"},
    "hcp 0001": {"crystal": "hcp", "surface": "0001"},
    "bcc 100": {"crystal": "bcc", "surface": "100", **SPRINGS},
    "bcc 110": {"crystal": "bcc", "surface": "110", **SPRINGS},
    "sc 100": {"crystal": "sc", "surface": "100", **SPRINGS},
}
"""One slab of each face; bcc and sc need springs to be stable."""


def key_of(parameters):
    crystal = parameters.get("crystal", "fcc")
    surface = parameters.get("surface", "111")
    return surface if crystal == "fcc" else f"{crystal} {surface}"


def masses_of(parameters):
    layers, period = parameters["layers"], parameters.get("superlattice_period", 0)
    masses = np.ones(layers)
    if period:
        masses[[n for n in range(layers) if (n // period) % 2]] = parameters[
            "superlattice_mass_ratio"
        ]
    given = parameters.get("layer_masses", ())
    masses[: len(given)] = given
    for end in ends_of(parameters):
        masses[end] = parameters.get("adlayer_mass_ratio", 1.0)
    return masses


def ends_of(parameters):
    last = parameters["layers"] - 1
    return {"one side": [0], "both sides": [0, last]}.get(parameters.get("adlayer", "none"), [])


def strengths_of(parameters):
    layers, ends = parameters["layers"], ends_of(parameters)
    strength = np.ones((layers, layers))
    for end in ends:
        for other in set(range(layers)) - set(ends):
            bond = parameters.get("adlayer_bond_ratio", 1.0)
            strength[end, other] = strength[other, end] = bond
    return strength


def force_of(parameters):
    """The force by hand and the pairs that it needs."""
    if parameters.get("forces") == "springs":
        return springs(parameters.get("spring_nn", 1.0), parameters.get("spring_nnn", 0.0)), 1.5
    return lennard_jones, parameters.get("cutoff", 8.03)


def plain_matrices(parameters, fractions, heights, distance):
    """D at each wavevector, (n, 3 layers, 3 layers)."""
    key = key_of(parameters)
    force, cutoff = force_of(parameters)
    masses, strength = masses_of(parameters), strengths_of(parameters)
    return np.array([
        dynamical_matrix(
            key, heights, masses, strength, wavevector(key, f, distance), distance, cutoff, force
        )
        for f in fractions
    ])  # fmt: skip


def whole_mesh(parameters, n, shift="auto"):
    """All n x n wavevectors as fractions in 0 <= f < 1."""
    hexagonal = parameters.get("surface", "111") in ("111", "0001")
    s = (1 / 3, 2 / 3) if hexagonal else (0.5, 0.5)
    s = (0.0, 0.0) if shift == "gamma" else s
    return [((i + s[0]) / n, (j + s[1]) / n) for i in range(n) for j in range(n)]


def of_matrix(d, function):
    """A function of the squared frequency applied to Hermitian matrices, (n, m, m)."""
    w2, v = np.linalg.eigh(d)
    return (v * function(w2)[:, None]) @ v.conj().swapaxes(1, 2)
