"""Wavevectors: paths, meshes with their stars, lists."""

import numpy as np
import pytest
from known import SLAB, SURFACES, slab, squared

from models.crystal.faces import FACES, point_group
from models.crystal.k_points import along_path, listed, on_mesh, parse_path
from models.errors import ModelInputError


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("count", [5, 6, 17, 120])
def test_a_path_hits_every_label_once_with_the_total_asked_for(surface, count):
    face = FACES["fcc", surface]
    k = along_path(face, face.path, count)

    assert len(k.fraction) == len(k.label) == len(k.distance) == count
    assert [x for x in k.label if x] == face.path.split("-")
    for fraction, label in zip(k.fraction, k.label, strict=True):
        if label:
            assert fraction == pytest.approx(np.array(face.labels[label]), abs=1e-15)
    assert k.weight.sum() == pytest.approx(1)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_path_shares_its_points_by_length(surface):
    """With many points no step is longer than another by more than rounding to whole steps."""
    face = FACES["fcc", surface]
    k = along_path(face, face.path, 1000)
    steps = np.linalg.norm(np.diff(k.vectors(face), axis=0), axis=1)

    assert steps.max() / steps.min() < 1.02
    assert np.diff(k.distance) == pytest.approx(steps, abs=1e-12)


def test_pieces_of_a_path_are_not_connected():
    face = FACES["fcc", "111"]
    k = along_path(face, "G-M,K-G", 11)
    at = k.label.index("M")

    assert [x for x in k.label if x] == ["G", "M", "K", "G"]
    assert k.label[at + 1] == "K"
    assert k.distance[at + 1] == k.distance[at]
    lengths = [np.linalg.norm(np.array(face.labels[x]) @ face.reciprocal) for x in "MK"]
    assert k.distance[-1] == pytest.approx(sum(lengths))


@pytest.mark.parametrize(
    ("path", "count", "match"),
    [
        ("G-Z", 9, r"names 'Z', which fcc \(111\) does not have. Its points are G, M, K"),
        ("G-M,K", 9, "has a piece of one point"),
        ("G-M-M", 9, "names the same point twice in a row"),
        ("G-M-K-G", 3, "`k_points` = 3 is too few .* which has 4 named points"),
        ("G-M,K-G", 3, "which has 4 named points"),
    ],
)
def test_a_path_that_cannot_be_walked_is_refused(path, count, match):
    with pytest.raises(ModelInputError, match=match):
        along_path(FACES["fcc", "111"], path, count)


def test_spaces_in_a_path_do_not_matter():
    assert parse_path(FACES["fcc", "100"], "G - X, M-G") == [["G", "X"], ["M", "G"]]


@pytest.mark.parametrize(
    ("surface", "n", "shift", "count"),
    [  # counted by hand, or by the standard formulas for a Gamma-centred mesh
        ("111", 32, "gamma", 102),
        ("100", 8, "gamma", 15),
        ("100", 8, "auto", 10),
        ("110", 8, "gamma", 25),
        ("110", 8, "auto", 16),
        ("110", 1, "gamma", 1),
    ],
)
def test_meshes_have_the_known_number_of_stars(surface, n, shift, count):
    k = on_mesh(FACES["fcc", surface], n, shift)

    assert len(k.weight) == count
    assert (
        SLAB.lengths(SLAB.parameters(surface=surface, k_mesh=n, k_mesh_shift=shift))["k"] == count
    )


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("shift", ["auto", "gamma"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_stars_partition_the_mesh(surface, shift, n):
    """The images of the points under group and time reversal are the whole mesh, each once."""
    face = FACES["fcc", surface]
    k = on_mesh(face, n, shift)
    s = {"gamma": (0, 0), "auto": (1 / 3, 2 / 3) if surface == "111" else (0.5, 0.5)}[shift]
    steps = np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2)
    mesh = {tuple(x) for x in np.rint((steps + s) / n * 1e6).astype(int) % 1_000_000}
    images = []
    for f in k.fraction:
        star = {
            tuple(np.rint(sign * (w @ f) * 1e6).astype(int) % 1_000_000)
            for w in point_group(face)
            for sign in (1, -1)
        }
        images.append(star & mesh)

    assert k.weight.sum() == pytest.approx(1, rel=1e-14)
    assert [len(star) / n**2 for star in images] == pytest.approx(list(k.weight))
    assert set().union(*images) == mesh


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_only_the_gamma_mesh_contains_gamma(surface, n):
    face = FACES["fcc", surface]

    assert "G" not in on_mesh(face, n, "auto").label
    assert on_mesh(face, n, "gamma").label[0] == "G"


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("adlayer", ["none", "one side"])
def test_spectra_are_equal_inside_a_star(surface, adlayer):
    """Also with two different faces: time reversal does not turn the slab over."""
    face = FACES["fcc", surface]
    f = np.array([0.13, 0.22])
    star = [tuple(sign * (w @ f)) for w in point_group(face) for sign in (1, -1)]
    w2 = squared(slab("frequency", surface=surface, layers=4, cutoff=2.3, k_list=star,
                      adlayer=adlayer, adlayer_mass_ratio=2.0))  # fmt: skip

    assert w2 == pytest.approx(np.broadcast_to(w2[0], w2.shape), abs=1e-10 * w2.max())


def test_the_mean_over_stars_is_the_mean_over_the_mesh():
    """Second moment of the frequencies: weights against the plain list of all points."""
    n, common = 4, {"surface": "111", "layers": 3, "cutoff": 2.3}
    every = [((i + 1 / 3) / n, (j + 2 / 3) / n) for i in range(n) for j in range(n)]
    full = squared(slab("frequency", k_list=every, **common)).mean(axis=0)
    stars = slab("frequency k_weight", k_mesh=n, **common)

    assert stars["k_weight"] @ squared(stars["frequency"]) == pytest.approx(full, rel=1e-10)


def test_a_list_keeps_its_order_and_names_its_points():
    fractions = ((0.5, 0.0), (0.1, 0.2), (0.0, 0.0), (2 / 3, -2 / 3), (1.0, 1.0))
    k = listed(FACES["fcc", "111"], fractions)

    assert k.fraction == pytest.approx(np.array(fractions))
    assert k.label == ("M", "", "G", "K", "G")


@pytest.mark.parametrize("surface", SURFACES)
def test_wavevectors_are_given_in_reduced_units(surface):
    """k.a_i = 2 pi f_i with the true cell vectors, a_i = nn distance times the table's."""
    got = slab("k_vector k_fraction nearest_neighbour_distance", surface=surface, layers=2,
               k_list=[(0.1, 0.4)])  # fmt: skip
    a = FACES["fcc", surface].vectors * got["nearest_neighbour_distance"]

    assert got["k_vector"] @ a.T == pytest.approx(2 * np.pi * got["k_fraction"])
