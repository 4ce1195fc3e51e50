"""Pictures from the command line: plot, report, and what a notebook shows."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import sweep
from dashboards import plotting
from dashboards.files import find_browser
from dashboards.plotting import ENDINGS, picture, plot, results_of
from dashboards.report import write_report
from sweep import InputError, MachineError, NoSweepError
from tests.commands import run_here

FILE = {
    "modesweep": 1, "name": "chains", "model": "chain", "fixed": {"atoms": 6},
    "axes": {"mass_ratio": [1.0, 2.0, 3.0], "end_mass_ratio": [0.2, 0.5]},
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    sweep.run(FILE, workspace=folder, workers=1)
    return folder


def test_the_numbers_of_a_picture_are_those_of_the_store(workspace: Path, tmp_path: Path) -> None:
    choices = {"variable": "frequency_squared", "x": "mode", "y": "mass_ratio",
               "end_mass_ratio": 0.5}  # fmt: skip

    out = plot(workspace / "chains", tmp_path / "a.csv", kind="explorer", choices=choices)

    head, *rows = csv.reader(out.read_text().splitlines())
    assert [h.partition(" ")[0] for h in head] == ["mass", "mode", "frequency_squared"]
    stored = sweep.open(workspace / "chains").frequency_squared.sel(end_mass_ratio=0.5)
    assert np.array_equal([float(r[2]) for r in rows], stored.values.ravel())


@pytest.mark.long
@pytest.mark.skipif(find_browser() is None, reason="pictures need a Chromium, as README says")
def test_each_kind_of_file_is_what_its_ending_says(workspace: Path, tmp_path: Path) -> None:
    for ending in (".html", ".png", ".svg"):
        out = plot(workspace / "chains", tmp_path / f"a{ending}", kind="explorer", dark=True)
        content = out.read_bytes()
        if ending == ".png":
            assert content.startswith(b"\x89PNG")
        elif ending == ".svg":
            root = ElementTree.fromstring(content)
            words = " ".join(t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text"))
            assert "mode" in words
        else:
            assert b"Bokeh" in content
            assert not re.search(rb'<(script|link)[^>]+(src|href)="?https?:', content)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "a.png", "a.svg"]


def test_without_a_browser_it_is_said_what_works(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.files.find_browser", lambda: None)

    for ending in (".png", ".svg"):
        with pytest.raises(MachineError, match="needs a Chromium"):
            plot(workspace / "chains", tmp_path / f"a{ending}")
    assert list(tmp_path.iterdir()) == []


def test_wrong_choices_are_all_named(workspace: Path, tmp_path: Path) -> None:
    results = results_of(workspace / "chains")

    with pytest.raises(InputError, match=r"'colour' cannot be chosen.*x has no value 'pressure'"):
        picture(results, "explorer", {"colour": "red", "x": "pressure"})
    with pytest.raises(InputError, match=r"'dispersion': chains does not have what it shows"):
        picture(results, "dispersion")
    with pytest.raises(InputError, match="has no such view. Views of it: .*explorer"):
        picture(results, "pie")
    with pytest.raises(InputError, match=re.escape(", ".join(ENDINGS))):
        plot(workspace / "chains", tmp_path / "a.gif")
    with pytest.raises(NoSweepError, match="no sweep"):
        plot("nothing", tmp_path / "a.html", workspace=workspace)


def test_plot_lists_views_and_their_choices(workspace: Path) -> None:
    told = run_here("plot", "chains", "--workspace", str(workspace))

    assert told.returncode == 0
    assert "explorer" in told.stdout
    assert "frequency_squared" in told.stdout


def test_plot_draws_what_is_set(workspace: Path, tmp_path: Path) -> None:
    told = run_here(
        "plot", "chains", "--kind", "explorer", "--set", "x=mass_ratio", "--set", "mode=5",
        "--out", str(tmp_path / "a.csv"), "--workspace", str(workspace),
    )  # fmt: skip
    wrong = run_here(
        "plot", "chains", "--kind", "explorer", "--set", "x=pressure",
        "--out", str(tmp_path / "b.csv"), "--workspace", str(workspace),
    )  # fmt: skip

    assert told.returncode == 0
    assert (tmp_path / "a.csv").read_text().startswith("end mass ratio")
    assert wrong.returncode == 2
    assert "x has no value 'pressure'" in wrong.stderr


def test_a_report_holds_everything_and_needs_no_network(workspace: Path, tmp_path: Path) -> None:
    out = write_report("chains", tmp_path / "deep" / "report.html", workspace)

    text = out.read_text()
    assert "Status of the points" in text
    assert "0.2, 0.5" in text
    assert not re.search(r'<(script|link)[^>]+(src|href)="?https?:', text)
    results = results_of(workspace / "chains")
    assert all(str(v.title)[1:] in text for v in plotting.views_of(results))


def test_a_notebook_shows_the_first_picture(workspace: Path) -> None:
    shown = sweep.run(FILE, workspace=workspace)._repr_html_()

    assert "<iframe srcdoc=" in shown
    assert "axis mass_ratio" in shown
    assert json.loads(json.dumps(shown)) == shown


def test_a_notebook_shows_what_there_is_of_a_sweep_without_results(tmp_path: Path) -> None:
    result = sweep.run({**FILE, "name": "none", "where": "mass_ratio > 9"}, workspace=tmp_path)

    assert "<iframe" not in result._repr_html_()
