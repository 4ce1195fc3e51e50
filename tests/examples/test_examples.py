"""Every example can be read and planned, and shows what it says."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sweep
from dashboards.figures.curves import Curve

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*.toml"))


def test_there_are_examples() -> None:
    assert len(FILES) >= 3


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_example_is_planned(file: Path, tmp_path: Path) -> None:
    plan = sweep.plan(file, workspace=tmp_path, pilots=False)

    assert plan.points > plan.skipped
    assert plan.seconds < 90  # on one core
    assert plan.peak_bytes < plan.memory
    assert not list(tmp_path.iterdir())  # planning leaves nothing behind


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_example_opens_with_what_it_shows_and_is_in_the_table(file: Path) -> None:
    assert file.read_text().startswith("# ")
    assert f"({file.name})" in (EXAMPLES / "README.md").read_text()


def test_main_example_computes_57_slabs(tmp_path: Path) -> None:
    """Three faces, each clean once and with an adlayer on one or both sides at nine masses."""
    plan = sweep.plan(EXAMPLES / "rare_gas_adlayers.toml", workspace=tmp_path, pilots=False)

    assert plan.points == 3 * 3 * 9
    assert plan.points - plan.skipped == 3 * (1 + 2 * 9)
    (bulk,) = [s for s in plan.stages if "bulk" in s.stages]
    assert bulk.instances == 3  # one set of bulk bands for each face


def test_chains_are_a_few_hundred(tmp_path: Path) -> None:
    plan = sweep.plan(EXAMPLES / "chain_end_modes.toml", workspace=tmp_path, pilots=False)

    assert plan.points == 2 * 33 * 11


@pytest.mark.parametrize(
    ("lattice", "relaxed", "peak"),
    [("static", True, 15.814), ("static", False, 15.120), ("zero-point", False, 13.611)],
)
def test_specific_heat_of_argon_peaks_where_it_is_known_to(
    lattice: str, relaxed: bool, peak: float
) -> None:
    """References of (100): k_B T = 4.437 hbar omega_0 relaxed; the others of the same mesh."""
    got = sweep.point(
        EXAMPLES / "surface_specific_heats.toml",
        {"material": "Ar", "surface": "100", "nn_distance": lattice, "relaxed": relaxed},
        variables=["surface_heat_capacity"],
    )
    temperatures = sweep.read(EXAMPLES / "surface_specific_heats.toml").fixed["temperatures"]
    heat = got["surface_heat_capacity"]
    curve = Curve(np.array(temperatures), heat, np.zeros_like(heat), "K", "kB")

    assert curve.peak[0] == pytest.approx(peak, abs=0.02)


def test_displacements_of_thick_slabs_are_those_of_the_half_space_and_of_thin_ones_are_not() -> (
    None
):
    def top_layer(layers: object, mesh: int) -> np.ndarray:
        at = {"surface": "100", "layers": layers, "k_mesh": mesh}
        name = "mean_square_displacement"
        return sweep.point(EXAMPLES / "displacements.toml", at, variables=[name])[name][0, 0]

    np.testing.assert_allclose(top_layer(41, 8), top_layer("infinite", 8), rtol=1e-4)
    thin = top_layer(11, 16)[2] - top_layer("infinite", 16)[2]
    finer = top_layer(11, 32)[2] - top_layer(41, 32)[2]
    assert finer > 3 * thin > 0  # bending waves: four times with each doubling of the mesh


def test_rayleigh_branch_of_a_thick_slab_is_that_of_the_half_space() -> None:
    def lowest(layers: object) -> np.ndarray:
        at = {"layers": layers, "k_list": [[0.0056, 0.0], [0.064, 0.0], [0.5, 0.0]]}
        name = "surface_branch"
        found = sweep.point(EXAMPLES / "thick_slabs.toml", at, variables=[name])[name]
        return np.nanmin(found, axis=1)

    apart = [np.abs(lowest(n) / lowest("infinite") - 1) for n in (21, 101, 1001)]

    assert (apart[0][:2] > apart[1][:2]).all()
    assert (apart[1][:2] > apart[2][:2]).all()
    assert apart[2][1:] == pytest.approx(0, abs=1e-10)


def test_branches_at_m_are_the_known_surface_modes() -> None:
    """Of the clean (111) face: one below the bulk and one in its gap, each once."""
    at = {"layers": "infinite", "adlayer": "one side", "adlayer_mass_ratio": 1.0}
    name = "surface_branch"
    found = sweep.point(
        EXAMPLES / "surface_branches.toml", at | {"k_path": "M-K", "k_points": 2},
        variables=[name],
    )[name]  # fmt: skip
    at_m = np.sort(found[0][np.isfinite(found[0])])

    np.testing.assert_allclose(at_m, [10.59287, 25.56447], rtol=1e-6)


def test_every_picture_of_the_examples_is_there_and_in_the_table() -> None:
    folder = EXAMPLES.parent / "docs" / "pictures"
    asked = subprocess.run(
        [sys.executable, EXAMPLES / "pictures.py", "nothing"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    names = asked.stderr.strip().partition("there are ")[2].split(", ")

    assert asked.returncode == 2
    assert len(names) == 9
    for name in names:
        assert (EXAMPLES / f"{name}.toml").exists()
        assert (folder / f"{name.replace('_', '-')}.png").exists()
        assert f"pictures.py {name}`" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("mass_ratio", "there"), [(0.3, [True, True]), (0.4, [False, True]), (0.5, [False, False])]
)
def test_surface_modes_of_ashkins_crystal_go_missing_one_by_one(
    mass_ratio: float, there: list[bool]
) -> None:
    """Along the normal above 0.3066, in the plane above 0.4968; in the bulk there still is one."""
    modes, bulk = (
        sweep.point(
            EXAMPLES / "light_impurity.toml", {"depth": depth, "mass_ratio": mass_ratio},
            variables=["local_mode_squared"],
        )["local_mode_squared"]
        for depth in (1, 0)
    )  # fmt: skip

    assert np.isfinite(modes).tolist() == there
    assert (bulk > 12).all()


@pytest.mark.long
def test_adatoms_attract_by_the_seventh_power_of_their_distance() -> None:
    def energy(separation: list[int]) -> float:
        at = {"separation": separation, "host": {"springs": [{"along": 1.0, "across": 0.5}]}}
        name = "interaction_energy"
        return float(sweep.point(EXAMPLES / "adatom_pairs.toml", at, variables=[name])[name])

    near, far = energy([6, 0]), energy([8, 0])

    assert near < far < 0
    assert np.log(near / far) / np.log(8 / 6) == pytest.approx(7, abs=0.15)
