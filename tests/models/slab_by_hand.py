"""A slab by brute force: every pair of atoms, one complex Hermitian matrix, no symmetry used.

It shares no code with the models. Lengths in nearest-neighbour distances where it says
ideal, else in sigma; a layer lies one spacing below the last and is shifted by -offset.
"""

from functools import cache

import numpy as np

R3 = np.sqrt(3)
CUBE = 2 / R3
"""Edge of the bcc cube."""
FACES = {  # a1, a2, offset, spacing; of fcc, where no crystal is named
    "100": ((1, 0), (0, 1), (1 / 2, 1 / 2), 1 / np.sqrt(2)),
    "110": ((1, 0), (0, np.sqrt(2)), (1 / 2, np.sqrt(2) / 2), 1 / 2),
    "111": ((1, 0), (1 / 2, R3 / 2), (1 / 2, R3 / 6), np.sqrt(2 / 3)),
    "hcp 0001": ((1, 0), (1 / 2, R3 / 2), (1 / 2, R3 / 6), np.sqrt(2 / 3)),
    "bcc 100": ((CUBE, 0), (0, CUBE), (CUBE / 2, CUBE / 2), CUBE / 2),
    "bcc 110": (
        (CUBE / np.sqrt(2), CUBE / 2), (-CUBE / np.sqrt(2), CUBE / 2),
        (CUBE / np.sqrt(2), 0), CUBE / np.sqrt(2),
    ),
    "sc 100": ((1, 0), (0, 1), (0, 0), 1.0),
}  # fmt: skip


def lennard_jones(r, ideal_squared):
    """phi, phi', phi''."""
    return (
        4 * (r**-12 - r**-6),
        4 * (6 * r**-7 - 12 * r**-13),
        4 * (156 * r**-14 - 42 * r**-8),
    )


def springs(nearest, next_nearest):
    def force(r, ideal_squared):
        zero = np.zeros_like(r)
        k = np.where(np.abs(ideal_squared - 1) < 0.1, nearest, 0.0)
        second = np.abs(ideal_squared - 2) < 0.1
        second |= np.abs(ideal_squared - 4 / 3) < 0.1  # bcc
        return zero, zero, k + np.where(second, next_nearest, 0.0)

    return force


def wavevector(surface, fraction, distance):
    """Cartesian, from k.a_i = 2 pi f_i."""
    a = np.array(FACES[surface][:2]) * distance
    return np.linalg.solve(a, 2 * np.pi * np.array(fraction))


@cache
def pair_list(surface, steps, cutoff, upper=0):
    """In-plane vectors from an atom to those `steps` layers below, and squared distances.

    `upper` is the layer of the atom: hcp is stacked ABAB..., so odd layers see the opposite.
    """
    a1, a2, t, h = (np.array(x) for x in FACES[surface])
    stack = (lambda layer: layer % 2) if surface == "hcp 0001" else (lambda layer: layer)
    n = np.arange(-int(cutoff) - abs(steps) - 4, int(cutoff) + abs(steps) + 5)
    n1, n2 = (x.ravel() for x in np.meshgrid(n, n))
    xy = n1[:, None] * a1 + n2[:, None] * a2
    xy = xy - (stack(upper + steps) - stack(upper)) * t
    squared = (xy**2).sum(axis=1) + (steps * h) ** 2
    near = (squared > 1e-6) & (squared <= cutoff**2 * (1 + 1e-9))
    return xy[near], squared[near]


def dynamical_matrix(surface, z, masses, strength, k, distance, cutoff, force):
    """D(k), (3 L, 3 L), phases from the true positions."""
    layers = len(z)
    d = np.zeros((layers, 3, layers, 3), dtype=complex)
    for i in range(layers):
        for j in range(layers):
            xy, ideal = pair_list(surface, j - i, cutoff, i)
            if not len(xy):
                continue
            r = np.column_stack([xy * distance, np.full(len(xy), z[j] - z[i])])
            length = np.linalg.norm(r, axis=1)
            _, first, second = force(length, ideal)
            unit = r / length[:, None]
            block = strength[i, j] * (
                np.einsum("n,na,nb->nab", second - first / length, unit, unit)
                + (first / length)[:, None, None] * np.eye(3)
            )
            d[i, :, i, :] += block.sum(axis=0) / masses[i]
            phase = np.exp(1j * r[:, :2] @ k)
            d[i, :, j, :] -= np.einsum("n,nab->ab", phase, block) / np.sqrt(masses[i] * masses[j])
    return d.reshape(3 * layers, 3 * layers)


def static_energy(surface, z, strength, distance, cutoff, force):
    """Energy of a slab per surface cell, the pairs of the ideal lattice at heights z."""
    energy = 0.0
    for i in range(len(z)):
        for j in range(len(z)):
            xy, ideal = pair_list(surface, j - i, cutoff, i)
            r = np.hypot(np.linalg.norm(xy, axis=1) * distance, z[j] - z[i])
            energy += strength[i, j] * force(r, ideal)[0].sum() / 2
    return energy


def bulk_matrix(q, distance, cutoff, force):
    """D of the infinite fcc crystal at q in cubic axes."""
    n = np.arange(-int(2 * cutoff) - 1, int(2 * cutoff) + 2)
    x = np.stack(np.meshgrid(n, n, n), axis=-1).reshape(-1, 3)
    x = x[(x.sum(axis=1) % 2 == 0) & (x != 0).any(axis=1)] / np.sqrt(2)
    ideal = (x**2).sum(axis=1)
    near = ideal <= cutoff**2 * (1 + 1e-9)
    x, ideal = x[near] * distance, ideal[near]
    r = np.linalg.norm(x, axis=1)
    _, first, second = force(r, ideal)
    block = np.einsum("n,na,nb->nab", (second - first / r) / r**2, x, x)
    block += (first / r)[:, None, None] * np.eye(3)
    return np.einsum("n,nab->ab", 1 - np.cos(x @ q), block)
