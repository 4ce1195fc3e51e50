"""Bundles: whole, checked, readable by stock tools, and silent about the machine they come from."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray
import yaml
import zarr
from distributed import Client
from obstore.store import LocalStore

import sweep
from dashboards import files
from models.chain import Chain
from models.protocol import Model
from sweep.layout import OK
from sweep.ledger import Ledger
from sweep.publishing import contents, places, repository
from sweep.publishing.citation import author_of, license_of, version_of, works
from sweep.publishing.places import _MEMORY
from tests.commands import run_here

pytestmark = pytest.mark.usefixtures("plugin")

CHAIN: dict[str, Any] = {
    "modesweep": 1, "name": "chain", "model": "chain", "fixed": {"temperatures": [0, 1.5]},
    "where": "atoms > 3 or end_mass_ratio < 1",
    "axes": {"atoms": [3, 5, 8], "end_mass_ratio": [0.2, 1.0]},
}  # fmt: skip
POISON = {
    "modesweep": 1, "name": "poison", "model": "poison",
    "fixed": {"poison": "exception", "at": 3.0}, "axes": {"x": [1, 3, 5, 7]},
}  # fmt: skip
ALL_FAIL = {
    "modesweep": 1, "name": "none", "model": "poison", "fixed": {"poison": "exception"},
    "axes": {"x": [1, 3]},
}  # fmt: skip
AUTHORS = ("Ada Lovelace <ada@example.org>", "{The Surface Group}")
PARTS = {
    "README.md", "CITATION.cff", "LICENSE", "sweep.toml", "data.zarr", "figures", "report.html",
    "verification.json", "versions.json", "checksums.sha256",
}  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    folder = tmp_path_factory.mktemp("home") / "results"
    for content in (CHAIN, POISON, ALL_FAIL):
        sweep.run(content, workspace=folder, scheduler=client)
    sweep.extend("chain", {"atoms": [4]}, workspace=folder, scheduler=client)
    return folder


@pytest.fixture(autouse=True)
def read_here() -> Iterator[None]:
    """Have stock xarray read in this process, not by a cluster of tests before."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def spoilt(workspace: Path, tmp_path: Path) -> Path:
    """Give a workspace that a test may spoil."""
    shutil.copytree(workspace, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_browser", lambda: None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: what is drawn has tests of its own."""
    monkeypatch.setattr(contents, "drawn_by", _nothing_drawn)


def _nothing_drawn(name: str) -> Any:
    def report(_: Any, out: Path, **__: Any) -> Path:
        out.write_text("<html></html>")
        return out

    return {"views": lambda _: [], "report": report}.get(name)


@pytest.fixture(scope="module")
def bundle(workspace: Path) -> Path:
    """Publish once with everything, as the command does it."""
    done = run_here(
        "publish", "chain", "--to", "out/chain", "--author", AUTHORS[0], "--author", AUTHORS[1],
        "--license", "cc-by-4.0", "--sample", "50%", "--workers", 1, cwd=workspace.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 of 7 points computed again: all 5 variables agree byte for byte" in done.stdout
    return workspace.parent / "out/chain"


def published(workspace: Path, to: Path | str, name: str = "chain", **options: Any) -> Any:
    return sweep.publish(name, to, workspace=workspace, workers=1, **options)


def chunk_of(workspace: Path) -> Path:
    found = (workspace / "chain/data.zarr/end_weight/c").rglob("0")
    return next(p for p in found if p.is_file())


def content_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


# --- what is in it --------------------------------------------------------------------------


def test_a_bundle_has_all_its_parts_and_nothing_is_left_beside_it(bundle: Path) -> None:
    assert {p.name for p in bundle.iterdir()} == PARTS
    assert [p.name for p in bundle.parent.iterdir()] == ["chain"]


def test_sha256sum_passes_and_every_file_is_listed(bundle: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "checksums.sha256"], cwd=bundle, capture_output=True,
        text=True, check=True,
    )  # fmt: skip

    listed = {line.rpartition(":")[0] for line in done.stdout.splitlines()}
    assert listed == {name for name, _ in content_of(bundle)} - {"checksums.sha256"}


def test_stock_xarray_reads_it_with_consolidated_metadata(bundle: Path, workspace: Path) -> None:
    found = xarray.open_zarr(bundle / "data.zarr", consolidated=True)
    store = zarr.storage.ObjectStore(LocalStore(bundle / "data.zarr"), read_only=True)
    remote = xarray.open_zarr(store, consolidated=True)

    wanted = sweep.open("chain", workspace).load()
    assert wanted.atoms.values.tolist() == [3, 4, 5, 8]
    for data in (found, remote):
        xarray.testing.assert_identical(data.sortby("atoms").load(), wanted)
    running = json.loads((workspace / "chain/data.zarr/zarr.json").read_text())
    assert "consolidated_metadata" not in running


def test_chunks_are_copied_as_they_are(bundle: Path, workspace: Path) -> None:
    ledger = Ledger(workspace / "chain")
    names = [n for row in ledger.blocks() for n in row.files if n.startswith("data.zarr")]
    ledger.close()

    assert len(names) == 9
    for name in names:
        assert (bundle / name).read_bytes() == (workspace / "chain" / name).read_bytes()


def test_status_is_that_of_the_ledger_even_if_the_store_is_behind(
    spoilt: Path, tmp_path: Path, quick: None
) -> None:
    shutil.rmtree(spoilt / "chain/data.zarr/status/c")

    published(spoilt, tmp_path / "out/chain")

    status = xarray.open_zarr(tmp_path / "out/chain/data.zarr").sortby("atoms").status.values
    assert status.tolist() == [[OK, 6], [OK, OK], [OK, OK], [OK, OK]]


def test_nothing_tells_of_the_machine(bundle: Path, workspace: Path) -> None:
    secrets = [str(workspace), str(workspace.parent), str(Path.home()), sys.prefix]
    words = [socket.gethostname(), getpass.getuser()]
    for name, content in content_of(bundle):
        if name.endswith((".png", "/0")) or "/c/" in name:
            assert not any(s.encode() in content for s in secrets), name
            continue
        text = content.decode()
        assert not [s for s in secrets if s in text], name
        if name != "report.html":  # holds all of Bokeh, which has many words
            assert not [w for w in words if re.search(rf"\b{re.escape(w)}\b", text)], name
            assert not re.search(r"(?<![\w.:/<])/(home|root|tmp|usr|work|var|opt)/", text), name
        assert not re.search(r"\b(tcp|tls)://|service\.json|ledger\.sqlite", text), name


def test_the_sample_is_told_point_by_point(bundle: Path) -> None:
    told = json.loads((bundle / "verification.json").read_text())

    assert told["ok"]
    assert (told["sampled"], told["points"], len(told["drawn"])) == (4, 7, 4)
    assert all(set(p) == {"atoms", "end_mass_ratio"} for p in told["drawn"])
    assert {v["variable"]: v["tolerance"] for v in told["variables"]}["frequency_squared"] == 1e-9
    assert "path" not in told


def test_versions_tell_who_computed_and_who_published(bundle: Path) -> None:
    told = json.loads((bundle / "versions.json").read_text())

    assert told["model"]["name"] == "chain"
    assert told["model"]["source"] == Chain.source
    assert told["computed"]["versions"]["numpy"] == np.__version__
    assert told["published"]["versions"]["xarray"] == xarray.__version__
    assert told["computed"]["blas"]


def test_the_readme_tells_what_it_is(bundle: Path, tmp_path: Path) -> None:
    text = (bundle / "README.md").read_text()

    assert text.startswith("# chain: free linear chain with a changed end\n")
    assert "| `atoms` |  | 3, 5, 8, 4 | Number of atoms. |" in text
    assert "| `end_mass_ratio` | its own mass | 0.2, 1 |" in text
    assert "| `frequency_squared` | atoms, end_mass_ratio, mode | spring/mass |" in text
    given, _, rest = text.partition("<details>")
    assert "| `temperatures` | [0,1.5] |" in given
    assert "| `end_spring_ratio` | 1.0 |" in rest
    assert text.count("| `end_mass_ratio` |") == 1
    assert "| `ok` | 7 | has a result |" in text
    assert "| `skipped` | 1 |" in text
    assert 'data.sortby(["atoms"])' in text
    assert "Incomplete" not in text
    for link in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (bundle / link).is_file()
    code = re.search(r"```python\n(import xarray\n.*?)```", text, re.DOTALL)
    assert code is not None
    assert len(code[1].strip().splitlines()) == 4  # one of them empty
    done = subprocess.run(
        [sys.executable, "-c", code[1]], cwd=bundle, capture_output=True, text=True, check=True
    )
    assert "frequency_squared" in done.stdout


def test_pages_stand_for_pictures_where_there_is_no_browser(
    workspace: Path, tmp_path: Path, no_browser: None
) -> None:
    published(workspace, tmp_path / "out")

    names = {p.name for p in (tmp_path / "out/figures").iterdir()}
    assert names == {
        "chain-modes.html", "chain-modes.csv", "end-weights.html", "end-weights.csv",
    }  # fmt: skip
    assert "there was no browser" in (tmp_path / "out/README.md").read_text()


# --- its citation ---------------------------------------------------------------------------

KEYS = {  # of the Citation File Format 1.2.0
    "cff-version", "message", "type", "title", "abstract", "authors", "version", "date-released",
    "license", "keywords", "references",
}  # fmt: skip
PERSON = {"family-names", "given-names", "email"}
REFERENCE = {"type", "title", "authors", "version", "year", "journal", "volume", "start"}


def test_the_citation_is_a_citation_file(bundle: Path) -> None:
    cff = yaml.safe_load((bundle / "CITATION.cff").read_text())

    assert set(cff) == KEYS
    assert cff["cff-version"] == "1.2.0"
    assert cff["type"] == "dataset"
    assert cff["license"] == "CC-BY-4.0"
    assert cff["version"] == "1.0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(cff["date-released"]))
    assert cff["authors"] == [
        {"family-names": "Lovelace", "given-names": "Ada", "email": "ada@example.org"},
        {"name": "The Surface Group"},
    ]
    for reference in cff["references"]:
        assert {"type", "title", "authors"} <= set(reference) <= REFERENCE
        assert all(set(a) <= PERSON or set(a) == {"name"} for a in reference["authors"])
    titles = [r["title"] for r in cff["references"]]
    assert titles[0].startswith("modesweep: ")
    assert titles[1:] == ["Lattice Dynamics of Crystal Surfaces"]
    assert (bundle / "LICENSE").read_text().startswith("SPDX-License-Identifier: CC-BY-4.0\n")


@pytest.mark.parametrize(
    ("text", "family", "given", "mail"),
    [
        ("Ada Lovelace", "Lovelace", "Ada", ""),
        ("van der Waals, Johannes D. <jd@uva.nl>", "van der Waals", "Johannes D.", "jd@uva.nl"),
        ("{Institute of Cold Surfaces} <hi@cold.org>", "Institute of Cold Surfaces", "",
         "hi@cold.org"),
        ("Plato", "Plato", "", ""),
    ],
)  # fmt: skip
def test_authors_are_read_as_they_are_written(
    text: str, family: str, given: str, mail: str
) -> None:
    found = author_of(text)

    assert (found.family, found.given, found.mail) == (family, given, mail)


@pytest.mark.parametrize("text", ["", "<a@b.org>", "Ada <ada>", "Ada <a@b.org> x", "A\nB", ", "])
def test_what_is_no_author_is_refused(text: str) -> None:
    with pytest.raises(sweep.InputError, match="is no author"):
        author_of(text)


def test_licenses_are_those_of_spdx() -> None:
    assert license_of("cc0-1.0") == "CC0-1.0"
    for bad in ("CC-BY-9", "MIT OR CC0-1.0", "do what you like", "LicenseRef-mine"):
        with pytest.raises(sweep.InputError, match="no license of the SPDX list"):
            license_of(bad)
    with pytest.raises(sweep.InputError, match='Did you mean "CC-BY-4.0"'):
        license_of("CC-BY-4")


@pytest.mark.parametrize("text", ["", "1 0", "-1", "v/1", "1\n", "x" * 70])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(sweep.InputError, match="is no version"):
        version_of(text)


def test_works_of_a_model_that_names_them_in_short_only() -> None:
    class Other(Model):
        source = "Peyrard and Aubry (1983); Wallis (1973), Eq. 1; own work"

    found = works(Other())

    assert [(w.authors, w.year) for w in found] == [
        (("Peyrard", "Aubry"), 1983), (("Wallis",), 1973)
    ]  # fmt: skip


def test_a_bundle_without_authors_says_so(workspace: Path, tmp_path: Path, quick: None) -> None:
    done = published(workspace, tmp_path / "out", title="  Chains,  all of them ")

    cff = yaml.safe_load((tmp_path / "out/CITATION.cff").read_text())
    assert cff["authors"] == [{"name": "anonymous"}]
    assert cff["title"] == "Chains, all of them"
    assert "license" not in cff
    assert not (tmp_path / "out/LICENSE").exists()
    assert [n.partition(":")[0] for n in done.notes] == ["CITATION.cff names nobody", "no license"]


# --- what is not published ------------------------------------------------------------------


def test_a_tampered_chunk_is_refused(spoilt: Path, tmp_path: Path) -> None:
    chunk = chunk_of(spoilt)
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)

    done = run_here("publish", "chain", "--to", tmp_path / "out", "--workers", 1, cwd=tmp_path)

    assert done.returncode == 1
    assert "other bytes than were written" in done.stderr
    assert "modesweep verify" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_chunk_that_changes_after_the_check_is_refused(
    spoilt: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = contents.verify

    def then_spoil(*arguments: Any, **options: Any) -> Any:
        found = check(*arguments, **options)
        chunk_of(spoilt).write_bytes(b"x")
        return found

    monkeypatch.setattr(contents, "verify", then_spoil)

    with pytest.raises(sweep.DeviationError, match="end_weight/c/.* has other bytes"):
        published(spoilt, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [spoilt]


def test_a_deviation_is_refused(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = contents.verify

    def deviating(*arguments: Any, **options: Any) -> Any:
        found = check(*arguments, **options)
        return replace(found, variables=tuple(
            replace(v, disagreeing=1, relative=0.5) for v in found.variables[:1]
        ))  # fmt: skip

    monkeypatch.setattr(contents, "verify", deviating)

    with pytest.raises(sweep.DeviationError) as error:
        published(workspace, tmp_path / "out")
    assert error.value.exit_code == 1
    assert "frequency_squared by 5.0e-01 (allowed 1.0e-09)" in str(error.value)
    assert "`modesweep verify chain --sample 1%`" in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_tampered_coordinate_is_refused(spoilt: Path, tmp_path: Path, quick: None) -> None:
    array = zarr.open_array(spoilt / "chain/data.zarr/temperature", mode="r+")
    array[1] = 1.6

    with pytest.raises(sweep.DeviationError, match="temperature in its store is not what"):
        published(spoilt, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [spoilt]


def test_only_what_has_ended_is_published(spoilt: Path, tmp_path: Path) -> None:
    ledger = Ledger(spoilt / "poison", writable=True)
    ledger.try_again()
    ledger.close()

    with pytest.raises(sweep.RefusedError, match="has not ended: it is stopped .*1 todo"):
        published(spoilt, tmp_path / "out", "poison", incomplete=True)
    with pytest.raises(sweep.NoSweepError, match="There is no sweep 'chian'"):
        published(spoilt, tmp_path / "out", "chian")
    assert list(tmp_path.iterdir()) == [spoilt]


def test_failed_points_are_published_only_when_asked_for(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(sweep.RefusedError, match="2 ok, 1 failed, 1 unstable.*--incomplete"):
        published(workspace, tmp_path / "out", "poison")
    with pytest.raises(sweep.RefusedError, match="no point with a result"):
        published(workspace, tmp_path / "out", "none", incomplete=True)


def test_a_report_of_failures_names_no_place_of_the_machine(
    workspace: Path, tmp_path: Path, no_browser: None
) -> None:
    published(workspace, tmp_path / "out", "poison", incomplete=True)

    text = (tmp_path / "out/README.md").read_text()
    assert "**Incomplete:** 1 of 4 points have no result" in text
    report = (tmp_path / "out/report.html").read_text()
    assert "modesweep point sweep.toml x=3" in report
    assert str(workspace) not in report


def test_a_sweep_that_goes_on_meanwhile_is_refused(
    spoilt: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on(*_: Any) -> list[Any]:
        ledger = Ledger(spoilt / "poison", writable=True)
        ledger.try_again()
        ledger.close()
        return []

    monkeypatch.setattr("sweep.publishing.publishing.draw", go_on)

    with pytest.raises(sweep.RefusedError, match="changed while it was being published"):
        published(spoilt, tmp_path / "out", "poison", incomplete=True)
    assert list(tmp_path.iterdir()) == [spoilt]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--sample", "0%"), "A sample of '0%' draws nothing"),
        (("--author", "<x>"), "--author '<x>' is no author"),
        (("--license", "none"), "--license 'none' is no license"),
        (("--version", "1/2"), "--version '1/2' is no version"),
        (("--to", "ftp://host/x"), "no kind of place 'ftp'"),
        (("--to", "s3:///x"), "names no bucket"),
        (("--to", "s3://key:secret@bucket/x"), "no user, password or query"),
        (("--to", "results/chain/out"), "folder of the sweep"),
        (("--to", "results/paper"), "among the sweeps of the workspace"),
        (("--to", "results/chain/sweep.toml"), "folder of the sweep"),
    ],
)
def test_bad_input_is_told_before_anything_is_done(
    workspace: Path, options: tuple[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(workspace.parent.iterdir())
    given = () if options[0] == "--to" else ("--to", "new")

    done = run_here("publish", "chain", *given, *options, cwd=workspace.parent)

    assert done.returncode == 2
    assert words in done.stderr
    assert "secret" not in done.stderr
    assert sorted(workspace.parent.iterdir()) == before


@pytest.mark.parametrize(("module", "what"), [(places, "obstore"), (repository, "icechunk")])
def test_what_is_not_installed_is_named(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, what: str
) -> None:
    monkeypatch.setattr(module, what, None)
    to = "file:///nowhere" if what == "obstore" else str(tmp_path / "out")

    with pytest.raises(sweep.InputError, match=rf"{what}, which is not installed. Install modesw"):
        published(workspace, to, icechunk=what == "icechunk")
    assert not list(tmp_path.iterdir())


# --- where it goes --------------------------------------------------------------------------


def test_what_is_there_is_never_changed(workspace: Path, tmp_path: Path, quick: None) -> None:
    out = tmp_path / "out"
    out.mkdir()  # empty: taken
    published(workspace, out)
    before = dict(content_of(out))

    with pytest.raises(sweep.RefusedError, match="holds a bundle already"):
        published(workspace, out)
    assert dict(content_of(out)) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.txt").write_text("keep")
    with pytest.raises(sweep.RefusedError, match="holds something already"):
        published(workspace, tmp_path / "other")
    with pytest.raises(sweep.InputError, match="is a file"):
        published(workspace, tmp_path / "other/mine.txt")
    assert (tmp_path / "other/mine.txt").read_text() == "keep"


def test_a_killed_publish_leaves_no_bundle_and_can_be_repeated(
    workspace: Path, tmp_path: Path, quick: None
) -> None:
    code = (
        "import sweep, time\n"
        "from sweep.publishing import publishing\n"
        "publishing.draw = lambda *_: time.sleep(600)\n"
        f"sweep.publish('chain', {str(tmp_path / 'out')!r}, workspace={str(workspace)!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    begun = tmp_path / ".out.publishing/bundle/data.zarr/zarr.json"
    give_up = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    with pytest.raises(sweep.RefusedError, match="Another process is publishing"):
        published(workspace, tmp_path / "out")
    process.kill()
    process.wait()

    assert not (tmp_path / "out").exists()
    published(workspace, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    subprocess.run(
        ["sha256sum", "-c", "--quiet", "--strict", "checksums.sha256"],
        cwd=tmp_path / "out", check=True,
    )  # fmt: skip


def test_an_object_store_gets_the_checksums_last(
    workspace: Path, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted one is begun anew; a whole one, or anything else, is left alone."""
    out = tmp_path / "bucket/chain"

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sweep.publishing.publishing.write_report", interrupted)
        with pytest.raises(KeyboardInterrupt):
            published(workspace, out.as_uri())
    assert (out / "sweep.toml").exists()
    assert not (out / "checksums.sha256").exists()
    with pytest.raises(sweep.RefusedError, match="no part of a bundle of this sweep"):
        published(workspace, out.as_uri(), "poison", incomplete=True)
    (out / "figures").mkdir()
    (out / "figures/old.png").write_bytes(b"of the first try")

    published(workspace, out.as_uri())

    assert not (out / "figures/old.png").exists()
    subprocess.run(
        ["sha256sum", "-c", "--quiet", "--strict", "checksums.sha256"], cwd=out, check=True
    )
    with pytest.raises(sweep.RefusedError, match="holds a bundle already"):
        published(workspace, out.as_uri())
    (tmp_path / "bucket/other").mkdir()
    (tmp_path / "bucket/other/mine.txt").write_text("keep")
    with pytest.raises(sweep.RefusedError, match="holds mine.txt, which is no part"):
        published(workspace, (tmp_path / "bucket/other").as_uri())


def test_xarray_reads_it_from_an_object_store(workspace: Path, quick: None) -> None:
    _MEMORY.clear()

    published(workspace, "memory://trial")

    (store,) = _MEMORY.values()
    data = xarray.open_zarr(
        zarr.storage.ObjectStore(store, read_only=True), group="data.zarr", consolidated=False,
        chunks=None,
    )  # fmt: skip
    xarray.testing.assert_identical(
        data.sortby("atoms").load(), sweep.open("chain", workspace).load()
    )


# --- icechunk -------------------------------------------------------------------------------


def test_an_icechunk_tag_opens_as_the_store(workspace: Path, tmp_path: Path, quick: None) -> None:
    import icechunk

    published(workspace, tmp_path / "out", icechunk=True, version="2")

    assert not (tmp_path / "out/data.zarr").exists()
    found = icechunk.Repository.open(
        icechunk.local_filesystem_storage(str(tmp_path / "out/data.icechunk"))
    )
    assert found.list_tags() == {"v2"}
    first = next(iter(found.ancestry(tag="v2")))
    assert first.message == "chain: free linear chain with a changed end, version 2"
    assert len(list(found.ancestry(branch="main"))) == 2  # and the empty one of the library
    data = xarray.open_zarr(found.readonly_session(tag="v2").store, consolidated=False)
    xarray.testing.assert_identical(
        data.sortby("atoms").load(), sweep.open("chain", workspace).load()
    )
    text = (tmp_path / "out/README.md").read_text()
    code = re.search(r"```python\n(import icechunk.*?)```", text, re.DOTALL)
    assert code is not None
    subprocess.run([sys.executable, "-c", code[1]], cwd=tmp_path / "out", check=True)
    for name, content in content_of(tmp_path / "out"):
        assert str(tmp_path).encode() not in content, name
