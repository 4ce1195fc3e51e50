"""The cell and atoms that a slab gives to other programs, against the faces of the crystal."""

import numpy as np
import pytest
from known import SURFACES

from models.crystal.slab_cell import VACUUM
from models.registry import get
from models.units import GASES

SLAB = get("slab")


def structure(**given):
    found = SLAB.structure(SLAB.parameters(cutoff=2.0, k_points=20, **given))
    assert found is not None
    return found


@pytest.mark.parametrize("surface", SURFACES)
def test_an_unrelaxed_slab_has_the_neighbours_of_fcc(surface):
    """In a cell as high as the crystal repeats, images included: 12 neighbours inside."""
    s = structure(surface=surface, layers=9, relaxed=False, nn_distance=1.0)

    steps = np.array([(i, j, 0) for i in range(-3, 4) for j in range(-3, 4)]) @ s.lattice
    away = s.positions[:, None, None] + steps - s.positions[4]
    distance = np.linalg.norm(away, axis=-1)
    near = np.sort(distance[distance < 1.5])
    assert near == pytest.approx([0.0, *[1.0] * 12, *[np.sqrt(2)] * 6], abs=1e-12)


def test_the_cell_holds_the_slab_and_a_vacuum():
    s = structure(layers=5, material="Xe", adlayer="one side", adlayer_bond_ratio=0.5)

    fraction = s.positions @ np.linalg.inv(s.lattice)
    z = s.positions[:, 2]
    assert fraction.min() >= -1e-12
    assert fraction.max() < 1
    assert (np.diff(z) < 0).all()  # layer 0 is the top face
    assert (z.max() + z.min()) / 2 == pytest.approx(s.lattice[2, 2] / 2)
    distance = np.linalg.norm(s.lattice[0])
    assert s.lattice[2, 2] - np.ptp(z) == pytest.approx(VACUUM * distance)
    assert s.lattice[2, :2].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("material", "symbol", "mass", "units"),
    [("reduced", "X", 1.0, ("sigma", "host mass")), ("Ar", "Ar", 39.948, ("angstrom", "u")),
     ({"epsilon_K": 100.0, "sigma_angstrom": 2.0, "mass_u": 7.0}, "X", 7.0, ("angstrom", "u"))],
)  # fmt: skip
def test_masses_symbols_and_units_are_those_of_the_material(material, symbol, mass, units):
    s = structure(layers=3, layer_masses=(2.0, 0.5), material=material)

    assert s.masses == pytest.approx(mass * np.array([2.0, 0.5, 1.0]))
    assert s.symbols == (symbol,) * 3
    assert (s.length_unit, s.mass_unit) == units


def test_lengths_are_in_the_unit_of_the_material():
    reduced, argon = structure(layers=3), structure(layers=3, material="Ar")

    sigma = GASES["Ar"].sigma_angstrom
    assert argon.lattice == pytest.approx(reduced.lattice * sigma)
    assert argon.positions == pytest.approx(reduced.positions * sigma)


def test_a_mesh_is_named_and_a_path_is_not():
    assert structure(layers=2).mesh is None
    meshed = SLAB.structure(SLAB.parameters(cutoff=2.0, layers=2, k_mesh=4))
    assert meshed is not None
    assert meshed.mesh == (4, 4, 1)


def test_a_chain_has_no_cell():
    chain = get("chain")

    assert chain.structure(chain.parameters()) is None
