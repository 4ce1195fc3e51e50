"""`modesweep export` as a user has it: words, files and exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import pandas as pd
import pytest
import yaml
from distributed import Client

import sweep
from tests.cli.test_commands import installed, modesweep

pytestmark = pytest.mark.usefixtures("plugin")

LITTLE = {
    "modesweep": 1, "name": "little", "model": "slab", "outputs": ["frequency", "surface_weight"],
    "fixed": {"cutoff": 2.0, "k_points": 6, "material": "Xe"}, "axes": {"layers": [3, 5]},
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    folder = tmp_path_factory.mktemp("home")
    sweep.run(LITTLE, workspace=folder / "results", scheduler=client)
    return folder


def test_help_names_the_options(tmp_path: Path) -> None:
    text = modesweep("export", "--help", cwd=tmp_path).stdout

    for option in ("--format", "--out", "--select", "--vars", "--unit", "--force", "--workspace"):
        assert f"{option} " in text
    assert "  export " in modesweep("--help", cwd=tmp_path).stdout


def test_tables_are_named_with_what_they_hold(home: Path) -> None:
    done = modesweep("export", "little", "--format", "csv", "--out", "t", "--vars",
                     "frequency,surface_weight,n_modes", "--unit", "cm-1", cwd=home)  # fmt: skip

    assert done.stdout.splitlines() == [
        "wrote t/layers-k-mode.csv  (frequency, surface_weight)",
        "wrote t/layers.csv  (n_modes)",
        "wrote t/columns.csv  (units and meanings of the columns)",
    ]
    wanted = sweep.query("little", "frequency > 2", unit="cm-1", workspace=home / "results")
    table = pd.read_csv(home / "t" / "layers-k-mode.csv")
    assert table[table.frequency > 2].frequency.tolist() == pytest.approx(wanted.frequency.tolist())


def test_netcdf_and_phonopy_files_of_one_point(home: Path) -> None:
    rest = ("--select", "layers=3", "--json")
    netcdf = modesweep("export", "little", "--format", "netcdf", "--out", "a.nc", *rest, cwd=home)
    band = modesweep("export", "little", "--format", "phonopy", "--out", "b", *rest, cwd=home)

    assert json.loads(netcdf.stdout)[0]["path"] == "a.nc"
    with h5py.File(home / "a.nc") as file:
        assert file["layers"][:].tolist() == [3]
    assert json.loads(band.stdout)[0]["path"] == "b/band.yaml"
    assert yaml.safe_load((home / "b" / "band.yaml").read_text())["natom"] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["little", "--format", "netcdf"], ("--out",)),
     (["little", "--format", "hdf", "--out", "x"], ("'hdf'", "netcdf, csv, phonopy")),
     (["litle", "--format", "csv", "--out", "x"], ('Did you mean "little"',)),
     (["little", "--format", "phonopy", "--out", "x"], ("one point", "layers ([3, 5])")),
     (["little", "--format", "csv", "--out", "x.csv"], ("different sets of dims",)),
     (["little", "--format", "csv", "--out", "results/little/sweep.toml/x"],
      ("cannot be written",))],
)  # fmt: skip
def test_a_mistake_is_exit_2_with_a_word_that_helps(
    home: Path, arguments: list[str], words: tuple[str, ...]
) -> None:
    done = modesweep("export", *arguments, cwd=home, code=2)

    for word in words:
        assert word in done.stderr


def test_a_file_that_is_there_needs_force(home: Path) -> None:
    command = ("export", "little", "--format", "netcdf", "--out", "there.nc")
    modesweep(*command, cwd=home)

    assert "--force" in modesweep(*command, cwd=home, code=2).stderr
    modesweep(*command, "--force", cwd=home)


def test_what_is_not_installed_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "h5netcdf.py").write_text("raise ImportError\n")
    command = ("export", "little", "--format", "netcdf", "--out", "never.nc")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    done = installed(*command, cwd=home, code=2, PYTHONPATH=path)

    assert "Install modesweep[export]" in done.stderr
    assert not (home / "never.nc").exists()
