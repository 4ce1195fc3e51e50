"""Units of the gases and of what is stored."""

import numpy as np
import pytest
from known import SLAB, slab

from models.units import FREQUENCY_UNITS, GASES, Gas

EXPECTED = {  # omega_0/2pi in THz, hbar omega_0/k_B in K; to the digits given
    "Ne": (0.070953, 3.40522),
    "Ar": (0.074272, 3.56451),
    "Kr": (0.055447, 2.66103),
    "Xe": (0.048447, 2.32509),
}


@pytest.mark.parametrize("gas", EXPECTED)
def test_the_gases_have_the_known_frequency_and_temperature(gas):
    frequency, temperature = EXPECTED[gas]

    assert GASES[gas].frequency_thz == pytest.approx(frequency, abs=5e-7)
    assert GASES[gas].temperature_kelvin == pytest.approx(temperature, abs=5e-6)


def test_argon_has_the_textbook_energy_and_pressure():
    """epsilon = 10.4 meV; epsilon/sigma^3 = 1.67e-21 J / 3.93e-29 m^3 = 42.5 MPa."""
    assert GASES["Ar"].energy_mev == pytest.approx(10.42, abs=0.01)
    assert GASES["Ar"].pressure_gpa == pytest.approx(0.0425, abs=1e-4)


def test_frequency_units_agree_with_each_other():
    """1 THz = 33.356 cm-1 = 4.1357 meV."""
    assert FREQUENCY_UNITS["cm-1"] == pytest.approx(33.35641, abs=1e-5)
    assert FREQUENCY_UNITS["meV"] == pytest.approx(4.135667, abs=1e-6)


@pytest.mark.parametrize("gas", EXPECTED)
def test_a_gas_scales_every_quantity_by_its_own_unit(gas):
    names = "frequency layer_height k_vector surface_energy relaxation_force elastic_constant"
    common = {"layers": 3, "cutoff": 2.3, "k_list": [(0.3, 0.1)], "relaxed": False}
    reduced, real = slab(names, **common), slab(names, material=gas, **common)
    sigma = {"Ne": 2.74, "Ar": 3.40, "Kr": 3.65, "Xe": 3.98}[gas]
    meV = {"Ne": 36.2148526, "Ar": 120.957608, "Kr": 162.966837, "Xe": 231.775057}[gas] / 11.6045181
    factor = {
        "frequency": EXPECTED[gas][0], "layer_height": sigma, "k_vector": 1 / sigma,
        "surface_energy": meV, "relaxation_force": meV / sigma,
        "elastic_constant": meV * 0.1602176634 / sigma**3,
    }  # fmt: skip

    for name, array in real.items():
        assert array == pytest.approx(factor[name] * reduced[name], rel=1e-5), name
        assert np.abs(reduced[name]).max() > 0


@pytest.mark.parametrize(
    ("parameters", "unit"),
    [
        ({}, "sqrt(epsilon/m)/sigma"),
        ({"material": "Kr"}, "THz"),
        ({"forces": "springs"}, "sqrt(k/m)"),
    ],
)
def test_frequencies_name_their_unit(parameters, unit):
    assert SLAB.unit_of("frequency", SLAB.parameters(**parameters)) == unit


def test_shares_have_no_unit_in_any_material():
    p = SLAB.parameters(material="Ar")

    assert SLAB.unit_of("1", p) == "1"
    assert SLAB.present("surface_weight", np.ones(3), p) == pytest.approx(np.ones(3))


def test_a_substance_of_the_users_own_is_a_gas():
    own = {"epsilon_K": 120.957608, "sigma_angstrom": 3.40, "mass_u": 39.948}
    common = {"layers": 2, "cutoff": 2.3, "k_list": [(0.3, 0.1)]}

    assert slab("frequency", material=own, **common) == pytest.approx(
        slab("frequency", material="Ar", **common), rel=1e-14
    )
    assert Gas(*own.values()) == GASES["Ar"]
