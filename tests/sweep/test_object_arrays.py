"""Sweeps whose arrays lie in an object store: the same results, safe from kills and refusals."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from obstore.store import S3Store
from zarr.storage import ObjectStore

import sweep
from deploy.objects.s3 import KEYS, S3, served
from sweep import arrays, documents
from sweep.documents import to_toml
from sweep.objects import Objects
from sweep.problems import InputError, ObjectsError
from tests.faults.tools import (
    SMALL_BLOCKS,
    document,
    finish,
    kill_all,
    modesweep,
    results,
    start,
    wait_for_blocks,
)
from tests.service.tools import QUICK_BLOCKS, Served

pytestmark = pytest.mark.usefixtures("plugin")

CHAINS = {"axes": {"atoms": [8, 12], "mass_ratio": [0.5, 1.0, 2.0]}}
SLOW = {"axes": {"x": list(range(24))}, "fixed": {"slow": 0.1}}
IMPATIENT = "from sweep import objects; objects.PATIENCE_SECONDS = 1.0; "


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    before = dict(os.environ)
    os.environ.update(KEYS)
    with served() as server:
        yield server
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def workspace(s3: S3, tmp_path: Path) -> Path:
    """A workspace with arrays elsewhere, under a prefix of its own."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "arrays.toml").write_text(to_toml(s3.settings(tmp_path.name)))
    return folder


def home(workspace: Path) -> Objects:
    found = arrays.told(workspace)
    assert found is not None
    return found


def bytes_of(sweep_folder: Path) -> dict[str, Any]:
    """Give the bytes of every array, read by zarr alone at the place that the sweep names."""
    place = documents.load(sweep_folder / "arrays.toml").content
    bucket, _, prefix = place["url"].removeprefix("s3://").partition("/")
    config = {"endpoint": place["endpoint"]}
    store = S3Store(bucket, prefix=prefix, config=config, client_options={"allow_http": True})
    group = zarr.open_group(ObjectStore(store, read_only=True), mode="r")
    found = {n: np.asarray(a[...]) for n, a in group.arrays() if n not in ("seconds", "attempts")}
    return {
        n: repr(a.tolist()).encode() if a.dtype.kind in "TOU" else a.tobytes()
        for n, a in found.items()
    }


# --- results --------------------------------------------------------------------------------


def test_results_are_those_of_a_workspace_on_disk(workspace: Path, tmp_path: Path) -> None:
    content = document("chains", "chain", **CHAINS)
    there = sweep.run(content, workspace=workspace, workers=1)
    here = sweep.run(content, workspace=tmp_path / "plain", workers=1)

    assert there.complete
    assert not (workspace / "chains" / "data.zarr").exists()
    assert bytes_of(workspace / "chains") == results(Path(here.path))
    xr.testing.assert_identical(
        sweep.open("chains", workspace=workspace).drop_attrs().drop_vars("seconds").load(),
        sweep.open(here.path).drop_attrs().drop_vars("seconds").load(),
    )
    condition = "frequency_squared > 2"
    assert len(sweep.query("chains", condition, workspace=workspace)) == len(
        sweep.query(here.path, condition)
    )


@pytest.mark.long
def test_an_extension_and_a_union_are_those_of_a_workspace_on_disk(
    workspace: Path, tmp_path: Path
) -> None:
    content = document("chains", "chain", **CHAINS)
    for place in (workspace, tmp_path / "plain"):
        sweep.run(content, workspace=place, workers=1)
        sweep.run(document("more", "chain", axes={"atoms": [8], "mass_ratio": [3.0, 4.0]}),
                  workspace=place, workers=1)  # fmt: skip
        sweep.extend(place / "chains", {"mass_ratio": [0.25, 5.0]}, workers=1)
        code, said = modesweep("union", place / "chains", place / "more", "--name", "both",
                               "--workspace", place)  # fmt: skip
        assert code == 0, said

    for name in ("chains", "both"):
        assert bytes_of(workspace / name) == results(tmp_path / "plain" / name)


@pytest.mark.long
def test_a_damaged_object_is_found_and_mended(workspace: Path) -> None:
    sweep.run(document("chains", "chain", **CHAINS), workspace=workspace, workers=1)
    before = bytes_of(workspace / "chains")
    place = home(workspace / "chains")
    key = next(k for k in place.listed() if k.startswith("frequency_squared/c/"))
    place.put(key, (place.read(key) or b"")[:-1] + b"?")

    code, said = modesweep("verify", workspace / "chains", "--sample", "1%")
    assert code == 1, said
    assert f"data.zarr/{key}" in said
    code, said = modesweep("verify", workspace / "chains", "--sample", "1%", "--repair")
    assert "1 block forgotten" in said
    code, said = modesweep("retry", workspace / "chains", "--workers", "1")
    assert code == 0, said
    assert bytes_of(workspace / "chains") == before


@pytest.mark.long
def test_a_sweep_of_a_name_that_was_removed_finds_nothing_of_it(workspace: Path) -> None:
    for ratio in (0.5, 2.0):
        content = document("again", "chain", axes={"mass_ratio": [ratio]})
        sweep.run(content, workspace=workspace, workers=1)
        first = documents.load(workspace / "again" / "arrays.toml").content["url"]
        code, said = modesweep("remove", "again", "--yes", "--workspace", workspace)
        assert code == 0, said

    assert first.startswith(home(workspace).url)
    assert len({key.split("/")[0] for key in home(workspace).listed()}) == 2


# --- kills and refusals ---------------------------------------------------------------------


@pytest.mark.long
def test_a_killed_run_goes_on_to_the_same_bytes(workspace: Path, tmp_path: Path) -> None:
    content = document("slow", **SLOW)
    plain = tmp_path / "plain"
    plain.mkdir()
    assert finish(start(content, plain, "--workers", "2", command=SMALL_BLOCKS))[0] == 0
    for blocks in (3, 9):
        run = start(content, tmp_path, "--workers", "2", command=SMALL_BLOCKS)
        wait_for_blocks(workspace / "slow", blocks)
        kill_all(run)
    code, said = finish(start(content, tmp_path, "--workers", "2", command=SMALL_BLOCKS))

    assert code == 0, said
    assert bytes_of(workspace / "slow") == results(plain / "results" / "slow")


@pytest.mark.long
def test_a_store_that_refuses_stops_a_run_and_harms_nothing(
    workspace: Path, s3: S3, tmp_path: Path
) -> None:
    content = document("chains", "chain", **CHAINS)
    s3.refuse(403)
    try:
        code, said = finish(start(content, tmp_path, "--workers", "1"))
    finally:
        s3.heal()

    assert code == 5, said
    assert "The object store s3://" in said
    assert "It is told to refuse." in said
    assert "Check the keys" in said
    assert "Traceback" not in said
    assert not (workspace / "chains").exists()
    assert finish(start(content, tmp_path, "--workers", "1"))[0] == 0


@pytest.mark.long
def test_a_service_waits_for_a_store_that_refuses(workspace: Path, s3: S3) -> None:
    command = [*QUICK_BLOCKS[:3], IMPATIENT + QUICK_BLOCKS[3]]
    service = Served(workspace, ("--workers", "2"), command).start()
    try:
        service.submit(document("slow", **SLOW))
        wait_for_blocks(workspace / "slow", 2)
        s3.refuse(403)
        try:
            told = service.wait_for("slow", "waiting")
        finally:
            s3.heal()
        assert "refuses" in told["note"]
        assert service.wait_for("slow", "complete")["counts"] == {"ok": 23, "unstable": 1}
    finally:
        service.stop()


# --- bad settings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "`url` is missing"),
        ({"url": "ftp://x/y"}, "kinds: s3, gs, az"),
        ({"url": "s3://key:secret@bucket/x"}, "keys come from the environment"),
        ({"url": "s3://b", "endpiont": "https://x"}, 'Did you mean "endpoint"?'),
        ({"url": "s3://b", "endpoint": "http://far.example.org"}, "has no TLS"),
        ({"url": "s3://b", "endpoint": "far"}, "is no address"),
        ({"url": "s3://b", "plain_http": "yes"}, "should be a bool"),
    ],
)  # fmt: skip
def test_bad_settings_are_told_in_words_before_anything_begins(
    settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    (tmp_path / "arrays.toml").write_text(to_toml(settings))
    with pytest.raises(InputError, match="arrays.toml") as caught:
        sweep.run(document("chains", "chain", **CHAINS), workspace=tmp_path, workers=1)

    assert words in str(caught.value)
    assert not (tmp_path / "chains").exists()


def test_a_bucket_that_is_not_there_is_told(s3: S3) -> None:
    with pytest.raises(ObjectsError, match="does not exist.*Is there such a bucket"):
        Objects("s3://nothing/x", endpoint=s3.url).put("a", b"1")


def test_doctor_looks_at_the_store(workspace: Path, s3: S3) -> None:
    code, said = modesweep("doctor", "--workspace", workspace)
    assert "to put and get a small object" in said
    assert code == 0, said
    assert home(workspace).listed() == []


@pytest.mark.long
def test_commands_that_read_need_no_object_store_for_the_ledger(workspace: Path, s3: S3) -> None:
    sweep.run(document("chains", "chain", **CHAINS), workspace=workspace, workers=1)
    s3.refuse(403)
    try:
        code, said = modesweep("status", workspace / "chains")
        assert (code, "6 ok" in said) == (0, True)
        code, said = modesweep("query", workspace / "chains", "frequency_squared > 2")
        assert code == 5, said
        assert "Traceback" not in said
    finally:
        s3.heal()


def test_obstore_that_is_missing_is_named(workspace: Path) -> None:
    hidden = "import sys; sys.modules['obstore'] = None; from sweep.cli.main import main; main()"
    file = workspace.parent / "chains.toml"
    file.write_text(to_toml(document("chains", "chain", **CHAINS)))
    done = subprocess.run(
        [SMALL_BLOCKS[0], "-P", "-c", hidden, "run", str(file), "--workspace", str(workspace)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Install modesweep[objects]" in done.stderr + done.stdout
