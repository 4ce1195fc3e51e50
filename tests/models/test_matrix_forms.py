"""Every real form of the dynamical matrix against a plain complex Hermitian one."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known import SLAB, SURFACES, slab, squared
from slab_by_hand import dynamical_matrix, lennard_jones, springs, wavevector

from models.evaluate import Evaluator

NAMES = "frequency eigenvector layer_height nearest_neighbour_distance"
ROUNDING = 1e-11
"""Of the highest squared frequency: n^2 machine epsilons and the sums over pairs."""

FORMS = {
    "split, even": ("split", {"surface": "100", "layers": 6}),
    "split, odd": ("split", {"surface": "110", "layers": 5}),
    "split, two layers": ("split", {"surface": "110", "layers": 2}),
    "split, adlayers": (
        "split",
        {"surface": "100", "layers": 5, "adlayer": "both sides", "adlayer_mass_ratio": 0.3},
    ),
    "two-fold, one layer": ("two-fold", {"surface": "100", "layers": 1}),
    "two-fold, one-sided mass": (
        "two-fold",
        {"surface": "110", "layers": 5, "adlayer": "one side", "adlayer_mass_ratio": 3.0},
    ),
    "two-fold, masses": ("two-fold", {"surface": "100", "layers": 4, "layer_masses": (2.0, 0.5)}),
    "inversion, even": ("inversion", {"surface": "111", "layers": 6}),
    "inversion, odd": ("inversion", {"surface": "111", "layers": 5}),
    "inversion, one layer": ("inversion", {"surface": "111", "layers": 1}),
    "inversion, two layers": ("inversion", {"surface": "111", "layers": 2}),
    "inversion, mirrored masses": (
        "inversion",
        {"surface": "111", "layers": 3, "layer_masses": (2.0, 0.5, 2.0)},
    ),
    "complex, one-sided mass": (
        "complex",
        {"surface": "111", "layers": 5, "adlayer": "one side", "adlayer_mass_ratio": 0.2},
    ),
    "complex, one-sided bond": (
        "complex",
        {"surface": "111", "layers": 4, "adlayer": "one side", "adlayer_bond_ratio": 1.4},
    ),
    "complex, two layers": ("complex", {"surface": "111", "layers": 2, "layer_masses": (2.0,)}),
}
K = [(0.0, 0.0), (0.5, 0.0), (0.21, -0.37), (2 / 3, 1 / 3), (0.8, 1.3)]


def by_hand(parameters, heights, distance, fraction):
    """The matrix of the same slab, its masses and strengths written down anew."""
    layers, surface = parameters["layers"], parameters["surface"]
    masses, strength = np.ones(layers), np.ones((layers, layers))
    given_masses = parameters.get("layer_masses", ())
    masses[: len(given_masses)] = given_masses
    ends = {"one side": [0], "both sides": [0, layers - 1]}.get(parameters.get("adlayer"), [])
    for end in ends:
        masses[end] = parameters.get("adlayer_mass_ratio", 1.0)
        for other in range(layers):
            if other not in ends:
                bond = parameters.get("adlayer_bond_ratio", 1.0)
                strength[end, other] = strength[other, end] = bond
    cutoff, force = parameters.get("cutoff", 8.03), lennard_jones
    if parameters.get("forces") == "springs":
        cutoff, force = 1.5, springs(parameters["spring_nn"], parameters["spring_nnn"])
    k = wavevector(surface, fraction, distance)
    return dynamical_matrix(surface, heights, masses, strength, k, distance, cutoff, force)


def compare(parameters, fractions=K):
    got = slab(NAMES, k_list=fractions, **parameters)
    distance = float(got["nearest_neighbour_distance"])
    w2 = squared(got["frequency"])
    scale = max(np.abs(w2).max(), 1.0)  # one layer at k = 0 has zero modes only
    for i, fraction in enumerate(fractions):
        d = by_hand(parameters, got["layer_height"], distance, fraction)
        assert w2[i] == pytest.approx(np.linalg.eigvalsh(d), abs=ROUNDING * scale)
        e = got["eigenvector"][i].reshape(len(d), -1)  # modes first
        assert e.conj() @ e.T == pytest.approx(np.eye(len(d)), abs=1e-11)
        assert e.T @ e.conj() == pytest.approx(np.eye(len(d)), abs=1e-11)
        assert np.abs(d @ e.T - e.T * w2[i]).max() < ROUNDING * scale
        weighted = np.einsum("mj,m->j", np.abs(e) ** 2, w2[i])
        assert weighted == pytest.approx(d.diagonal().real, abs=ROUNDING * scale)


@pytest.mark.parametrize("case", FORMS)
def test_the_form_is_chosen_by_symmetry(case):
    kind, parameters = FORMS[case]
    stage = SLAB.stage("form")
    point = SLAB.parameters(cutoff=2.3, k_list=[(0.1, 0.2)], **parameters)

    assert Evaluator(SLAB).whole(stage, point)["kind"][0] == kind


@pytest.mark.parametrize("case", FORMS)
def test_spectra_and_vectors_are_those_of_the_plain_hermitian_matrix(case):
    """Frequencies, orthonormality, completeness, residuals and sum |e|^2 w2 = D_ll."""
    compare({"cutoff": 2.3, **FORMS[case][1]})


@pytest.mark.parametrize("surface", SURFACES)
def test_springs_fill_the_same_forms(surface):
    compare({"surface": surface, "layers": 4, "forces": "springs", "spring_nn": 1.3,
             "spring_nnn": 0.4, "layer_masses": (1.0, 2.0)})  # fmt: skip


@pytest.mark.parametrize("surface", SURFACES)
def test_the_full_cutoff_reaches_across_the_slab(surface):
    compare({"surface": surface, "layers": 3}, K[2:3])


@settings(max_examples=12, deadline=None, derandomize=True,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(data=st.data())
def test_any_masses_layers_and_wavevector_give_the_plain_spectrum(data):
    layers = data.draw(st.integers(1, 6))
    mass = st.floats(0.1, 10)
    fraction = data.draw(st.tuples(*[st.floats(-1, 1)] * 2))
    compare(
        {
            "surface": data.draw(st.sampled_from(SURFACES)),
            "layers": layers,
            "layer_masses": tuple(data.draw(st.lists(mass, max_size=layers))),
            "relaxed": data.draw(st.booleans()),
            "cutoff": data.draw(st.sampled_from([1.0, 1.8, 2.3])),
        },
        [fraction],
    )


@pytest.mark.parametrize("case", FORMS)
def test_opposite_wavevectors_have_conjugate_matrices(case):
    """D(-k) = D(k)*: equal frequencies, and conjugate vectors solve the opposite problem."""
    parameters = {"cutoff": 2.3, **FORMS[case][1]}
    f = (0.21, -0.37)
    got = slab(NAMES, k_list=[f, (-f[0], -f[1])], **parameters)
    w2 = squared(got["frequency"])
    distance = float(got["nearest_neighbour_distance"])
    d = by_hand(parameters, got["layer_height"], distance, f)
    e = got["eigenvector"][1].reshape(len(d), -1).conj()
    scale = np.abs(w2).max()

    assert w2[1] == pytest.approx(w2[0], abs=ROUNDING * scale)
    assert np.abs(d @ e.T - e.T * w2[0]).max() < ROUNDING * scale


@pytest.mark.parametrize("case", FORMS)
def test_a_reciprocal_vector_changes_nothing(case):
    w2 = squared(slab("frequency", k_list=[(0.21, -0.37), (1.21, -2.37)], cutoff=2.3,
                      **FORMS[case][1]))  # fmt: skip

    assert w2[1] == pytest.approx(w2[0], abs=ROUNDING * np.abs(w2).max())


@pytest.mark.parametrize("case", FORMS)
def test_weights_are_the_shares_of_the_vectors(case):
    """Modes of one frequency mix freely, so their weights are compared as sums."""
    _, parameters = FORMS[case]
    got = slab("frequency eigenvector surface_weight normal_weight top_weight", cutoff=2.3,
               surface_depth=1, k_list=[(0.21, -0.37)], **parameters)  # fmt: skip
    share = np.abs(got["eigenvector"][0]) ** 2
    faces = sorted({0, parameters["layers"] - 1})
    expected = {
        "surface_weight": share[:, faces].sum(axis=(1, 2)),
        "normal_weight": share[:, :, 2].sum(axis=1),
        "top_weight": share[:, 0].sum(axis=1),
    }

    for name, array in expected.items():
        assert got[name][0] == pytest.approx(array, abs=1e-10), name
