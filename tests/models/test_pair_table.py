"""Sums over an irreducible part of the zone against sums over all of it, and the quadrature."""

import numpy as np
import pytest

from models.crystal.faces import FACES, find_pairs, operations
from models.crystal.k_points import on_mesh
from models.crystal.zone_quadrature import wedge_quadrature
from models.forces.pair_forces import LennardJones, Springs
from models.green.pair_table import PairTable
from models.modes.matrix_forms import choose_form
from models.modes.phase_sums import find_couplings, sum_phases

LAYERS = 5
FACES_AND_FORCES = [
    ("sc", "100", Springs(1.0, 1.0), 1.5),
    ("fcc", "100", Springs(1.0, 0.0), 1.2),
    ("fcc", "110", LennardJones(), 2.1),
    ("fcc", "111", Springs(1.0, 0.3), 1.5),
    ("hcp", "0001", Springs(1.0, 0.3), 1.5),
]
Z = np.array([1.3 + 0.7j, 25.0])


def matrices_of(crystal: str, surface: str, forces: object, cutoff: float, fraction):  # noqa: ANN001, ANN201
    """D of a slab in the form that its face allows, and the true D, at wavevectors."""
    face = FACES[crystal, surface]
    pairs = find_pairs(crystal, surface, cutoff)
    couplings = find_couplings(
        forces, pairs, 1.0, face.spacing, np.zeros(LAYERS),  # type: ignore[arg-type]
        np.ones((LAYERS, LAYERS)), face.turns(LAYERS),
    )  # fmt: skip
    sums = sum_phases(couplings, fraction @ face.reciprocal)
    form = choose_form(couplings, np.ones(LAYERS), face.two_fold, symmetric=False)
    plain = choose_form(couplings, np.ones(LAYERS), two_fold=False, symmetric=False)
    return form.matrices(sums, form.blocks[0]), plain.matrices(sums, plain.blocks[0])


def resolvents(d):  # noqa: ANN001, ANN201
    """(z - D)^-1, (n_z, n_k, n, n)."""
    return np.linalg.inv(Z[:, None, None, None] * np.eye(d.shape[-1]) - d)


@pytest.mark.parametrize(("crystal", "surface", "forces", "cutoff"), FACES_AND_FORCES)
@pytest.mark.parametrize("shift", ["auto", "gamma"])
def test_an_irreducible_part_of_a_mesh_gives_what_the_whole_mesh_gives(
    crystal: str, surface: str, forces: object, cutoff: float, shift: str
) -> None:
    face = FACES[crystal, surface]
    n = 3
    step = np.array({"auto": (1 / 3, 2 / 3) if face.hexagonal else (0.5, 0.5),
                     "gamma": (0, 0)}[shift])  # fmt: skip
    grid = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1).reshape(-1, 2)
    # a shifted hexagonal mesh is its own image under some operations only: all images count
    images = [sign * w for _, w in operations(face) for sign in (1, -1)]
    whole = np.concatenate([(grid + step) / n @ w.T for w in images])
    table = PairTable(crystal, surface, LAYERS, 2.1, endless=False)

    points = on_mesh(face, n, shift)
    form, _ = matrices_of(crystal, surface, forces, cutoff, points.fraction)
    g = resolvents(form).reshape(2, -1, LAYERS, 3, LAYERS, 3)
    functions = np.array([g[:, :, i, :, j, :] for i, j in table.layer_pairs])
    functions = functions.transpose(0, 3, 4, 1, 2)
    found = table.averaged(table.sums(functions, points.vectors(face), points.weight))

    _, plain = matrices_of(crystal, surface, forces, cutoff, whole)
    g = resolvents(plain).reshape(2, -1, LAYERS, 3, LAYERS, 3)
    sites = np.array([(0, 0, 0), (1, 0, 0), (2, -1, 0), (0, 1, 1), (4, 1, -1)])
    place = sites[:, 1:] @ face.vectors + face.shifts(sites[:, 0])
    expected = np.empty((2, 5, 3, 5, 3), complex)
    for a, one in enumerate(sites):
        for b, other in enumerate(sites):
            phase = np.exp(-1j * whole @ face.reciprocal @ (place[b] - place[a]))
            block = g[:, :, one[0], :, other[0], :]
            expected[:, a, :, b] = np.einsum("zkab,k->zab", block, phase) / len(whole)
    expected = expected.reshape(2, 15, 15)
    near = PairTable(crystal, surface, LAYERS, 6.5, endless=False)
    wide = near.averaged(near.sums(functions, points.vectors(face), points.weight))
    assert np.abs(near.between(wide, sites) - expected).max() < 1e-13
    shared = [near._place[key] for key in table._place if table._place[key] < table.upper]
    rows = [table._place[key] for key in table._place if table._place[key] < table.upper]
    assert np.abs(wide[:, shared] - found[:, rows]).max() < 1e-14  # the radius decides nothing


def test_a_pair_out_of_the_table_is_no_pair_of_zeros() -> None:
    table = PairTable("sc", "100", 2, 1.5, endless=False)
    g = np.ones((1, table.upper, 3, 3))
    with pytest.raises(KeyError):
        table.between(g, np.array([(0, 0, 0), (0, 2, 0)]))


@pytest.mark.parametrize(("crystal", "surface"), sorted(FACES))
def test_the_wedge_integrates_waves_to_zero(crystal: str, surface: str) -> None:
    """A lattice vector's wave, averaged over the operations, has no mean over the zone."""
    fraction, weight = wedge_quadrature(crystal, surface, 16)
    group = [w for _, w in operations(FACES[crystal, surface])]
    for steps in [(1, 0), (0, 1), (1, 1), (2, 1), (3, -1)]:
        wave = sum(np.cos(2 * np.pi * (fraction @ w.T) @ steps) for w in group)
        assert abs(weight @ wave) < 1e-9


@pytest.mark.parametrize("edge", [0.0, 1e-5])
def test_the_wedge_integrates_cusps_at_symmetric_points(edge: float) -> None:
    def mean(order: int) -> float:
        fraction, weight = wedge_quadrature("sc", "100", order)
        sines, cosines = np.sin(np.pi * fraction.T) ** 2, np.cos(np.pi * fraction.T) ** 2
        near = [a + b + edge for a in (sines[0], cosines[0]) for b in (sines[1], cosines[1])]
        return float(weight @ sum(1 / np.sqrt(squared) for squared in near))

    assert abs(mean(20) / mean(40) - 1) < 1e-6
    assert abs(mean(10) / mean(40) - 1) < 1e-4
