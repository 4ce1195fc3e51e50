"""Each way of running modesweep, by its own smoke check, as its README has it run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
WAYS = sorted(p.name for p in DEPLOY.iterdir() if (p / "README.md").exists())
LONG = ("container", "hosts", "objects", "slurm")
"""Their checks start daemons, networks or clusters of several programs, or run for minutes."""
MOST_SECONDS = 900


@pytest.mark.timeout(MOST_SECONDS)
@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=pytest.mark.long if w in LONG else ()) for w in WAYS]
)
def test_the_check_of_a_way_is_green(way: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"deploy.{way}.check"], cwd=ROOT, capture_output=True, text=True,
        timeout=MOST_SECONDS - 20, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("all well"), done.stdout
    assert "  ok " in done.stdout, "a check that looks at nothing is none"


@pytest.mark.parametrize("way", WAYS)
def test_a_way_says_how_to_check_it_and_what_can_go_wrong(way: str) -> None:
    text = (DEPLOY / way / "README.md").read_text()
    assert f"python -m deploy.{way}.check" in text
    assert "What can go wrong" in text
