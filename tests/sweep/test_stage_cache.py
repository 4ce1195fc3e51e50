"""Kept results tell what they are; removing them costs time and nothing else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

import sweep
from models.evaluate import content_key
from models.protocol import Model
from models.registry import get
from sweep import stage_cache
from sweep.child import StageFiles, about_result, packed
from sweep.layout import stage_file
from sweep.problems import InputError
from sweep.stage_cache import list_kept, prune
from tests.commands import run_here

pytestmark = pytest.mark.usefixtures("plugin")

DAY = 86_400.0
HOSTS: dict[str, Any] = {
    "modesweep": 1, "name": "hosts", "model": "shared-host",
    "axes": {"defect": [0.5, 1.5], "host": [1, 2]},
}  # fmt: skip

Keep = Callable[..., Path]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Give a function that keeps a result of a host in a workspace."""

    def write(host: int, *, days: float = 0.0, told: bool = True, **about: Any) -> Path:
        model = get("shared-host")
        stage, p = model.stage("host"), model.parameters(host=host)
        path = stage_file(tmp_path / "any", content_key(model, stage, p))
        path.parent.mkdir(parents=True, exist_ok=True)
        text = about_result(model, stage, p, "hosts") | about
        path.write_bytes(packed({"matrix": np.full((1, 4, 4), host / 7)}, text if told else None))
        then = time.time() - days * DAY
        os.utime(path, (then, then))
        return path

    return write


def modesweep(*arguments: object, cwd: Path) -> str:
    done = run_here(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- what a file tells ----------------------------------------------------------------------


def test_readers_do_not_see_what_a_result_tells_about_itself(keep: Keep) -> None:
    path = keep(3)
    files = StageFiles(str(path.parents[1]), ("host",))

    arrays = files(get("shared-host").stage("host"), path.stem)

    assert arrays is not None
    assert set(arrays) == {"matrix"}
    assert arrays["matrix"].shape == (1, 4, 4)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"nothing of the kind"])
def test_a_torn_result_is_made_again(keep: Keep, content: bytes) -> None:
    path = keep(3)
    path.write_bytes(content or path.read_bytes()[:200])
    files = StageFiles(str(path.parents[1]), ("host",))

    assert files(get("shared-host").stage("host"), path.stem) is None
    path.write_bytes(b"")
    assert files(get("shared-host").stage("host"), path.stem) is None


def test_the_same_result_has_the_same_bytes_at_any_time(keep: Keep) -> None:
    first = keep(3, days=30).read_bytes()

    assert keep(3).read_bytes() == first


def test_a_sweep_leaves_results_that_tell_where_they_come_from(
    tmp_path: Path, client: Client
) -> None:
    sweep.run(HOSTS, workspace=tmp_path, scheduler=client)

    one, two = sorted(list_kept(tmp_path), key=lambda k: k.values["host"])

    assert (one.model, one.stage, one.revision, one.sweep) == ("shared-host", "host", 1, "hosts")
    assert one.values == {"host": 1, "diary": ""}
    assert two.values["host"] == 2
    assert not one.stale
    assert one.size == one.path.stat().st_size
    assert 0 <= one.age < 120


def test_what_is_removed_is_made_again_to_the_same_bytes(tmp_path: Path, client: Client) -> None:
    sweep.run(HOSTS, workspace=tmp_path, scheduler=client)
    before = {k.path: k.path.read_bytes() for k in list_kept(tmp_path)}

    prune(tmp_path, everything=True)
    assert list_kept(tmp_path) == []
    more = HOSTS | {"name": "more", "axes": {"defect": [2.5], "host": [1, 2]}}
    sweep.run(more, workspace=tmp_path, scheduler=client)

    after = {k.path: k for k in list_kept(tmp_path)}
    assert set(after) == set(before)
    for path, content in before.items():
        assert after[path].sweep == "more"
        assert content.replace(b'"hosts"', b'"more"').count(b'"more"') == 1
    assert sweep.open("more", tmp_path)["level"].shape == (1, 2)


# --- what is listed and removed -------------------------------------------------------------


def test_older_kinds_and_torn_files_are_unknown(keep: Keep, tmp_path: Path) -> None:
    keep(1, told=False)
    keep(2).write_bytes(b"PK torn")
    keep(3)

    kept = list_kept(tmp_path)

    assert [(k.model, k.stage, k.revision) for k in kept] == [
        ("shared-host", "host", 1), ("unknown", "unknown", None), ("unknown", "unknown", None),
    ]  # fmt: skip


def test_results_of_another_revision_are_stale(keep: Keep, tmp_path: Path) -> None:
    old, new = keep(1, revision=0), keep(2)
    gone = keep(3, model="a model that is not installed")

    assert {k.path: k.stale for k in list_kept(tmp_path)} == {old: True, new: False, gone: False}
    assert [k.path for k in prune(tmp_path, stale=True).removed] == [old]
    assert not old.exists()
    assert new.exists()
    assert gone.exists()


def test_conditions_given_together_must_all_hold(keep: Keep, tmp_path: Path) -> None:
    both, young = keep(1, days=40, revision=0), keep(2, days=1, revision=0)
    fresh, other = keep(3, days=40), keep(4, days=40, revision=0, model="slab")

    done = prune(tmp_path, stale=True, older=30 * DAY, model="shared-host")

    assert [k.path for k in done.removed] == [both]
    assert all(path.exists() for path in (young, fresh, other))


def test_all_removes_everything_with_its_folders(keep: Keep, tmp_path: Path) -> None:
    size = sum(keep(host, told=host > 1).stat().st_size for host in (1, 2, 3))

    done = prune(tmp_path, everything=True)

    assert (len(done.removed), done.size) == (3, size)
    assert list((tmp_path / ".stages").iterdir()) == []


def test_a_dry_run_removes_nothing(keep: Keep, tmp_path: Path) -> None:
    path = keep(1)
    leftover = path.with_name("x.npz.abc.partial")
    leftover.touch()
    os.utime(leftover, (1, 1))

    done = prune(tmp_path, everything=True, dry_run=True)

    assert ([k.path for k in done.removed], done.leftovers) == ([path], 1)
    assert path.exists()
    assert leftover.exists()


def test_while_a_sweep_runs_only_old_leftovers_go(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = keep(1)
    (tmp_path / "hosts/data.zarr").mkdir(parents=True)
    old, new = path.with_name("x.npz.abc.partial"), path.with_name("y.npz.abc.partial")
    for leftover in (old, new):
        leftover.touch()
    os.utime(old, (1, 1))
    monkeypatch.setattr(stage_cache, "is_owned", lambda folder: folder.name == "hosts")

    done = prune(tmp_path, everything=True)

    assert (done.removed, done.leftovers, done.running) == ((), 1, ("hosts",))
    assert path.exists()
    assert new.exists()
    assert not old.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "Give one or more of --stale, --older and --model, or --all"),
     ({"everything": True, "stale": True}, "--all leaves no choice to --stale"),
     ({"model": "shared-hots"}, 'Did you mean "shared-host"')],
)  # fmt: skip
def test_a_choice_that_is_none_is_refused(
    keep: Keep, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    path = keep(1)

    with pytest.raises(InputError, match=words):
        prune(tmp_path, **options)
    assert path.exists()


def test_no_workspace_is_an_empty_one(tmp_path: Path) -> None:
    assert list_kept(tmp_path / "not there") == []
    assert prune(tmp_path / "not there", everything=True).removed == ()


# --- the command ----------------------------------------------------------------------------


def test_the_command_lists_and_removes(keep: Keep, tmp_path: Path) -> None:
    keep(1, days=3)
    keep(2, days=5)
    keep(3, revision=0)
    here = ("--workspace", ".")

    listed = modesweep("cache", "ls", *here, cwd=tmp_path)
    told = json.loads(modesweep("cache", "ls", *here, "--json", cwd=tmp_path))
    would = modesweep("cache", "prune", "--older", "4d", "--dry-run", *here, cwd=tmp_path)
    done = modesweep("cache", "prune", "--stale", *here, cwd=tmp_path)
    rest = json.loads(modesweep("cache", "prune", "--all", "--json", *here, cwd=tmp_path))

    rows = [line.split() for line in listed.splitlines()]
    assert ["shared-host", "1", "host", "2"] in [row[:4] for row in rows]
    assert [row for row in rows if row[:4] == ["shared-host", "0", "host", "1"]][0][-2:] == [
        "stale", "hosts",
    ]  # fmt: skip
    assert "total: 3 results" in listed
    assert len(told["kept"]) == 3
    assert told["size"] == sum(k["size"] for k in told["kept"])
    assert "would be removed: 1 results" in would
    assert "\nremoved: 1 results" in done
    assert len(rest["removed"]) == 2
    assert modesweep("cache", "ls", *here, cwd=tmp_path).startswith("No results of shared stages")


@pytest.mark.parametrize(
    ("words", "said"),
    [(["cache"], "Missing command"), (["cache", "lst"], "No such command 'lst'"),
     (["cache", "prune"], "Nothing says which"),
     (["cache", "prune", "--older", "long"], "--older 'long' must be")],
)  # fmt: skip
def test_a_mistake_is_exit_2(tmp_path: Path, words: list[str], said: str) -> None:
    done = run_here(*words, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_key_does_not_depend_on_what_is_told(keep: Keep) -> None:
    model: Model = get("shared-host")
    p = model.parameters(host=3)

    assert keep(3, sweep="another").stem == content_key(model, model.stage("host"), p)
