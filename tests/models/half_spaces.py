"""Thick slabs and chains for tests of half spaces, built from pairs by hand.

A slab here is relaxed at its top face only, by made-up shifts of the first layers, and ideal
below: what a half space is cut from. Layers lie one spacing below each other, as in
`slab_by_hand`.
"""

from functools import lru_cache

import numpy as np
from slab_by_hand import FACES, lennard_jones, pair_list, wavevector

from models.green.half_space import HalfSpace, half_space_of

SHIFTS = (0.03, -0.01, 0.004)
"""Outward shifts of the first layers, in layer spacings."""


def reach(surface, cutoff):
    return int(cutoff / FACES[surface][3] + 1e-9)


@lru_cache(maxsize=16)
def distance(surface, cutoff):
    """Nearest neighbours at rest."""
    depth = reach(surface, cutoff)
    squared = np.concatenate([pair_list(surface, d, cutoff)[1] for d in range(-depth, depth + 1)])
    return (2 * (squared**-6).sum() / (squared**-3).sum()) ** (1 / 6)


def pair_blocks(surface, cutoff, depth, dz, k, force):
    """Phase sum and plain sum of -d2V between two layers, (3, 3) each."""
    r_nn = distance(surface, cutoff) if force is lennard_jones else 1.0
    xy, ideal = pair_list(surface, depth, cutoff)
    if not len(xy):
        return np.zeros((3, 3)), np.zeros((3, 3))
    r = np.column_stack([xy * r_nn, np.full(len(xy), dz)])
    length = np.linalg.norm(r, axis=1)
    _, first, second = force(length, ideal)
    unit = r / length[:, None]
    block = np.einsum("n,na,nb->nab", second - first / length, unit, unit)
    block += (first / length)[:, None, None] * np.eye(3)
    return -np.einsum("n,nab->ab", np.exp(1j * r[:, :2] @ k), block), block.sum(axis=0)


@lru_cache(maxsize=64)
def thick_slab(
    surface, layers, fraction, cutoff=2.3, shifts=SHIFTS, masses=(), force=lennard_jones
):  # fmt: skip
    """D(k) of a slab (3 L, 3 L); real after u_z -> i u_z where the face has a two-fold axis.

    shifts : of the first layers, outwards, in layer spacings; masses : of the first layers
    """
    r_nn = distance(surface, cutoff) if force is lennard_jones else 1.0
    h, k = FACES[surface][3] * r_nn, wavevector(surface, fraction, r_nn)
    z = -h * np.arange(layers)
    moved = len(shifts)
    z[:moved] += h * np.array(shifts)
    d = np.zeros((layers, 3, layers, 3), dtype=complex)
    for depth in range(min(layers, reach(surface, cutoff) + 1)):
        ideal = pair_blocks(surface, cutoff, depth, -h * depth, k, force)
        for i in range(layers - depth):
            j = i + depth
            near = i < moved and depth
            phased, plain = (
                pair_blocks(surface, cutoff, depth, z[j] - z[i], k, force) if near else ideal
            )
            d[i, :, j] += phased
            d[i, :, i] += plain
            if depth:
                d[j, :, i] += phased.conj().T
                d[j, :, j] += plain
    d = d.reshape(3 * layers, 3 * layers)
    m = np.ones(layers)
    m[: len(masses)] = masses
    weight = np.repeat(m**-0.5, 3)
    d *= np.outer(weight, weight)
    if surface == "111":
        return d
    turn = np.tile([1, 1, 1j], layers)
    turned = turn.conj()[:, None] * d * turn
    assert np.abs(turned.imag).max() < 1e-12 * np.abs(d).max()
    return np.ascontiguousarray(turned.real)


def half_space(surface, fraction, cutoff=2.3, explicit=None, shifts=SHIFTS, **parameters):
    """The half space of `thick_slab` with the same arguments."""
    depth = reach(surface, cutoff)
    explicit = explicit or depth + max(1, len(shifts))
    matrix = thick_slab(surface, explicit + 3 * depth, fraction, cutoff, shifts, **parameters)
    return half_space_of(matrix[None], explicit, depth)


def chain(stiffness, end_mass=1.0, substrate=0.0):
    """Three independent monatomic chains, one for each direction, with free ends.

    stiffness : three springs between neighbours; substrate : spring of every atom to the ground
    """
    k = np.diag(np.asarray(stiffness, dtype=float))
    end = (k + substrate * np.eye(3)) / end_mass
    return HalfSpace(
        end[None], -k[None] / np.sqrt(end_mass), (2 * k + substrate * np.eye(3))[None], -k[None]
    )


def random_half_space(seed, q=6, s=9, strength=0.3):
    """A half space without any symmetry, and the matrix of its first `layers` as a function."""
    rng = np.random.default_rng(seed)

    def random(n, m):
        return rng.standard_normal((n, m)) + 1j * rng.standard_normal((n, m))

    surface, onsite = random(s, s), random(q, q)
    coupling = strength * random(s, q)
    coupling[: max(0, s - q)] = 0  # forces reach no further than a principal layer
    return HalfSpace(
        (surface + surface.conj().T)[None], coupling[None],
        (onsite + onsite.conj().T)[None], strength * random(q, q)[None],
    )  # fmt: skip


def cut_off(half, principal_layers):
    """The matrix of the explicit region and so many principal layers, at the first k."""
    s, q = half.surface.shape[-1], half.onsite.shape[-1]
    n = s + principal_layers * q
    d = np.zeros((n, n), dtype=np.result_type(half.surface, half.hop))
    d[:s, :s] = half.surface[0]
    d[:s, s : s + q] = half.surface_to_bulk[0]
    for at in range(s, n, q):
        d[at : at + q, at : at + q] = half.onsite[0]
        if at + q < n:
            d[at : at + q, at + q : at + 2 * q] = half.hop[0]
    upper = np.triu(d, 1)
    return upper + upper.conj().T + np.diag(d.diagonal().real)


def bulk_bands(half, phases=20001):
    """Projected bands from a scan of the phase between principal layers, merged, (bands, 2)."""
    onsite, hop = half.onsite[0], half.hop[0]
    turn = np.exp(1j * np.pi * np.linspace(-1, 1, phases))[:, None, None]
    w2 = np.linalg.eigvalsh(onsite + hop * turn + (hop * turn).conj().swapaxes(1, 2))
    edges = np.stack([w2.min(axis=0), w2.max(axis=0)], axis=1)
    return merged(edges, 1e-4 * np.abs(w2).max())


def merged(edges, touching=0.0):
    """Join intervals that overlap or lie nearer than `touching`."""
    bands = []
    for low, high in sorted(edges.tolist()):
        if bands and low <= bands[-1][1] + touching:
            bands[-1][1] = max(bands[-1][1], high)
        else:
            bands.append([low, high])
    return np.array(bands)
