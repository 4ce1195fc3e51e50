"""Every example can be read and planned."""

from pathlib import Path

import pytest

import sweep

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*.toml"))


def test_there_are_examples() -> None:
    assert len(FILES) >= 3


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_example_is_planned(file: Path, tmp_path: Path) -> None:
    plan = sweep.plan(file, workspace=tmp_path, pilots=False)

    assert plan.points > plan.skipped
    assert plan.seconds < 60
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
