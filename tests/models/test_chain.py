"""The chain against closed forms and matrix functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known import known
from scipy import linalg

from models.evaluate import compute
from models.registry import get

CHAIN = get("chain")
REFERENCE = known("chains")["chains"]


def chain(output, **parameters):
    return compute(CHAIN, [output], CHAIN.parameters(**parameters))[output]


def end_modes(**parameters):
    found = chain("end_mode_squared", atoms=2, **parameters)
    return found[~np.isnan(found)]


def spring_matrix(atoms, mass_ratio=1.0, end_mass_ratio=1.0, end_spring_ratio=1.0):
    """D, bond by bond, with the masses."""
    m = np.array([mass_ratio if i % 2 else 1.0 for i in range(atoms)])
    m[0] *= end_mass_ratio
    d = np.zeros((atoms, atoms))
    for i in range(atoms - 1):
        k = end_spring_ratio if i == 0 else 1.0
        d[i : i + 2, i : i + 2] += k * np.array([[1, -1], [-1, 1]])
    return d / np.sqrt(np.outer(m, m)), m


@pytest.mark.parametrize("atoms", [2, 3, 40, 121])
def test_a_monatomic_chain_has_sine_frequencies(atoms):
    expected = 4 * np.sin(np.pi * np.arange(atoms) / (2 * atoms)) ** 2

    assert chain("frequency_squared", atoms=atoms) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("atoms", [11, 40])
def test_end_weights_of_a_monatomic_chain_are_cosines(atoms):
    """Mode s moves atom i by cos(pi s (2i + 1)/2N)."""
    i, s = np.arange(atoms)[:, None], np.arange(atoms)
    u = np.cos(np.pi * s * (2 * i + 1) / (2 * atoms)) ** 2

    assert chain("end_weight", atoms=atoms) == pytest.approx(
        u[:3].sum(axis=0) / u.sum(axis=0), abs=1e-11
    )


@pytest.mark.parametrize("mass_ratio", [1.2, 2.0, 3.0, 10.0])
def test_a_light_end_atom_has_a_mode_at_mid_gap(mass_ratio):
    """Wallis Eq. 60: w2 = 1/m + 1/M, half way between 2/M and 2/m."""
    assert end_modes(mass_ratio=mass_ratio) == pytest.approx([1 + 1 / mass_ratio], rel=1e-12)
    long = chain("frequency_squared", atoms=200, mass_ratio=mass_ratio)
    assert np.abs(long - (1 + 1 / mass_ratio)).min() < 1e-10


@pytest.mark.parametrize("mass_ratio", [0.1, 0.5, 0.8, 1.0])
def test_a_heavy_end_atom_has_no_end_mode(mass_ratio):
    assert len(end_modes(mass_ratio=mass_ratio)) == 0


@pytest.mark.parametrize("mass", [0.05, 0.3, 0.499])
def test_a_light_end_of_equal_atoms_has_the_closed_form(mass):
    """Wallis Eq. 57 for f = 1: w2 = 1/[m (1 - m)] if m < 1/2."""
    assert end_modes(end_mass_ratio=mass) == pytest.approx([1 / (mass * (1 - mass))], rel=1e-10)


def test_an_end_mass_of_one_half_is_the_limit():
    assert len(end_modes(end_mass_ratio=0.4999)) == 1
    assert len(end_modes(end_mass_ratio=0.5001)) == 0


@pytest.mark.parametrize("c", [0.4, 0.5, 1.0, 7.0])
def test_a_stiff_end_spring_has_the_closed_form(c):
    """Wallis Eqs. 55, 56: e^q = -c - sqrt(c^2 + c), w2 = 2 (1 - cosh q)."""
    e = -c - np.sqrt(c * c + c)

    assert end_modes(end_spring_ratio=1 + c) == pytest.approx([2 - e - 1 / e], rel=1e-10)


@pytest.mark.parametrize(
    ("key", "parameters"),
    [
        ("surface_spring/c=0.4", {"end_spring_ratio": 1.4}),
        ("surface_spring/c=0.5", {"end_spring_ratio": 1.5}),
        ("surface_spring/c=1", {"end_spring_ratio": 2.0}),
        ("surface_spring/c=0.2", {"end_spring_ratio": 1.2}),
        ("surface_spring/c=0.333333", {"end_spring_ratio": 1.333333}),
        ("end_mass_spring/lambda=0.4/f=1.0", {"end_mass_ratio": 0.4}),
        ("end_mass_spring/lambda=0.25/f=1.0", {"end_mass_ratio": 0.25}),
        ("end_mass_spring/lambda=0.3/f=0.7", {"end_mass_ratio": 0.3, "end_spring_ratio": 0.7}),
        ("diatomic_gap/m=1/M=2", {"mass_ratio": 2.0}),
        ("diatomic_gap/m=1/M=3", {"mass_ratio": 3.0}),
        ("diatomic_end_mass/m=1/M=2/Q=-0.6", {"mass_ratio": 2.0, "end_mass_ratio": 0.4}),
        ("diatomic_end_mass/m=1/M=2/Q=-0.45", {"mass_ratio": 2.0, "end_mass_ratio": 0.55}),
        ("diatomic_end_mass/m=1/M=2/Q=0.5", {"mass_ratio": 2.0, "end_mass_ratio": 1.5}),
    ],
)
def test_end_modes_are_the_reference_modes(key, parameters):
    entry = REFERENCE[key]
    entry = entry["omega2"] if isinstance(entry, dict) else entry
    expected = [] if entry is None else [entry] if isinstance(entry, float) else entry

    tolerance = 1e-6 if key.startswith("diatomic_end_mass") else 1e-8
    assert end_modes(**parameters) == pytest.approx(expected, rel=tolerance)


def test_a_heavy_first_mass_scales_to_the_reference():
    """m = 2, M = 1 in the reference; here the first mass is 1, so w2 doubles."""
    expected = 2 * np.array(REFERENCE["diatomic_end_mass/m=2/M=1/Q=-0.6"])

    assert end_modes(mass_ratio=0.5, end_mass_ratio=0.4) == pytest.approx(expected, rel=1e-6)


def test_the_chain_of_figure_7_has_one_mode_in_the_gap():
    expected = np.array(REFERENCE["fig7_N10_m1_M2_omega2"])
    found = chain("frequency_squared", atoms=10, mass_ratio=2.0)

    assert found == pytest.approx(expected, rel=1e-8, abs=1e-9)
    assert ((found > 1 + 1e-9) & (found < 2 - 1e-9)).sum() == 1


def test_the_chain_of_figure_15_has_the_reference_velocities():
    v2 = chain("mean_square_velocity", atoms=20, temperatures=[0.0])[0]
    expected = REFERENCE["fig15_N20_zero_point_MSV_sites1to4_and_10"]

    assert v2[[0, 1, 2, 3, 9]] == pytest.approx(expected, rel=1e-8)


def test_all_modes_of_the_closed_form_live_at_the_end_of_a_long_chain():
    """200 atoms: every closed-form mode is found with almost all of its weight there."""
    parameters = {"mass_ratio": 2.0, "end_mass_ratio": 0.2, "end_spring_ratio": 1.5}
    found = chain("frequency_squared", atoms=200, **parameters)
    weight = chain("end_weight", atoms=200, **parameters)
    bound = end_modes(**parameters)

    assert len(bound) == 1 == (weight > 0.9).sum()
    for x in bound:
        i = np.abs(found - x).argmin()
        assert found[i] == pytest.approx(x, rel=1e-11)


chains = st.fixed_dictionaries({
    "mass_ratio": st.floats(0.1, 10),
    "end_mass_ratio": st.floats(0.05, 10),
    "end_spring_ratio": st.floats(0.1, 5),
})  # fmt: skip


@settings(max_examples=25, deadline=None, derandomize=True)
@given(parameters=chains)
def test_the_closed_form_counts_the_modes_outside_the_bands(parameters):
    """Sturm: a chain of 601 atoms has the end modes of both its ends, and no other, outside.

    The other end is a plain one: a mode sits there at mid-gap if its mass is the lighter.
    """
    q = parameters["mass_ratio"]
    found = np.linalg.eigvalsh(spring_matrix(601, **parameters)[0])
    bands = [0, 2 / max(1, q), 2 / min(1, q), 2 + 2 / q]
    margin = 1e-3
    outside = found[
        (found > bands[3] + margin) | ((found > bands[1] + margin) & (found < bands[2] - margin))
    ]
    bound = end_modes(**parameters)
    clear = bound[
        (bound > bands[3] + margin) | ((bound > bands[1] + margin) & (bound < bands[2] - margin))
    ]
    other = [1 + 1 / q] if q > 1 and bands[2] - bands[1] > 2 * margin else []

    assert outside == pytest.approx(np.sort([*clear, *other]), abs=1e-4)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(parameters=chains, atoms=st.integers(2, 30))
def test_frequencies_and_weights_are_those_of_the_spring_matrix(parameters, atoms):
    d, m = spring_matrix(atoms, **parameters)
    found = chain("frequency_squared", atoms=atoms, **parameters)
    weight = chain("end_weight", atoms=atoms, **parameters)

    assert found == pytest.approx(np.linalg.eigvalsh(d), abs=1e-13 * np.trace(d) * atoms)
    assert found.sum() == pytest.approx(np.trace(d), rel=1e-12)
    assert found[0] == pytest.approx(0, abs=1e-13 * found[-1] * atoms)
    assert weight.sum() == pytest.approx(min(atoms, 3), rel=1e-12)
    # sum rule: sum_s |e_is|^2 w2_s = D_ii holds for the three atoms together
    assert weight @ found == pytest.approx(d.diagonal()[:3].sum(), rel=1e-11)


def without_shift(d, m, f):
    """Matrix function of D on the vibrations, the uniform translation left out."""
    shift = np.sqrt(m / m.sum())
    p = np.eye(len(m)) - np.outer(shift, shift)
    # lift the zero mode to 1, apply, and take the translation out again
    lifted = linalg.funm(d + np.outer(shift, shift), f)
    return (p @ lifted @ p).real


@pytest.mark.parametrize("temperature", [0.0, 0.3, 2.0])
def test_thermal_averages_are_matrix_functions(temperature):
    """<u^2> = [D^-1/2 coth(D^1/2/2T)]/2m, <v^2> = [D^1/2 coth(D^1/2/2T)]/2m."""
    parameters = {"mass_ratio": 2.0, "end_mass_ratio": 0.4, "end_spring_ratio": 1.3}
    d, m = spring_matrix(9, **parameters)

    def coth(x):
        return 1.0 if temperature == 0 else 1 / np.tanh(x / (2 * temperature))

    u2 = without_shift(d, m, np.vectorize(lambda x: coth(x**0.5) * x**-0.5)).diagonal() / (2 * m)
    v2 = without_shift(d, m, np.vectorize(lambda x: coth(x**0.5) * x**0.5)).diagonal() / (2 * m)
    own = {"atoms": 9, "temperatures": [temperature], **parameters}

    assert chain("mean_square_displacement", **own)[0] == pytest.approx(u2, rel=1e-8)
    assert chain("mean_square_velocity", **own)[0] == pytest.approx(v2, rel=1e-8)


def test_hot_atoms_have_equipartition():
    """m <v^2> = T (1 - m/M) without the translation, up to D_ii/12T^2 = 1e-4 and less."""
    v2 = chain("mean_square_velocity", atoms=6, mass_ratio=3.0, temperatures=[50.0])[0]
    m = np.array([1, 3] * 3)

    assert m * v2 == pytest.approx(50 * (1 - m / m.sum()), rel=1e-4)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"atoms": 1}, "greater than or equal to 2"),
        ({"atoms": 5001}, "less than or equal to 5000"),
        ({"mass_ratio": 0.0}, "greater than 0"),
        ({"mass_ratio": float("inf")}, "finite number"),
        ({"temperatures": [1.0, 0.5]}, "`temperatures` must ascend without repeats"),
        ({"temperatures": [0.5, 0.5]}, "`temperatures` must ascend without repeats"),
        ({"temperatures": [-1.0]}, "greater than or equal to 0"),
        ({"atom": 3}, "Extra inputs are not permitted"),
        ({"atoms": 3.0}, "valid integer"),
    ],
)
def test_a_chain_that_makes_no_sense_is_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        CHAIN.parameters(**parameters)
