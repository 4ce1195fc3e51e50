"""One point in this process gives what a sweep stores, raises what it raises, refuses in words."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

import sweep
from models.units import FREQUENCY_UNITS
from sweep.documents import to_toml
from sweep.pointing import command_line, prepared, typed
from sweep.problems import InputError, StoreError
from tests.commands import run_here

pytestmark = pytest.mark.usefixtures("plugin")

SLAB = {
    "modesweep": 1, "name": "little", "model": "slab", "outputs": ["frequency", "surface_energy"],
    "where": "layers > 3", "fixed": {"k_points": 6, "cutoff": 2.0},
    "axes": {"layers": [3, 5], "surface": ["100", "111"], "material": ["Xe", "Ar"]},
}  # fmt: skip
HOSTS = {
    "modesweep": 1, "name": "hosts", "model": "shared-host",
    "axes": {"defect": [0.5, 1.5], "host": [1, 13]},
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """Make a folder with a workspace of two sweeps, and the file of one."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "little.toml").write_text(to_toml(SLAB))
    for content in (SLAB, HOSTS):
        sweep.run(content, workspace=folder / "results", scheduler=client)
    return folder


def modesweep(*arguments: object, cwd: Path, code: int = 0, says: str = "") -> tuple[str, str]:
    """Run the command, which must end with an exit code; give its output and its errors."""
    done = run_here(*arguments, cwd=cwd, says=says)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


# --- the numbers ----------------------------------------------------------------------------


def test_a_point_has_the_bytes_that_its_sweep_stores(home: Path) -> None:
    stored = sweep.open("little", home / "results").sel(layers=5, surface="111", material="Ar")

    arrays = sweep.point(
        "little", {"layers": 5, "surface": "111", "material": "Ar"}, workspace=home / "results"
    )

    assert set(arrays) >= {"frequency", "surface_energy", "k_weight", "n_modes"}
    for name, array in arrays.items():
        values = np.asarray(stored[name].values)
        inside = tuple(slice(n) for n in np.shape(array))
        np.testing.assert_array_equal(values[inside], array, err_msg=name)


def test_any_legal_value_will_do_and_fixed_ones_may_be_changed(home: Path) -> None:
    arrays = sweep.point(
        home / "little.toml", {"layers": 4, "surface": "110", "material": "Kr", "k_points": 9}
    )

    assert arrays["frequency"].shape == (9, 12)


def test_variables_can_be_chosen_in_their_own_order() -> None:
    wanted = ["n_modes", "frequency"]

    arrays = sweep.point(SLAB, {"layers": 3, "surface": "111", "material": "Xe"}, variables=wanted)

    assert list(arrays) == wanted


@pytest.mark.parametrize("unit", FREQUENCY_UNITS)
def test_frequencies_are_converted_and_energies_are_not(unit: str) -> None:
    at = {"layers": 3, "surface": "111", "material": "Xe"}
    found, plain = prepared(SLAB, at, unit=unit), prepared(SLAB, at)
    converted, stored = found.compute(), plain.compute()

    assert found.unit_of("frequency") == unit
    assert found.unit_of("surface_energy") == plain.unit_of("surface_energy") == "meV"
    np.testing.assert_allclose(
        converted["frequency"], stored["frequency"] * FREQUENCY_UNITS[unit], rtol=1e-14
    )
    np.testing.assert_array_equal(converted["surface_energy"], stored["surface_energy"])


def test_zipped_axes_and_tables_are_values_like_others() -> None:
    zipped = HOSTS | {"zip": [["defect", "host"]]}

    assert sweep.point(zipped, {"defect": 2.0, "host": 7})["level"] == pytest.approx(16 + 2.0)


# --- what cannot be computed ----------------------------------------------------------------


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        sweep.point(
            SLAB, {"layers": -2, "matrial": "Xe", "cutoff": "far"}, variables=["frequncy"],
            unit="cm",
        )  # fmt: skip

    text = str(caught.value)
    assert text.startswith("The point of little cannot be computed:\n")
    for words in (
        "\n  surface: is an axis and has no value. Give one, such as 'surface=\"100\"'.",
        "\n  material: is an axis and has no value. Give one, such as material=Xe.",
        "\n  layers: -2 is not allowed",
        '\n  matrial: slab has no such parameter. Did you mean "material"?',
        '\n  cutoff: "far" is not allowed',
        '\n  outputs[0]: slab has no variable "frequncy". Did you mean "frequency"?',
        "\n  unit: 'cm' is not known. Did you mean \"cm-1\"?",
    ):
        assert words in text


def test_a_rule_between_parameters_holds_for_a_point() -> None:
    at = {"layers": 3, "surface": "111", "material": "Xe", "forces": "springs"}

    with pytest.raises(InputError, match="cannot be computed"):
        sweep.point(SLAB, at)


def test_reduced_units_have_no_scale() -> None:
    at = {"layers": 3, "surface": "111", "material": "reduced"}

    with pytest.raises(InputError, match="which THz cannot express"):
        sweep.point(SLAB, at, unit="THz")


def test_a_sweep_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(StoreError, match='Did you mean "little"'):
        sweep.point("litle", {}, workspace=home / "results")
    with pytest.raises(InputError, match="There is no sweep file nothing.toml"):
        sweep.point("nothing.toml", {})


def test_the_numerics_raise_what_they_raise() -> None:
    with pytest.raises(ArithmeticError, match="^this host cannot be computed$"):
        sweep.point(HOSTS, {"defect": 0.0, "host": 13})


# --- the line that repeats a failed point ---------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [3, 0.001, 1e-7, True, "Xe", "one side", "111", "true", "", " x ", "a'b", 'say "so"', "1 # 2",
     [1.5, 2], [], {"a": 1, "b": [2.5]}, "2020-01-01"],
)  # fmt: skip
def test_a_typed_value_is_read_back_as_it_was(value: Any) -> None:
    from sweep.assignments import assignments

    (word,) = shlex.split(command_line("here", {"x": value}))[3:]

    assert word == f"x={typed(value)}"
    assert assignments([word], "the value") == {"x": value}


def test_a_failed_stage_names_the_line_that_raises_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    (failed,) = sweep.errors("hosts")

    assert failed.command == "modesweep point results/hosts defect=0.5 host=13"
    assert failed.as_dict()["command"] == failed.command
    out, errors = modesweep(*shlex.split(failed.command)[1:], cwd=home, code=1)
    assert out == ""
    assert errors.startswith("Traceback (most recent call last):\n")
    assert "in solve\n    raise ArithmeticError(msg)\n" in errors
    assert errors.endswith(f"{failed.message}\n")


def test_errors_shows_the_line_under_its_group(home: Path) -> None:
    text, _ = modesweep("errors", "hosts", cwd=home)

    assert "\n  repeat it: modesweep point results/hosts defect=0.5 host=13\n" in text


# --- the command ----------------------------------------------------------------------------


def test_the_command_prints_a_row_for_each_variable(home: Path) -> None:
    text, _ = modesweep(
        "point", "little.toml", "layers=3", "material=Xe", "surface=111", "--unit", "cm-1",
        "--vars", "frequency,surface_energy,k_label", cwd=home,
    )  # fmt: skip
    title, header, *rows = text.splitlines()

    assert title.startswith("little, one point of slab: ")
    assert header.split() == ["variable", "dims", "shape", "unit", "min", "max", "first", "values"]
    assert [row.split()[0] for row in rows] == ["frequency", "surface_energy", "k_label"]
    assert rows[0].split()[1:7] == ["k,", "mode", "6", "x", "9", "cm-1"]
    assert rows[1].split()[1:4] == ["-", "-", "meV"]
    assert rows[2].split()[-2:] == [",", "..."] or "G" in rows[2]


def test_arrays_go_to_a_file_and_their_description_to_json(home: Path) -> None:
    words = ("point", "little", "layers=3", "material=Xe", "surface=111")

    text, _ = modesweep(*words, "--out", "point.npz", "--json", cwd=home)

    told = json.loads(text)
    assert told["model"] == "slab"
    assert told["point"] | {"layers": 3, "material": "Xe", "surface": "111"} == told["point"]
    with np.load(home / "point.npz") as arrays:
        assert set(arrays) == {v["name"] for v in told["variables"]}
        for variable in told["variables"]:
            assert list(arrays[variable["name"]].shape) == variable["shape"]
            if variable["min"] is not None:
                assert np.nanmin(arrays[variable["name"]]) == variable["min"]


def test_a_file_that_cannot_be_written_is_a_mistake(home: Path) -> None:
    _, errors = modesweep("point", "little", "layers=3", "material=Xe", "surface=111",
                          "--out", "no/such/folder/x.npz", cwd=home, code=2)  # fmt: skip

    assert "cannot be written" in errors


def test_a_missing_value_is_exit_2(home: Path) -> None:
    out, errors = modesweep("point", "hosts", "host=13", cwd=home, code=2)

    assert out == ""
    assert "defect: is an axis and has no value. Give one, such as defect=0.5." in errors


def test_the_debugger_stands_where_the_numerics_failed(home: Path) -> None:
    out, errors = modesweep("point", "hosts", "host=13", "defect=0", "--pdb", cwd=home, code=1,
                            says="p p.host + 4\nq\n")  # fmt: skip

    assert "trial_models.py" in out
    assert "(Pdb) 17\n" in out
    assert "this host cannot be computed" in errors
