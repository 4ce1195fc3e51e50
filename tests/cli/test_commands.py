"""The command line as a user has it: its words, files and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from distributed import Client
from pandas.testing import assert_frame_equal

import sweep
from sweep.documents import to_toml
from tests.commands import SCRIPT, run_here

pytestmark = pytest.mark.usefixtures("plugin")

NAMES = ("models", "plan", "run", "status", "errors", "query")

LITTLE = {
    "modesweep": 1, "name": "little", "model": "slab", "outputs": ["frequency", "surface_weight"],
    "where": "material == 'Xe' or layers == 3", "fixed": {"cutoff": 2.0, "k_points": 6},
    "axes": {"layers": [3, 5], "material": ["Xe", "Ar"]},
}  # fmt: skip
CHAIN = {
    "modesweep": 1, "name": "chain", "model": "chain", "fixed": {"atoms": 4},
    "axes": {"end_mass_ratio": [0.2, 0.5]},
}  # fmt: skip
POISON = {
    "modesweep": 1, "name": "poison", "model": "poison", "fixed": {"poison": "exception", "at": 3},
    "axes": {"x": [1, 3, 7]},
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """Make a folder with a workspace of three sweeps."""
    folder = tmp_path_factory.mktemp("home")
    for content in (LITTLE, CHAIN, POISON):
        sweep.run(content, workspace=folder / "results", scheduler=client)
    return folder


def modesweep(*arguments: object, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in this process; it must end with an exit code."""
    done = run_here(*arguments, cwd=cwd)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def installed(
    *arguments: object, cwd: Path, code: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed command, which must end with an exit code."""
    done = subprocess.run(
        [SCRIPT, *map(str, arguments)], cwd=cwd, text=True, capture_output=True, timeout=120,
        env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def given(content: dict[str, Any], folder: Path, **changes: Any) -> Path:
    """Write a sweep file."""
    file = folder / f"{content['name']}.toml"
    file.write_text(to_toml(content | changes))
    return file


# --- help and mistakes ----------------------------------------------------------------------


def test_help_lists_the_commands(tmp_path: Path) -> None:
    text = installed("--help", cwd=tmp_path).stdout

    assert text.startswith("Usage: modesweep COMMAND")
    for name in NAMES:
        assert f"  {name} " in text
    assert installed(cwd=tmp_path, code=2).stdout == text


@pytest.mark.parametrize(
    ("name", "options"),
    [("models", ("--schema", "--json")), ("plan", ("--workspace", "--no-pilots", "--json")),
     ("run", ("--workspace", "--workers", "--scheduler", "--dashboard")),
     ("status", ("--workspace", "--json")), ("errors", ("--workspace", "--json")),
     ("query", ("--select", "--vars", "--unit", "--csv", "--json", "--parquet", "--workspace"))],
)  # fmt: skip
def test_each_command_explains_its_options(
    tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    text = modesweep(name, "--help", cwd=tmp_path).stdout

    assert f"Usage: modesweep {name}" in text
    for option in options:
        assert f"{option} " in text or f"{option}\n" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["sttus"], ("no command 'sttus'", 'Did you mean "status"', "Usage: modesweep")),
     (["frobnicate"], ("no command 'frobnicate'", "Usage: modesweep")),
     (["status", "--jsn"], ("--jsn", "--json")),
     (["query", "little"], ("Usage: modesweep query", "expression")),
     (["models", "slub"], ("no model 'slub'", 'Did you mean "slab"')),
     (["status", "litle"], ("no sweep 'litle'", 'Did you mean "little"', "chain, little, poison")),
     (["errors", "litle"], ("no sweep 'litle'", 'Did you mean "little"')),
     (["query", "little", "freqency > 1"], ("'freqency'", "Did you mean 'frequency'")),
     (["query", "little", "frequency > 1", "--select", "layers"],
      ("--select 'layers'", "axis=value")),
     (["query", "little", "frequency > 1", "--csv", "no/such/folder/t.csv"],
      ("cannot be written", "no/such/folder")),
     (["plan", "nothing.toml"], ("nothing.toml",)),
     (["run", "nothing.toml", "--workers", "0"], ("--workers",))],
)  # fmt: skip
def test_a_mistake_is_exit_2_with_a_word_that_helps(
    home: Path, arguments: list[str], words: tuple[str, ...]
) -> None:
    done = modesweep(*arguments, cwd=home, code=2)

    assert done.stdout == ""
    for word in words:
        assert word.lower() in done.stderr.lower()


# --- models ---------------------------------------------------------------------------------


def test_models_lists_those_of_other_packages_too(home: Path) -> None:
    text = modesweep("models", cwd=home).stdout
    listed = json.loads(modesweep("models", "--json", cwd=home).stdout)

    for model in ("chain", "slab", "poison", "shared-host"):
        assert f"\n{model} " in text
    assert {m["name"] for m in listed} >= {"chain", "slab", "poison"}
    assert all(set(m) == {"name", "revision", "title", "source"} for m in listed)


def test_a_model_shows_its_parameters_variables_and_stages(home: Path) -> None:
    text = modesweep("models", "slab", cwd=home).stdout
    slab = json.loads(modesweep("models", "slab", "--json", cwd=home).stdout)

    for word in ("adlayer_mass_ratio", "host mass", "surface_weight", "eigenvector *", "modes",
                 "Wallis", '"none", "one side", "both sides"'):  # fmt: skip
        assert word in text
    assert set(slab) == {
        "name", "revision", "title", "source", "parameters", "variables", "dims", "stages",
    }  # fmt: skip
    (ratio,) = [p for p in slab["parameters"] if p["name"] == "adlayer_mass_ratio"]
    assert (ratio["default"], ratio["unit"]) == ("1.0", "host mass")
    (frequency,) = [v for v in slab["variables"] if v["name"] == "frequency"]
    assert frequency["dims"] == ["k", "mode"]
    assert {s["name"] for s in slab["stages"]} >= {"structure", "modes"}


def test_the_schema_describes_sweep_files_for_editors(home: Path) -> None:
    any_model = json.loads(modesweep("models", "--schema", cwd=home).stdout)
    slab = json.loads(modesweep("models", "slab", "--schema", cwd=home).stdout)

    for schema in (any_model, slab):
        assert set(schema["properties"]) >= {"modesweep", "name", "model", "fixed", "axes", "run"}
    assert "adlayer_mass_ratio" in json.dumps(slab)


# --- plan -----------------------------------------------------------------------------------


def test_plan_says_counts_time_memory_and_disk_and_leaves_nothing(tmp_path: Path) -> None:
    file = given(LITTLE, tmp_path)

    text = modesweep("plan", file, cwd=tmp_path).stdout

    assert "little: 4 points of slab, 1 of them skipped" in text
    assert "calculations" in text
    assert "modes" in text
    for line in ("time ", "memory ", "disk "):
        assert f"\n{line}" in text
    assert "measured on a few points" in text
    assert "of 2.0 GiB a worker" in text
    assert "arrays" in text
    assert list(tmp_path.iterdir()) == [file]


def test_plan_as_json_has_the_same_in_numbers(tmp_path: Path) -> None:
    file = given(LITTLE, tmp_path)

    found = json.loads(modesweep("plan", file, "--json", "--no-pilots", cwd=tmp_path).stdout)

    assert {k: found[k] for k in ("name", "model", "points", "skipped", "calibrated")} == {
        "name": "little", "model": "slab", "points": 4, "skipped": 1, "calibrated": False,
    }  # fmt: skip
    assert found["seconds_low"] < found["seconds"] < found["seconds_high"]
    assert 0 < found["peak_bytes"] < found["memory"] == 2 * 2**30
    assert found["bytes"] > 0
    assert found["arrays"] <= found["files"]
    assert found["blocks"] == sum(s["blocks"] for s in found["stages"])
    (modes,) = [s for s in found["stages"] if "frequency" in s["variables"]]
    assert modes["axes"] == ["layers", "material"]
    assert modes["instances"] == 2  # the gases share one diagonalisation


def test_plan_refuses_what_does_not_fit(tmp_path: Path) -> None:
    file = given(LITTLE, tmp_path, run={"memory": "10MiB"})

    done = modesweep("plan", file, "--no-pilots", cwd=tmp_path, code=2)

    assert "little is refused" in done.stderr
    assert "a worker has 10.0 MiB" in done.stderr


# --- run ------------------------------------------------------------------------------------


def test_the_same_run_twice_computes_once(tmp_path: Path, client: Client) -> None:
    diary = tmp_path / "diary"
    file = given(POISON, tmp_path, name="good", fixed={"diary": str(diary)})
    run = ("run", file, "--scheduler", client.scheduler.address)

    first = installed(*run, cwd=tmp_path).stdout
    computed = diary.read_text()
    second = installed("run", file, cwd=tmp_path).stdout

    assert sorted(computed.split()) == ["1.0", "3.0", "7.0"]
    assert diary.read_text() == computed
    for text in (first, second):
        assert "2 ok, 1 unstable" in text
        assert "done: results/good" in text
    assert "modesweep query results/good" in first


def test_a_run_with_failed_points_is_exit_1(tmp_path: Path, client: Client) -> None:
    file = given(POISON, tmp_path)

    done = installed("run", file, "--workspace", "here", "--scheduler", client.scheduler.address,
                     cwd=tmp_path, code=1)  # fmt: skip

    assert "1 ok, 1 failed, 1 unstable" in done.stdout
    assert "this number is poison" in done.stdout
    assert "modesweep errors here/poison" in done.stdout
    status = json.loads(modesweep("status", "poison", "--json", "--workspace", "here",
                                  cwd=tmp_path).stdout)  # fmt: skip
    assert status["complete"] is False


def test_a_changed_file_is_refused_with_the_difference(home: Path, tmp_path: Path) -> None:
    before = (home / "results/chain/sweep.toml").read_bytes()
    file = given(CHAIN, tmp_path, axes={"end_mass_ratio": [0.2, 0.7]})

    done = modesweep("run", file, cwd=home, code=2)

    assert "holds another sweep of the name 'chain'" in done.stderr
    assert "-end_mass_ratio = [0.2, 0.5]" in done.stderr
    assert "+end_mass_ratio = [0.2, 0.7]" in done.stderr
    assert "another `name`" in done.stderr
    assert (home / "results/chain/sweep.toml").read_bytes() == before


def test_a_bad_file_is_refused_before_any_work(tmp_path: Path) -> None:
    file = given(CHAIN, tmp_path, axes={"end_mass": [0.2]}, model="chian")

    for command in ("plan", "run"):
        done = modesweep(command, file, cwd=tmp_path, code=2)
        assert 'Did you mean "chain"' in done.stderr
    assert list(tmp_path.iterdir()) == [file]


def test_a_scheduler_that_is_not_there_is_not_a_fault_of_ours(tmp_path: Path) -> None:
    file = given(CHAIN, tmp_path)

    done = installed("run", file, "--scheduler", "nonsense://127.0.0.1:1", cwd=tmp_path, code=3)

    assert "error: " in done.stderr
    assert "nonsense" in done.stderr


SHADOW = "raise RuntimeError('the wrong file was loaded')\n"


@pytest.mark.long
def test_a_users_own_modules_beside_the_file_do_not_disturb(tmp_path: Path) -> None:
    for name in ("sweep", "models", "dashboards", "cli"):
        (tmp_path / f"{name}.py").write_text(SHADOW)
    file = given(CHAIN, tmp_path)

    done = installed("run", file, "--workers", 1, cwd=tmp_path)
    found = installed("query", "chain", "end_weight > 0.9", cwd=tmp_path)

    assert "2 ok" in done.stdout
    assert "rows" in found.stdout


def test_a_package_that_hides_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/__init__.py").touch()

    done = installed("status", cwd=tmp_path, code=2, PYTHONPATH=str(tmp_path))

    assert f"`models` was loaded from {tmp_path.resolve()}" in done.stderr
    assert "Rename it" in done.stderr


# --- status and errors ----------------------------------------------------------------------


def test_status_of_one_sweep_and_of_all(home: Path) -> None:
    one = json.loads(modesweep("status", "little", "--json", cwd=home).stdout)
    every = json.loads(modesweep("status", "--json", cwd=home).stdout)
    text = modesweep("status", cwd=home).stdout

    assert one == {
        "name": "little", "path": "results/little", "model": "slab",
        "counts": {"ok": 3, "skipped": 1}, "blocks_done": one["blocks"], "blocks": one["blocks"],
        "running": False, "complete": True, "seconds_left": None, "state": "complete",
        "priority": 0, "submitted": None, "note": "",
    }  # fmt: skip
    assert [s["name"] for s in every] == ["chain", "little", "poison"]
    assert every[1] == one
    assert every[2]["counts"] == {"ok": 1, "failed": 1, "unstable": 1}
    for line in ("chain ", "little ", "poison "):
        assert f"\n{line}" in text
    assert "3 ok, 1 skipped" in text


@pytest.mark.parametrize("workspace", [".", "not-there"])
def test_an_empty_workspace_is_no_mistake(tmp_path: Path, workspace: str) -> None:
    text = modesweep("status", "--workspace", workspace, cwd=tmp_path).stdout
    listed = modesweep("status", "--workspace", workspace, "--json", cwd=tmp_path).stdout

    assert text == f"There are no sweeps in {workspace}. `modesweep run FILE` makes one.\n"
    assert json.loads(listed) == []
    assert list(tmp_path.iterdir()) == []


def test_errors_of_a_sweep_as_text_and_as_json(home: Path) -> None:
    text = modesweep("errors", "poison", cwd=home).stdout
    (error,) = json.loads(modesweep("errors", "results/poison", "--json", cwd=home).stdout)

    assert "RuntimeError: this number is poison" in text
    assert "x=3.0  (attempts: 1)" in text
    assert "misbehave" in text
    assert "Traceback" in error.pop("traceback")
    assert error == {
        "stage": "square", "point": {"x": 3.0}, "kind": "exception", "attempts": 1, "points": 1,
        "message": "RuntimeError: this number is poison",
        "command": "modesweep point results/poison x=3.0",
    }  # fmt: skip


def test_no_errors_are_good_news(home: Path) -> None:
    assert modesweep("errors", "little", cwd=home).stdout == "No point has failed.\n"
    assert json.loads(modesweep("errors", "little", "--json", cwd=home).stdout) == []


# --- query ----------------------------------------------------------------------------------

QUESTION = (
    "query", "little", "frequency > 20 and surface_weight > 0.9", "--unit", "cm-1",
    "--select", "layers=[5, 3]", "--select", "material=Xe", "--vars", "n_modes, k_label",
)  # fmt: skip


@pytest.fixture(scope="module")
def answer(home: Path) -> pd.DataFrame:
    """Ask the same without the command line."""
    return sweep.query(
        "little", "frequency > 20 and surface_weight > 0.9", workspace=home / "results",
        unit="cm-1", select={"layers": [5, 3], "material": "Xe"}, variables=["n_modes", "k_label"],
    )  # fmt: skip


def test_a_query_prints_a_table_with_labels_and_units(home: Path, answer: pd.DataFrame) -> None:
    text = modesweep(*QUESTION, cwd=home).stdout
    lines = text.splitlines()

    assert lines[0].split() == ["layers", "material", "k", "mode", "frequency", "/", "cm-1",
                                "surface_weight", "n_modes", "k_label"]  # fmt: skip
    assert len(answer) > 60
    assert lines[1].split()[:4] == ["5", "Xe", str(answer.k[0]), str(answer["mode"][0])]
    assert float(lines[1].split()[4]) == pytest.approx(answer.frequency[0], rel=1e-7)
    assert len(lines) == 1 + 60 + 1
    assert lines[-1].startswith(f"... and {len(answer) - 60} more rows; --csv, --json")


def test_one_call_writes_csv_json_and_parquet(home: Path, answer: pd.DataFrame) -> None:
    out = modesweep(*QUESTION, "--csv", "t.csv", "--json", "t.json", "--parquet", "t.parquet",
                    cwd=home).stdout  # fmt: skip

    assert out == ""
    csv = pd.read_csv(home / "t.csv", keep_default_na=False)
    assert_frame_equal(csv, answer, check_dtype=False)
    found = json.loads((home / "t.json").read_text())
    assert found["units"] == {"frequency": "cm-1"}
    assert_frame_equal(pd.DataFrame(found["rows"]), answer, check_dtype=False)
    parquet = pd.read_parquet(home / "t.parquet")
    assert_frame_equal(parquet, answer, check_dtype=False)
    assert parquet.attrs["units"] == {"frequency": "cm-1"}


@pytest.mark.parametrize("kind", [pytest.param("csv", marks=pytest.mark.long), "parquet"])
def test_minus_is_standard_output(home: Path, answer: pd.DataFrame, kind: str) -> None:
    out = subprocess.run([SCRIPT, *QUESTION, f"--{kind}", "-"], cwd=home, capture_output=True,
                         check=True).stdout  # fmt: skip

    found = (
        pd.read_csv(StringIO(out.decode()), keep_default_na=False)
        if kind == "csv"
        else pd.read_parquet(BytesIO(out))
    )
    assert_frame_equal(found, answer, check_dtype=False)
    assert not (home / "-").exists()


def test_missing_values_are_null_in_json(home: Path) -> None:
    out = modesweep("query", "poison", "x > 0", "--vars", "square,status", "--json", "-", cwd=home)

    def no_constant(word: str) -> float:
        pytest.fail(f"{word} is not JSON")

    rows = json.loads(out.stdout, parse_constant=no_constant)["rows"]
    assert rows == [
        {"x": 1.0, "square": 1.0, "status": "ok"},
        {"x": 3.0, "square": None, "status": "failed"},
        {"x": 7.0, "square": 49.0, "status": "unstable"},
    ]


def test_nothing_found_is_an_answer(home: Path) -> None:
    text = modesweep("query", "little", "frequency > 1e6", cwd=home).stdout
    rows = modesweep("query", "little", "frequency > 1e6", "--json", "-", cwd=home).stdout

    assert text.split()[:5] == ["layers", "material", "k", "mode", "frequency"]
    assert text.endswith("\n0 rows\n")
    assert json.loads(rows) == {"units": {"frequency": "THz"}, "rows": []}


def test_a_reader_that_has_seen_enough_is_no_fault(home: Path) -> None:
    with subprocess.Popen(
        [SCRIPT, "query", "little", "true", "--vars", "frequency,k_vector,k_weight", "--csv", "-"],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

    assert first.startswith("layers,material,k,mode,")
    assert process.returncode == 0
    assert errors == ""


def test_a_sweep_is_found_by_name_or_by_folder(home: Path) -> None:
    afar = ("little", "--workspace", home / "results")

    by_name = modesweep("status", "little", cwd=home).stdout
    by_folder = modesweep("status", "results/little", cwd=home).stdout
    from_afar = modesweep("status", *afar, cwd=home / "results/little").stdout

    assert by_name == by_folder == from_afar
    assert "3 ok, 1 skipped" in by_name
