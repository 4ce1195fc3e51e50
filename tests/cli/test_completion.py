"""Completion as shells ask for it, and what each question loads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.cli import main
from tests.commands import SCRIPT, run_here


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a folder with two sweeps, as far as their names go, and three files."""
    for name in ("argon", "xenon"):
        (tmp_path / "results" / name / "data.zarr").mkdir(parents=True)
    (tmp_path / "elsewhere/krypton/data.zarr").mkdir(parents=True)
    for name in ("argon.toml", "neon.yaml", "notes.txt", "elsewhere/deep.json"):
        (tmp_path / name).touch()
    return tmp_path


def completed(line: str, cwd: Path) -> list[str]:
    """Ask as bash does, the cursor at the end of the line."""
    words = line.split(" ")
    done = run_here(
        cwd=cwd, COMP_WORDS="\n".join(words), COMP_CWORD=str(len(words) - 1),
        _MODESWEEP_COMPLETE="complete_bash",
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def script(shell: str, cwd: Path) -> str:
    return subprocess.run(
        [SCRIPT, "completion", shell], cwd=cwd, capture_output=True, text=True, timeout=60,
        check=True,
    ).stdout  # fmt: skip


@pytest.mark.parametrize(
    ("line", "words"),
    [("modesweep st", ["status"]), ("modesweep co", ["completion"]), ("modesweep xyz", []),
     ("modesweep xyz ", []), ("modesweep cache ", ["ls", "prune"]),
     ("modesweep cache prune --st", ["--stale"]), ("modesweep completion z", ["zsh"]),
     ("modesweep models ch", ["chain"]), ("modesweep cache prune --model sl", ["slab"]),
     ("modesweep point argon.toml --p", ["--pdb"]),
     ("modesweep status ", ["argon", "xenon"]), ("modesweep status x", ["xenon"]),
     ("modesweep query x", ["xenon"]), ("modesweep errors results/", []),
     ("modesweep status --workspace elsewhere ", ["krypton"]),
     ("modesweep plan ", ["argon.toml", "neon.yaml"]),
     ("modesweep plan elsewhere/", ["elsewhere/deep.json"]),
     ("modesweep run no/such/folder/", []), ("modesweep run arg", ["argon.toml"]),
     ("modesweep point a", ["argon", "argon.toml"])],
)  # fmt: skip
def test_a_line_is_completed(home: Path, line: str, words: list[str]) -> None:
    assert completed(line, home) == words


def test_all_commands_and_options_are_offered(home: Path) -> None:
    assert completed("modesweep ", home) == list(main.COMMANDS)
    assert completed("modesweep --", home) == ["--help"]
    offered = ["--workspace", "--server", "--token-file", "--json", "--help"]
    assert completed("modesweep status --", home) == offered


def test_a_question_loads_the_module_of_its_command_and_no_other(home: Path) -> None:
    code = (
        "import sys; from sweep.cli.main import complete; complete(); "
        "print([m for m in sys.modules if m.startswith('sweep.cli.') or m in"
        " ('distributed', 'dask', 'zarr', 'xarray', 'pandas', 'bokeh')], file=sys.stderr)"
    )

    def loaded(line: str) -> str:
        words = line.split(" ")
        environment = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        return subprocess.run(
            [sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True,
            env=os.environ | environment | {"_MODESWEEP_COMPLETE": "complete_bash"},
        ).stderr.strip()  # fmt: skip

    assert loaded("modesweep s") == "['sweep.cli.main']"
    for command in ("status", "cache"):
        found = loaded(f"modesweep {command} --")
        assert f"'sweep.cli.{command}'" in found
        assert "distributed" not in found
        others = [f"'sweep.cli.{c}'" for c in main.COMMANDS if c != command]
        assert not [other for other in others if other in found]


def test_every_command_stands_in_one_group_of_the_help() -> None:
    grouped = [name for names in main.GROUPS.values() for name in names]

    assert len(set(grouped)) == len(grouped)
    assert set(main.COMMANDS) <= set(grouped)
    for name, what in main.COMMANDS.items():
        assert f"  {name:<10} {what}\n" in main.usage()


def test_bash_itself_completes(home: Path) -> None:
    (home / "completion.sh").write_text(script("bash", home))
    question = """
        source completion.sh
        COMP_WORDS=(modesweep query xe); COMP_CWORD=2
        $(complete -p modesweep | sed 's/.*-F \\([^ ]*\\) .*/\\1/') modesweep
        echo "${COMPREPLY[*]}"
    """

    done = subprocess.run(
        ["bash", "--norc", "-c", question], cwd=home, capture_output=True, text=True, check=True,
        env=os.environ | {"PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"},
    )  # fmt: skip

    assert done.stdout == "xenon\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("shell", "word"), [("zsh", "compdef"), ("fish", "complete --command modesweep")]
)
def test_other_shells_get_their_script(home: Path, shell: str, word: str) -> None:
    text = script(shell, home)

    assert word in text
    assert f"_MODESWEEP_COMPLETE=complete_{shell}" in text
    if found := shutil.which(shell):
        subprocess.run([found, "-n"], input=text, text=True, check=True)


def test_an_unknown_shell_is_a_mistake(tmp_path: Path) -> None:
    done = subprocess.run(
        [SCRIPT, "completion", "tcsh"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr


def test_a_fault_while_completing_stays_silent(home: Path) -> None:
    (home / "models").mkdir()
    (home / "models/__init__.py").touch()
    environment = {"COMP_WORDS": "modesweep models ", "COMP_CWORD": "2", "PYTHONPATH": str(home)}

    done = subprocess.run(
        [SCRIPT], cwd=home, capture_output=True, text=True, check=False,
        env=os.environ | environment | {"_MODESWEEP_COMPLETE": "complete_bash"},
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("", "")
