"""Green's functions between layers: against thick slabs, closed forms and known values."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from half_spaces import chain, random_half_space
from known import known

from models.crystal.faces import FACES, find_pairs
from models.errors import ModelInputError, NumericsError
from models.forces.pair_forces import LennardJones, Springs
from models.green import layer_doubling
from models.green import layer_functions as module
from models.green.half_space import HalfSpace, half_space_of
from models.green.layer_functions import layer_functions
from models.modes.matrix_forms import choose_form
from models.modes.phase_sums import find_couplings, sum_phases

HOSTS = {
    "sc 100": ("sc", "100", Springs(1.0, 1.0), 1.5, 1.0, 12.0),
    "fcc 100": ("fcc", "100", Springs(1.0, 0.0), 1.0, 1.0, 8.0),
    "fcc 111": ("fcc", "111", Springs(1.0, 0.0), 1.0, 1.0, 8.0),
    "Lennard-Jones": ("fcc", "100", LennardJones(), 1.8, 1.1, 680.0),
}
"""Crystal, surface, forces, cutoff, distance of neighbours; squared frequencies lie below the
last."""
MASSES = (0.5, 1.0, 1.7)
"""Of the first layers: layers above the bulk that are not like it."""
WAVEVECTORS = np.array([[1.0, 0.4], [-0.3, 2.1], [0.0, 0.7], [2.2, 2.2], [0.02, 0.01]])
PAIRS = tuple(itertools.product(range(5), repeat=2))
KNOWN = known("greens_host")["ashkin_host_G"]
TURN = np.array([1, 1, 1j])
"""The displacements that real matrices stand for: u_z -> i u_z."""


def slab_matrices(name, layers, masses=MASSES, k=WAVEVECTORS):
    """D of a slab whose upper layers have other masses, and the layers forces reach over."""
    crystal, surface, forces, cutoff, distance, _ = HOSTS[name]
    face, pairs = FACES[crystal, surface], find_pairs(crystal, surface, cutoff)
    reach = int(pairs.depth[-1])
    couplings = find_couplings(
        forces, pairs, distance, face.spacing * distance, np.zeros(layers),
        np.ones((reach + 1, layers)), face.turns(layers),
    )  # fmt: skip
    weights = np.ones(layers)
    weights[: len(masses)] = masses
    form = choose_form(couplings, weights, face.two_fold, symmetric=False)
    return form.matrices(sum_phases(couplings, k), form.blocks[0]), reach


def host(name, explicit=None, masses=MASSES, k=WAVEVECTORS):
    reach = int(find_pairs(HOSTS[name][0], HOSTS[name][1], HOSTS[name][3]).depth[-1])
    explicit = explicit or max(len(masses), 1) + reach
    matrices, _ = slab_matrices(name, explicit + 3 * reach + 1, masses, k)
    return half_space_of(matrices, explicit, reach)


def off_the_axis(name):
    """Squared frequencies where waves die out within few layers."""
    return HOSTS[name][5] * np.array([0.3 + 0.4j, 0.8 + 0.5j])


def on_the_axis(name):
    return HOSTS[name][5] * np.array([-1.0, -0.1, 1.6, 3.0])


def blocks(matrix, pairs, first=0):
    """Blocks of one matrix, (pairs, 3, 3)."""
    layer = [slice(3 * (first + at), 3 * (first + at) + 3) for at in range(1 + np.max(pairs))]
    return np.stack([matrix[layer[a], layer[b]] for a, b in pairs])


def plain_inverses(matrices, z, pairs, first=0):
    """The same blocks of (z - D)^-1, (pairs, 3, 3, n_z, n_k)."""
    unit = np.eye(matrices.shape[-1])
    found = [[blocks(np.linalg.inv(x * unit - d), pairs, first) for d in matrices] for x in z]
    return np.array(found).transpose(2, 3, 4, 0, 1)


def apart(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("points", [off_the_axis, on_the_axis])
def test_first_layers_are_those_of_a_thick_slab(name, points):
    matrices, _ = slab_matrices(name, 60)
    z = points(name)

    found = layer_functions(host(name), z, PAIRS)

    assert apart(found, plain_inverses(matrices, z, PAIRS)) < 1e-11
    assert found.dtype == (float if np.isrealobj(z) and np.isrealobj(matrices) else complex)


@pytest.mark.parametrize("name", HOSTS)
def test_a_number_of_explicit_layers_is_without_effect(name):
    z = off_the_axis(name)
    few, more = host(name), host(name, explicit=host(name).layers + 2)

    assert apart(layer_functions(few, z, PAIRS), layer_functions(more, z, PAIRS)) < 1e-13


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("points", [off_the_axis, on_the_axis])
def test_the_endless_crystal_is_a_long_periodic_chain(name, points):
    """G(d) = mean over k_z of exp(-i k_z d) (z - D(k_z))^-1, a sum that converges like G decays."""
    half, z, pairs = host(name, k=WAVEVECTORS[:4]), points(name), PAIRS[: 2 * 5]
    q = half.onsite.shape[-1]
    layers = q // 3
    expected = 0
    phases = 2 * np.pi * np.arange(64) / 64
    for phase in phases:
        hop = half.hop * np.exp(1j * phase)
        g = np.linalg.inv(
            z[:, None, None, None] * np.eye(q) - half.onsite - hop - hop.conj().swapaxes(1, 2)
        )
        blocks_here = [
            g[:, :, 3 * (a % layers) :, 3 * (b % layers) :][:, :, :3, :3]
            * np.exp(-1j * phase * (b // layers - a // layers))
            for a, b in pairs
        ]
        expected = expected + np.array(blocks_here).transpose(0, 3, 4, 1, 2) / len(phases)

    found = layer_functions(half, z, pairs, endless=True)

    assert apart(found, expected) < 1e-11


@pytest.mark.parametrize("name", ["sc 100", "fcc 111"])
def test_the_endless_crystal_depends_on_the_distance_of_the_layers(name):
    z = off_the_axis(name)

    found = layer_functions(host(name), z, [(0, 2), (3, 5), (2, 0), (7, 5)], endless=True)

    assert (found[0] == found[1]).all()
    assert (found[2] == found[3]).all()
    assert apart(found[2], found[0]) > 1e-3


@pytest.mark.parametrize("name", HOSTS)
def test_deep_layers_are_those_of_the_endless_crystal(name):
    z = off_the_axis(name)
    deep = layer_functions(host(name), z, [(40, 40), (40, 41), (41, 40)])

    endless = layer_functions(host(name), z, [(0, 0), (0, 1), (1, 0)], endless=True)

    assert apart(deep, endless) < 1e-9


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("endless", [False, True])
def test_reciprocity(name, endless):
    """G_l'l(z) = G_ll'(z*)+, which is the transpose where D is real."""
    z = off_the_axis(name)
    half = host(name)
    found = layer_functions(half, z, PAIRS, endless=endless).reshape(5, 5, 3, 3, len(z), -1)
    turned = found.transpose(1, 0, 3, 2, 4, 5)

    if np.isrealobj(half.hop):
        assert apart(turned, found) < 1e-13
    else:
        # D(-k) = D(k)*, so that G(-k) is the transpose of G(k)
        opposite = layer_functions(host(name, k=-WAVEVECTORS), z, PAIRS, endless=endless)
        assert apart(turned, opposite.reshape(found.shape)) < 1e-13


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("endless", [False, True])
def test_hermitian_at_real_z(name, endless):
    found = layer_functions(host(name), on_the_axis(name), PAIRS, endless=endless)
    found = found.reshape(5, 5, 3, 3, 4, -1)

    assert apart(found.transpose(1, 0, 3, 2, 4, 5).conj(), found) < 1e-13


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("endless", [False, True])
def test_real_z_is_the_limit_of_complex_z(name, endless):
    z = on_the_axis(name)

    real = layer_functions(host(name), z, PAIRS, endless=endless)
    near = layer_functions(host(name), z + 1e-13j, PAIRS, endless=endless)

    assert apart(near, real) < 1e-11


@pytest.mark.parametrize("name", HOSTS)
def test_shares_of_all_modes_add_up_to_one(name):
    """The first moments of the density: G = 1/z + D/z^2 + D^2/z^3 + O(z^-4) far away."""
    half, pairs = host(name), [(a, b) for a in range(2) for b in range(2)]
    z = -HOSTS[name][5] * 1e4
    matrices, _ = slab_matrices(name, 12)
    identity = np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape)
    powers = [identity, matrices, matrices @ matrices, matrices @ matrices @ matrices]
    moments = sum(p / z ** (n + 1) for n, p in enumerate(powers))
    expected = np.stack([blocks(m, pairs) for m in moments], axis=-1)

    found = layer_functions(half, np.array([z]), pairs)[:, :, :, 0]

    assert found * z == pytest.approx(expected * z, rel=1e-11, abs=1e-14)


def test_three_chains_have_the_closed_form():
    """A free chain: G_ll' = g (x^|l-l'| + x^(l+l'+1)), g of the endless one, x the decay."""
    stiffness = np.array([1.0, 0.3, 2.0])
    z = np.array([1.3 + 0.2j, 9.1 + 0.1j])
    b = z[:, None] - 2 * stiffness
    root = np.sqrt(b**2 - 4 * stiffness**2)
    x = (-b + root) / (2 * stiffness)
    x = np.where(np.abs(x) < 1, x, 1 / x)
    bulk = 1 / (b + 2 * stiffness * x)

    found = layer_functions(chain(stiffness), z, [(0, 0), (1, 3), (3, 1)])[..., 0]

    for g, (row, column) in zip(found, [(0, 0), (1, 3), (3, 1)], strict=True):
        expected = bulk * (x ** abs(row - column) + x ** (row + column + 1))
        assert np.einsum("iiz->zi", g) == pytest.approx(expected, rel=1e-12)
        assert np.abs(g - np.einsum("zi,ij->ijz", expected, np.eye(3))).max() < 1e-12


@pytest.mark.parametrize("entry", [key for key in KNOWN if key.startswith("k=")])
def test_known_values(entry):
    k, omega, eta = (part.partition("=")[2] for part in entry.split("/"))
    half = host("sc 100", masses=(), k=np.array([[float(x) for x in k.split(",")]]))
    z = np.array([(float(omega) + 1j * float(eta)) ** 2])
    first, second = layer_functions(half, z, [(0, 0), (0, 1)])[..., 0, 0]
    bulk = layer_functions(half, z, [(0, 0)], endless=True)[0, ..., 0, 0]

    for name, g in {"G11": first, "G12": second, "Gbulk": bulk}.items():
        turned = TURN[:, None] * g * TURN.conj()
        for element, (real, imaginary) in KNOWN[entry][name].items():
            value = turned["xyz".index(element[0]), "xyz".index(element[1])]
            # their z points into the crystal
            sign = -1 if element == "xz" else 1
            assert sign * value == pytest.approx(real + 1j * imaginary, rel=1e-7)


@pytest.mark.parametrize("name", ["sc 100", "fcc 111"])
@pytest.mark.parametrize("points", [off_the_axis, on_the_axis])
def test_a_value_belongs_to_its_point(name, points, monkeypatch):
    """The rest of a call, and how it is cut, has no effect; the same call has the same bytes."""
    rng = np.random.default_rng(7)
    half = host(name, k=rng.uniform(-np.pi, np.pi, (53, 2)))
    z = points(name)
    together = layer_functions(half, z, PAIRS[:7])

    assert layer_functions(half, z, PAIRS[:7]).tobytes() == together.tobytes()
    for k, at in [(0, 0), (17, 1), (52, 1)]:
        alone = layer_functions(half.at(k), z[at : at + 1], PAIRS[:7])
        assert apart(together[..., at : at + 1, k : k + 1], alone) < 1e-13
    for size in (20, 53 * 2 - 1, 53 * 3):
        monkeypatch.setattr(module, "ROW", size * together.itemsize)
        monkeypatch.setattr(layer_doubling, "ROW", size * together.itemsize)
        monkeypatch.setattr(layer_doubling, "FEW", 5)
        assert apart(layer_functions(half, z, PAIRS[:7]), together) < 1e-13


def test_order_and_repeats_of_pairs_are_free():
    half, z = host("fcc 111"), off_the_axis("fcc 111")
    found = layer_functions(half, z, [(2, 1), (0, 0), (2, 1), (3, 3)])

    assert (found[0] == found[2]).all()
    expected = layer_functions(half, z, PAIRS).reshape(5, 5, *found.shape[1:])
    assert apart(found, expected[[2, 0, 2, 3], [1, 0, 1, 3]]) < 1e-13
    assert layer_functions(half, z, []).shape == (0, 3, 3, len(z), len(WAVEVECTORS))


def test_layers_of_any_form_go_one_by_one():
    """No symmetry at all, and long couplings in the explicit region."""
    half, z = random_half_space(3), np.array([0.4 + 1.5j])
    matrix = module._longer(half, 0, 40).surface

    found = layer_functions(half, z, PAIRS)

    assert apart(found, plain_inverses(matrix, z, PAIRS)) < 1e-11


def test_the_plain_way_agrees_with_the_quick_one():
    for name in ("sc 100", "fcc 111"):
        half, z = host(name), off_the_axis(name)
        # a coupling of the first to the third layer, too small to matter, closes the quick way
        longer = replace(half, surface=half.surface.copy())
        longer.surface[:, 0, 6] = 1e-30
        assert module._kind_of(longer) == "none"
        assert module._kind_of(half) in ("mirror", "inversion")

        quick, plain = (layer_functions(h, z, PAIRS) for h in (half, longer))

        assert apart(quick, plain) < 1e-12


@pytest.mark.parametrize("name", ["sc 100", "fcc 111"])
def test_a_real_z_in_the_band_is_refused(name):
    with pytest.raises(NumericsError, match="must lie outside the bulk bands"):
        layer_functions(host(name), np.array([HOSTS[name][5] * 0.4]), [(0, 0)])


def test_layers_above_the_surface_are_refused():
    with pytest.raises(ModelInputError, match=r"Layer -1 was asked for"):
        layer_functions(host("sc 100"), np.array([-1.0]), [(0, 0), (0, -1)])


def test_the_work_space_is_small():
    """A call needs little beside its result."""
    import tracemalloc

    half = host("sc 100", k=np.random.default_rng(1).uniform(-np.pi, np.pi, (2048, 2)))
    z = np.array([1.0, 3.0, 5.0, 9.0]) + 0.2j
    tracemalloc.start()
    result = layer_functions(half, z, [(a, b) for a in range(3) for b in range(a, 3)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < result.nbytes + 20e6


def test_half_spaces_are_left_alone():
    half = host("sc 100")
    before = [m.copy() for m in (half.surface, half.surface_to_bulk, half.onsite, half.hop)]
    layer_functions(half, off_the_axis("sc 100"), PAIRS)

    assert isinstance(half, HalfSpace)
    for m, b in zip(
        (half.surface, half.surface_to_bulk, half.onsite, half.hop), before, strict=True
    ):
        assert (m == b).all()
