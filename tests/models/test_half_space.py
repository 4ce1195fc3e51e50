"""Semi-infinite crystals: decimation, spectra, displacements and surface modes."""

import numpy as np
import pytest
from half_spaces import (
    bulk_bands,
    chain,
    cut_off,
    half_space,
    merged,
    random_half_space,
    reach,
    thick_slab,
)
from known import known, slab
from slab_by_hand import FACES, springs

from models.crystal.faces import FACES as REAL_FACES
from models.errors import ModelInputError, NumericsError
from models.green.decimation import chain_of, chain_self_energies
from models.green.displacements import (
    ACCURACY,
    find_poles,
    mean_squares,
    thermal_function,
)
from models.green.half_space import HalfSpace, half_space_of
from models.green.solver_choice import (
    STEEPEST,
    cheaper_solver,
    layers_needed,
    slab_error,
    steepest_slope,
)
from models.green.surface_modes import find_surface_modes
from models.green.surface_spectra import (
    complex_points,
    layer_green,
    slab_spectral_density,
    spectral_density,
)

GENERIC = (0.31, 0.12)
LIGHT_BELOW = (1.0, 1.7, 0.6, 1.3, 0.8, 1.1, 0.9, 1.4)
KNOWN = known("surface_modes")["surface_modes"]
TEMPERATURES = np.array([0.0, 0.05, 1.0, 10.0, 300.0])


def plain_decimation(onsite, hop, z):
    """Lopez Sancho as printed, no symmetry used."""
    unit = np.eye(len(onsite))
    e = np.repeat(onsite[None].astype(complex), len(z), axis=0)
    a = np.repeat(hop[None].astype(complex), len(z), axis=0)
    b = a.conj().swapaxes(1, 2)
    sigma = np.zeros_like(e)
    while np.abs(a).max() > 1e-15:
        g = np.linalg.inv(z[:, None, None] * unit - e)
        agb, bga = a @ g @ b, b @ g @ a
        sigma, e, a, b = sigma + agb, e + agb + bga, a @ g @ a, b @ g @ b
    return sigma


def with_masses(half, masses):
    """The same bulk with other masses in every principal layer, which break its symmetry."""
    w = np.repeat(np.array(masses[: half.onsite.shape[-1] // 3]) ** -0.5, 3)
    return half.onsite[0] * np.outer(w, w), half.hop[0] * np.outer(w, w)


KINDS = {
    "mirror": ("100", False),
    "mirror, (110)": ("110", False),
    "inversion": ("111", False),
    "real": ("100", True),
    "none": ("111", True),
}


def bulk_chain(case):
    surface, uneven = KINDS[case]
    half = half_space(surface, GENERIC)
    masses = LIGHT_BELOW if uneven else np.ones(8)
    return with_masses(half, masses)


# decimation


@pytest.mark.parametrize("case", KINDS)
def test_symmetry_decides_which_products_are_saved(case):
    assert chain_of(*bulk_chain(case)).kind == case.partition(",")[0]


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("axis", ["complex", "imaginary frequency"])
def test_every_form_gives_the_self_energy_of_plain_decimation(case, axis):
    onsite, hop = bulk_chain(case)
    top = np.linalg.eigvalsh(onsite).max()
    z = np.linspace(0.02, 1.05, 40) * top + 0.01j * top
    if axis != "complex":
        z = -np.geomspace(1e-3, 10, 20) * top
    sigma = chain_self_energies(onsite, hop, z)

    assert np.abs(sigma - plain_decimation(onsite, hop, z)).max() < 1e-12 * top


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("width", [1e-2, 1e-4])
def test_one_more_principal_layer_changes_nothing(case, width):
    """Sigma = H (z - A - Sigma)^-1 H+, the equation that defines it."""
    onsite, hop = bulk_chain(case)
    top = np.linalg.eigvalsh(onsite).max()
    z = np.linspace(0.02, 1.05, 40) * top + 1j * width * top
    sigma = chain_self_energies(onsite, hop, z)
    g = np.linalg.inv(z[:, None, None] * np.eye(len(onsite)) - onsite - sigma)

    assert np.abs(hop @ g @ hop.conj().T - sigma).max() < 1e-15 / width * top


@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("width", [0.02, 0.0])
def test_a_value_belongs_to_its_point_whatever_the_others(case, width):
    """Same bytes for any cutting of the points."""
    onsite, hop = bulk_chain(case)
    top = np.linalg.eigvalsh(onsite).max()
    z = np.linspace(0.02, 1.05, 70) * top + 1j * width * top if width else -np.linspace(1, 9, 70)
    whole = chain_self_energies(onsite, hop, z)

    for some in (slice(0, 1), slice(3, 40), slice(69, 70)):
        assert (chain_self_energies(onsite, hop, z[some]) == whole[some]).all()


def test_monatomic_chain_has_the_closed_form_self_energy():
    """g = (b - sqrt(b^2 - 4 k^2))/(2 k^2) with b = z - 2k and |k g| < 1."""
    stiffness = np.array([1.0, 0.7, 1.6])
    half = chain(stiffness)
    z = np.linspace(0.05, 7, 50) + 0.05j
    b = z[:, None] - 2 * stiffness
    root = np.sqrt(b**2 - 4 * stiffness**2)
    candidates = np.stack([(b - root), (b + root)]) / (2 * stiffness**2)
    g = np.where(np.abs(stiffness * candidates[0]) < 1, *candidates)

    sigma = chain_self_energies(half.onsite[0], half.hop[0], z)

    assert np.einsum("zii->zi", sigma) == pytest.approx(stiffness**2 * g, rel=1e-12)
    assert np.abs(sigma - np.einsum("zi,ij->zij", stiffness**2 * g, np.eye(3))).max() < 1e-12


def test_a_real_frequency_inside_a_band_is_refused():
    half = chain((1.0, 1.0, 1.0))

    with pytest.raises(NumericsError, match=r"z = 1\.7 .* must lie outside the bulk bands"):
        chain_self_energies(half.onsite[0], half.hop[0], np.array([1.7]))


# cutting out


def test_a_half_space_is_cut_from_a_slab_that_is_thick_enough():
    matrix = thick_slab("111", 12, GENERIC)[None]

    with pytest.raises(ModelInputError, match="slab of 12 layers cannot give a half space"):
        half_space_of(matrix, 8, 2)
    with pytest.raises(ModelInputError, match="over more than the 1 layers"):
        half_space_of(matrix, 5, 1)
    with pytest.raises(ModelInputError, match="not both bulk"):
        half_space_of(matrix, 2, 2)


def test_only_explicit_layers_can_be_asked_for():
    with pytest.raises(ModelInputError, match="Use a number from 1 to 5"):
        layer_green(half_space("111", GENERIC), 0, np.array([1 + 1j]), 6)


# spectra


@pytest.mark.parametrize("surface", ["111", "100", "110"])
@pytest.mark.parametrize("explicit", ["just enough", "many"])
def test_layer_densities_are_those_of_a_thick_slab(surface, explicit):
    depth = reach(surface, 2.3)
    half = half_space(surface, GENERIC, explicit=depth + (3 if explicit == "just enough" else 9))
    w2, e = np.linalg.eigh(thick_slab(surface, 121, GENERIC))
    top = np.sqrt(w2[-1])
    grid = np.linspace(0, 1.1 * top, 60)

    got = spectral_density(half, grid, 0.06 * top, 3)
    shares = (np.abs(e[:9]) ** 2).reshape(1, 3, 3, -1)
    slab = slab_spectral_density(w2[None], shares, grid, 0.06 * top)

    assert got.shape == (1, 3, 3, 60)
    assert got == pytest.approx(slab, abs=1e-9 * slab.max())


def test_explicit_layers_may_be_fewer_than_a_principal_layer():
    half = random_half_space(1, q=12, s=6)
    full = cut_off(half, 25)
    z = np.linspace(-10, 10, 9) + 2j
    g = np.linalg.inv(z[:, None, None] * np.eye(len(full)) - full)

    assert layer_green(half, 0, z, 1) == pytest.approx(g[:, :3, :3], abs=1e-10)
    assert layer_green(half, 0, z, 2) == pytest.approx(g[:, :6, :6], abs=1e-10)


def test_end_of_a_monatomic_chain_has_the_closed_form_density():
    """rho(w) of a free end: 2/(pi w_t) sqrt(1 - (w/w_t)^2) x 2, w_t = 2 sqrt k."""
    k = 1.3
    grid = np.linspace(0.1, 0.95, 30) * 2 * np.sqrt(k)
    density = spectral_density(chain((k, k, k)), grid, 1e-7, 1)[0, 0]
    top = 2 * np.sqrt(k)

    for direction in density:
        assert direction == pytest.approx(
            4 / (np.pi * top) * np.sqrt(1 - (grid / top) ** 2), rel=1e-5
        )


@pytest.mark.parametrize("surface", ["111", "100"])
def test_each_density_integrates_to_one(surface):
    half = half_space(surface, GENERIC)
    top = np.sqrt(np.abs(half.surface[0]).sum(axis=1).max())
    width = 0.05 * top
    grid = np.linspace(0, 12 * top, 4801)

    density = spectral_density(half, grid, width, 2)
    tail = 4 * width / (np.pi * grid[-1])  # -(2w/pi) Im G falls as 4 width/(pi w^2)
    norm = np.trapezoid(density, grid, axis=-1) + tail

    assert norm == pytest.approx(np.ones_like(norm), abs=2e-4)


@pytest.mark.parametrize("surface", ["111", "100"])
def test_far_from_the_spectrum_green_gives_the_moments(surface):
    """z (z G - 1) -> D + D^2/z: the second and fourth moments of the densities."""
    half = half_space(surface, GENERIC)
    row = np.concatenate([half.surface[0], half.surface_to_bulk[0]], axis=1)[:3]
    top = np.abs(half.onsite[0]).sum(axis=1).max()
    z = np.array([-1e4 * top])
    g = layer_green(half, 0, z, 1)[0]
    moment = z[0] * (z[0] * g - np.eye(3))
    expected = half.surface[0, :3, :3] + row @ row.conj().T / z[0]

    assert moment == pytest.approx(expected, abs=2e-7 * top)


# slab or decimation


def test_steepest_wave_of_a_chain_moves_at_the_speed_of_sound():
    """omega = 2 sqrt k sin(theta/2): d omega/d theta = sqrt k at theta = 0."""
    assert steepest_slope(chain((1.0, 2.3, 1.7)), 0) == pytest.approx(np.sqrt(2.3), rel=1e-2)


@pytest.mark.parametrize("surface", ["111", "100", "110"])
@pytest.mark.parametrize("fraction", [GENERIC, (0.05, 0.02), (0.5, 0.0)])
def test_error_of_a_slab_stays_under_the_stated_law(surface, fraction):
    """The echo of the lower face, damped over twice the thickness at the largest velocity."""
    half = half_space(surface, fraction)
    slope = steepest_slope(half, 0)
    for layers in (31, 61):
        w2, e = np.linalg.eigh(thick_slab(surface, layers, fraction))
        top = np.sqrt(w2[-1])
        assert slope < STEEPEST * top
        for width in (0.02 * top, 0.05 * top):
            grid = np.linspace(0, 1.02, 120) * top
            shares = (np.abs(e[:9]) ** 2).reshape(1, 3, 3, -1)
            slab = slab_spectral_density(w2[None], shares, grid, width)
            exact = spectral_density(half, grid, width, 3)
            error = np.sqrt(((slab - exact) ** 2).mean() / (exact**2).mean())
            assert error < slab_error(width, slope, layers) + 1e-12


def test_layers_needed_are_those_that_reach_the_accuracy():
    n = layers_needed(0.1, 3.0, 1e-3)

    assert slab_error(0.1, 3.0, n) <= 1e-3 < slab_error(0.1, 3.0, n - 1)


def test_wide_lines_are_left_to_a_slab_and_narrow_ones_to_decimation():
    half = half_space("111", GENERIC)
    grid = np.linspace(0, 28, 400)

    wide, few = cheaper_solver(half, "inversion", 3, grid, 2.0, 1e-3)
    narrow, many = cheaper_solver(half, "inversion", 3, grid, 0.01, 1e-3)

    assert (wide, narrow) == ("slab", "decimation")
    assert few < 500 < many


# displacements and velocities


@pytest.mark.parametrize("surface", ["111", "100"])
@pytest.mark.parametrize("fraction", [GENERIC, (0.02, 0.03)])
def test_mean_squares_are_those_of_a_thick_slab(surface, fraction):
    half = half_space(surface, fraction)
    w2, e = np.linalg.eigh(thick_slab(surface, 121 if fraction == GENERIC else 241, fraction))
    f = np.stack([thermal_function(w2, t) for t in TEMPERATURES])
    share = np.abs(e[:9]) ** 2

    displacement, velocity = mean_squares(half, 1.1 * w2[-1], TEMPERATURES, 3)

    assert displacement.shape == (1, 5, 3, 3)
    assert displacement[0].reshape(5, 9) == pytest.approx(f @ share.T, rel=1e-9)
    assert velocity[0].reshape(5, 9) == pytest.approx((f * w2) @ share.T, rel=1e-9)


def test_a_hot_layer_moves_as_equipartition_says():
    """T -> infinity: <u^2> = T (D^-1)_ll, <v^2> = T + D_ll/12T."""
    half = half_space("111", GENERIC)
    top = np.abs(half.onsite[0]).sum(axis=1).max()
    static = -layer_green(half, 0, np.zeros(1), 2)[0].diagonal().real
    own = half.surface[0].diagonal().real[:6]
    hot = 100 * np.sqrt(top)

    displacement, velocity = mean_squares(half, top, np.array([hot]), 2)

    assert displacement[0, 0].ravel() == pytest.approx(hot * static, rel=1e-4)
    assert velocity[0, 0].ravel() - hot == pytest.approx(own / (12 * hot), rel=1e-4)


@pytest.mark.parametrize("ratio", [1e-9, 1e-6, 1e-3, 0.1, 1.0])
def test_poles_give_the_thermal_function_all_over_the_spectrum(ratio):
    temperatures = (0.0, 1e-4, 0.01, 0.07, 0.3, 1.0, 40.0)
    poles = find_poles(ratio * 9.0, 9.0, temperatures)
    x = np.geomspace(ratio * 9, 9, 5003)
    got = poles.weights @ (1 / (x + poles.y_squared[:, None]))
    size = np.abs(poles.weights) @ (1 / (x + poles.y_squared[:, None]))

    for t, sums, sizes in zip(temperatures, got, size, strict=True):
        f = thermal_function(x, t)
        assert np.abs(sums / f - 1).max() < 1.5 * ACCURACY
        assert (sizes / f).max() < 5  # nothing cancels


def test_a_crystal_that_is_free_or_unstable_has_no_mean_squares():
    free = half_space("111", (0.0, 0.0))
    stable = half_space("111", GENERIC)
    soft = stable.surface.copy()
    soft[0, :3, :3] -= 1.2 * np.diag(soft[0, :3, :3].diagonal())
    unstable = HalfSpace(soft, stable.surface_to_bulk, stable.onsite, stable.hop)

    for half in (free, unstable):
        assert np.isnan(mean_squares(half, 1000.0, np.array([1.0]), 1)).all()
    assert not np.isnan(mean_squares(stable, 1000.0, np.array([1.0]), 1)).any()


# surface modes


def slab_modes(matrix, bands):
    """Modes of the upper face of a thick slab outside the bands, their top weight and depth."""
    w2, e = np.linalg.eigh(matrix)
    share = (np.abs(e) ** 2).reshape(len(w2) // 3, 3, -1).sum(axis=1)
    outside = share[: len(share) // 2].sum(axis=0) > 0.5
    for low, high in bands:
        outside &= (w2 < low - 1e-6 * w2[-1]) | (w2 > high + 1e-6 * w2[-1])
    return w2[outside], share[0, outside], (np.arange(len(share)) @ share)[outside]


CASES = {
    "Rayleigh, (111)": ("111", GENERIC, ()),
    "gap, (111) M": ("111", (0.5, 0.0), ()),
    "gaps, (111) K": ("111", (2 / 3, 1 / 3), ()),
    "light adlayer, K": ("111", (2 / 3, 1 / 3), (0.2,)),
    "heavy adlayer, K": ("111", (2 / 3, 1 / 3), (5.0,)),
    "(100) X": ("100", (0.5, 0.0), ()),
    "(110) Y": ("110", (0.0, 0.5), ()),
    "light adlayer, (110) Y": ("110", (0.0, 0.5), (0.4,)),
}


@pytest.mark.parametrize("case", CASES)
def test_surface_modes_are_those_of_a_thick_slab(case):
    """Modes that a slab holds as one face's; the others reach its middle."""
    surface, fraction, masses = CASES[case]
    half = half_space(surface, fraction, masses=masses)
    bands = bulk_bands(half)
    layers = 301 if case.startswith("Rayleigh") else 181
    w2, top, depth = slab_modes(thick_slab(surface, layers, fraction, masses=masses), bands)
    modes = find_surface_modes(half, 0, bands)
    near = modes.penetration_depth < 8

    assert (np.diff(modes.squared) >= 0).all()
    assert (depth < 8).sum() == near.sum()
    assert modes.squared[near] == pytest.approx(w2[depth < 8], rel=1e-9)
    assert modes.top_weight[near] == pytest.approx(top[depth < 8], abs=1e-7)
    assert modes.penetration_depth[near] == pytest.approx(depth[depth < 8], rel=1e-5)


@pytest.mark.parametrize(("mass", "place"), [(0.2, 3), (5.0, 0)])
def test_an_adlayer_splits_off_three_branches(mass, place):
    """Light: three above the bulk at K of (111). Heavy: three below. Wallis part 2B."""
    half = half_space("111", (2 / 3, 1 / 3), masses=(mass,), shifts=())
    modes = find_surface_modes(half, 0, bulk_bands(half))

    assert ((modes.place == place) & (modes.top_weight > 0.6)).sum() == 3


def test_light_end_atom_has_the_closed_form_mode():
    """x = k/[m (1 - m)] above the band for m < 1/2 (Wallis Eq. 57); none for m > 1/2."""
    for mass, expected in ((0.3, 1 / (0.3 * 0.7)), (0.6, None)):
        modes = find_surface_modes(chain((1.0, 1.0, 1.0), mass), 0, np.array([[0.0, 4.0]]))

        assert len(modes.squared) == (3 if expected else 0)
        if expected:
            assert modes.squared == pytest.approx([expected] * 3, rel=1e-13)
            # amplitudes fall as -m/(1 - m), the end's own as sqrt m times the others'
            fall = (mass / (1 - mass)) ** 2
            weights = np.append(mass, fall ** np.arange(1, 200))
            weights /= weights.sum()
            assert modes.top_weight == pytest.approx([weights[0]] * 3, rel=1e-12)
            depth = weights @ np.arange(200)
            assert modes.penetration_depth == pytest.approx([depth] * 3, rel=1e-10)


@pytest.mark.parametrize("mass", [0.2, 0.7, 1.5, 4.0])
@pytest.mark.parametrize("in_plane", [0.5, 3.0, 8.0])
def test_adlayer_of_the_scalar_crystal_has_the_closed_form_mode(mass, in_plane):
    """Simple cubic, each component alone: a root |zeta| < 1 of a quadratic (Dobrzynski-Mills).

    eps zeta^2 + [1 - eps (S + 2)] zeta + eps - 1 = 0, eps = 1 - mass, S the in-plane sum;
    x = S + 2 - zeta - 1/zeta, layer amplitudes fall as zeta.
    """
    eps = 1 - mass
    zeta = np.roots([eps, 1 - eps * (in_plane + 2), eps - 1])
    zeta = zeta[np.abs(zeta) < 1 - 1e-9].real
    half = chain((1.0, 1.0, 1.0), mass, in_plane)
    modes = find_surface_modes(half, 0, np.array([[in_plane, in_plane + 4]]))

    assert len(modes.squared) == 3 * len(zeta)
    if len(zeta):
        expected = in_plane + 2 - zeta[0] - 1 / zeta[0]
        top = mass / (mass + zeta[0] ** 2 / (1 - zeta[0] ** 2))
        assert modes.squared == pytest.approx([expected] * 3, rel=1e-12)
        assert modes.top_weight == pytest.approx([top] * 3, rel=1e-9)


def test_nearest_neighbour_fcc100_has_a_mode_all_in_the_surface_layer():
    """At M: w^2 = 2 k/m, along the normal, nothing in any other layer."""
    half = half_space("100", (0.5, 0.5), 1.1, shifts=(), force=springs(1.0, 0.0))
    modes = find_surface_modes(half, 0, np.array([[4.0, 8.0]]))

    assert modes.squared == pytest.approx([2.0], rel=1e-12)
    assert modes.top_weight == pytest.approx([1.0], abs=1e-12)
    assert modes.normal_weight == pytest.approx([1.0], abs=1e-12)
    assert modes.penetration_depth == pytest.approx([0.0], abs=1e-12)


@pytest.mark.parametrize("case", sorted(KNOWN))
def test_surface_modes_of_relaxed_faces_are_the_known_ones(case):
    """A mode of the half space lies between the two of a face pair of a slab."""
    reference = KNOWN[case]
    surface = case[3:6]
    rest = slab("layer_height nearest_neighbour_distance", surface=surface, layers=21)
    spacing = FACES[surface][3] * float(rest["nearest_neighbour_distance"])
    shifts = rest["layer_height"][:11] / spacing + np.arange(11) - 10
    half = half_space(surface, tuple(reference["k_frac"]), 8.03, shifts=tuple(shifts))
    bands = np.array(reference["bulk_bands"]) + 1e-3 * np.array([-1, 1])  # from a coarse scan
    modes = find_surface_modes(half, 0, merged(bands**2))
    pairs = [m for m in reference["modes_outside_bands"]
             if m["weight_outer_3_layers_both_sides"] > 0.95]  # fmt: skip
    found = np.sqrt(modes.squared)

    assert len(pairs) >= 2
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        pair = first["omega"], second["omega"]
        assert ((found > min(pair) - 1e-5) & (found < max(pair) + 1e-5)).any(), pair


@pytest.mark.parametrize(
    "seed", [s if s < 4 else pytest.param(s, marks=pytest.mark.long) for s in range(12)]
)
def test_no_mode_is_missed_or_found_twice_in_a_crystal_without_symmetry(seed):
    """Random half spaces with many gaps, in which the cut bulk has modes of its own."""
    half = random_half_space(seed)
    bands = bulk_bands(half, 4001)
    full = cut_off(half, 120)
    w2, e = np.linalg.eigh(full)
    upper = (np.abs(e[: len(full) // 2]) ** 2).sum(axis=0) > 0.5
    scale = np.abs(w2).max()
    clear = np.ones(len(w2), dtype=bool)
    for low, high in bands:
        clear &= (w2 < low - 1e-3 * scale) | (w2 > high + 1e-3 * scale)
    modes = find_surface_modes(half, 0, bands + np.array([-2e-6, 2e-6]) * scale)
    kept = np.ones(len(modes.squared), dtype=bool)
    for low, high in bands:
        kept &= (modes.squared < low - 1e-3 * scale) | (modes.squared > high + 1e-3 * scale)

    assert modes.squared[kept] == pytest.approx(w2[clear & upper], abs=1e-10 * scale)


def test_overlapping_bands_are_refused():
    with pytest.raises(ModelInputError, match="not ascending intervals"):
        find_surface_modes(chain((1.0, 1.0, 1.0)), 0, np.array([[0.0, 4.0], [3.0, 5.0]]))


def test_a_density_below_the_bands_is_the_line_of_the_surface_mode():
    """Weight and place of the pole agree with the broadened density around it."""
    half = half_space("111", GENERIC)
    modes = find_surface_modes(half, 0, bulk_bands(half))
    frequency, width = np.sqrt(modes.squared[0]), 1e-4
    z = complex_points(np.array([frequency]), width)
    g = layer_green(half, 0, z, 1)[0].diagonal()
    line = 1 / (z[0] - modes.squared[0])

    assert modes.shares[0, 0] == pytest.approx(g.imag / line.imag, rel=1e-4)


@pytest.mark.parametrize(
    ("surface", "angle", "tolerance"), [("100", 45, 2e-5), ("110", 0, 2e-4), ("110", 90, 5e-5)]
)
def test_long_surface_waves_of_the_half_space_have_the_rayleigh_speed(surface, angle, tolerance):
    """Down to the distance from the band at which a mode still counts as one."""
    entry = next(
        e for e in known("crystal")["rayleigh"]
        if e["kind"] == f"fcc{surface}" and e["angle_from_x_deg"] == angle and "v_R" in e
    )  # fmt: skip
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    nearest = known("crystal")["bulk_static"]["r_nn"]
    a = REAL_FACES["fcc", surface].vectors * nearest
    q = np.array([0.03, 0.06])
    k = np.outer(q, direction) @ a.T / (2 * np.pi)
    lowest = slab("surface_branch", surface=surface, layers="infinite", k_list=k.tolist())[:, 0]
    speed = lowest / q

    assert 2 * speed[0] - speed[1] == pytest.approx(entry["v_R"], rel=tolerance)
