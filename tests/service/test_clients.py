"""Commands and `sweep.connect` on a service do what they do on a workspace, in the same words."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pytest

import sweep
from sweep.cli.main import main
from sweep.documents import to_toml
from tests.faults.tools import document
from tests.service.tools import QUICK_BLOCKS, Served

Command: TypeAlias = Callable[..., tuple[int, str]]
pytestmark = pytest.mark.usefixtures("plugin")
CHAIN = document(
    "chains", "chain", fixed={"atoms": 6}, axes={"mass_ratio": {"linspace": [0.5, 2.0, 6]}}
)
POISON = document("poison", fixed={"poison": "exception", "at": 3.0}, axes={"x": {"arange": [6]}})


@pytest.fixture
def modesweep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:  # fmt: skip
    """Run a command in this process; give its exit code and all that it says."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # a command sets it at its end

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["modesweep", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), "".join(capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, plugin: Path) -> Iterator[Served]:
    """A service with two sweeps that have ended, one of them with a failed point."""
    service = Served(tmp_path_factory.mktemp("served") / "results", command=QUICK_BLOCKS).start()
    service.submit(CHAIN)
    service.submit(POISON)
    service.wait_for("chains", "complete")
    service.wait_for("poison", "ended")
    yield service
    service.stop()


@pytest.fixture
def remote(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    """The environment of a user elsewhere, who has the address and the token."""
    monkeypatch.setenv("MODESWEEP_SERVER", served.told["url"])
    monkeypatch.setenv("MODESWEEP_TOKEN_FILE", str(served.workspace / ".service" / "token"))
    monkeypatch.chdir(tmp_path)
    return served


@pytest.mark.parametrize(
    "command",
    [
        ("status", "chains"), ("status",), ("status", "poison", "--json"), ("ls", "--json"),
        ("errors", "poison"), ("errors", "poison", "--json"), ("errors", "chains"),
        ("explain", "chains", "mass_ratio=0.5"), ("explain", "poison", "x=3", "--json"),
        ("explain", "chains", "mass_ratio=9"), ("status", "chans"), ("errors", "nothing"),
        ("query", "chains", "frequency_squared > 3"),
        ("query", "chains", "frequency_squared > 3", "--select", "mass_ratio=2.0", "--csv", "-"),
        ("query", "poison", "square > 8", "--json", "-"), ("query", "chains", "frequenzy > 3"),
        ("watch", "chains"), ("watch", "poison"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_command_says_the_same_of_a_service_and_of_its_workspace(
    remote: Served, modesweep: Command, command: tuple[str, ...]
) -> None:
    there = modesweep(*command)
    here = modesweep(*command, "--workspace", remote.workspace)

    assert there == here
    assert there[0] in (0, 1, 2)


def test_tables_are_those_of_the_store_to_the_last_digit(remote: Served) -> None:
    there = sweep.connect().sweep("chains")
    for expression in ("frequency_squared > 0", "end_mode_squared > 0", "status == 'ok'"):
        here = sweep.query("chains", expression, workspace=remote.workspace)
        table = there.query(expression)
        pd.testing.assert_frame_equal(table, here, check_exact=True)
        assert table.attrs == here.attrs


@pytest.mark.parametrize("options", [("netcdf", "out.nc"), ("csv", "tables"), ("csv", "one.csv")])
def test_exports_come_from_a_service_as_they_are_written_at_home(
    remote: Served, modesweep: Command, options: tuple[str, str], tmp_path: Path
) -> None:
    format, name = options
    wanted = ("--vars", "frequency_squared") if name.endswith(".csv") else ()
    command = ("export", "chains", "--format", format, *wanted)
    code, said = modesweep(*command, "--out", tmp_path / "there" / name)
    modesweep(*command, "--out", tmp_path / "here" / name, "--workspace", remote.workspace)
    again = modesweep(*command, "--out", tmp_path / "there" / name)

    there = {p.relative_to(tmp_path / "there") for p in (tmp_path / "there").rglob("*")}
    here = {p.relative_to(tmp_path / "here") for p in (tmp_path / "here").rglob("*")}
    assert code == 0, said
    assert there == here != set()
    if format == "csv":
        for path in (p for p in here if (tmp_path / "here" / p).is_file()):
            assert (tmp_path / "there" / path).read_bytes() == (
                tmp_path / "here" / path
            ).read_bytes()
    assert again[0] == 2
    assert "is there already" in again[1]


def test_a_sweep_is_submitted_followed_changed_and_removed(
    remote: Served, modesweep: Command, tmp_path: Path
) -> None:
    content = document("short", axes={"x": {"arange": [4]}})
    file = tmp_path / "short.toml"
    file.write_text(to_toml(content))

    first, second = modesweep("submit", file), modesweep("submit", file, "--json")
    watched = modesweep("watch", "short", "--timeout", "100")
    extended = modesweep("extend", "short", "x=[4.0, 5.0]")
    more = json.loads(modesweep("status", "short", "--json")[1])
    removed = modesweep("remove", "short", "--yes")
    after = modesweep("status", "short")

    assert first == (0, "short: submitted; 4 todo\nfollow it: modesweep watch short\n")
    assert second[0] == 0
    assert json.loads(second[1])["new"] is False
    assert watched[0] == 0
    assert "done:" in watched[1]
    assert extended[0] == 0, extended
    assert more["counts"] == {"ok": 6}
    assert removed[0] == 0
    assert (after[0], "There is no sweep 'short'" in after[1]) == (2, True)
    (trash,) = (remote.workspace / ".trash").glob("short-*")
    assert (trash / "data.zarr").is_dir()


def test_a_bad_file_is_refused_with_its_lines_as_at_home(
    remote: Served, modesweep: Command, tmp_path: Path
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('modesweep = 1\nname = "bad"\nmodel = "chain"\n[axes]\nmas_ratio = [1.0]\n')

    there = modesweep("submit", file)
    here = modesweep("submit", file, "--workspace", tmp_path)

    assert there == here
    assert there[0] == 2
    assert (
        'bad.toml:5  axes.mas_ratio: chain has no such parameter. Did you mean "mass_' in there[1]
    )


def test_retry_follows_to_the_end_and_tells_of_what_failed_again(
    remote: Served, modesweep: Command
) -> None:
    code, said = modesweep("retry", "poison")

    assert code == 1
    assert "ended with points that have no result: modesweep errors poison" in said
    (failure,) = sweep.connect().sweep("poison").errors()
    assert failure.attempts == 2
    with pytest.raises(RuntimeError, match="this number is poison"):
        failure.reproduce()


def test_a_workspace_leads_its_commands_to_its_service(
    served: Served, modesweep: Command, tmp_path: Path
) -> None:
    content = document("led", fixed={"slow": 0.3}, axes={"x": {"arange": [60]}})
    file = tmp_path / "led.toml"
    file.write_text(to_toml(content))
    where = ("--workspace", served.workspace)

    assert modesweep("submit", file, *where)[0] == 0
    paused = modesweep("pause", "led", *where)
    served.wait_for("led", "paused")
    timed_out = modesweep("watch", "led", "--timeout", "1", *where)
    first = modesweep("priority", "led", "3", "--json", *where)
    again = modesweep("resume", "led", *where)
    cancelled = modesweep("cancel", "led", *where)
    served.wait_for("led", "cancelled")
    watched = modesweep("watch", "led", *where)

    assert [c for c, _ in (paused, timed_out, first, again, cancelled, watched)] == [
        0,
        4,
        0,
        0,
        0,
        1,
    ]
    assert json.loads(first[1])["priority"] == 3
    assert "led has not ended yet: paused" in timed_out[1]
    assert "led is cancelled." in watched[1]


def test_a_token_is_needed_and_can_be_found_in_three_places(
    served: Served, modesweep: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, token = served.told["url"], served.told["token"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    none = modesweep("ls", "--server", url)
    file = tmp_path / "token"
    file.write_text(token)
    by_option = modesweep("ls", "--json", "--server", url, "--token-file", file)
    (tmp_path / "modesweep").mkdir()
    config = tmp_path / "modesweep" / "config.toml"
    config.write_text(f'server = "{url}"\ntoken_file = "{file}"\n')
    by_config = modesweep("ls", "--json")
    config.write_text('sever = "x"\n')
    bad_config = modesweep("ls")
    config.unlink()
    monkeypatch.setenv("MODESWEEP_TOKEN", "x" * 43)
    wrong = modesweep("ls", "--server", url)

    assert (none[0], "There is no token for" in none[1]) == (2, True)
    assert by_option[0] == by_config[0] == 0
    assert by_option == by_config
    assert (bad_config[0], "sever cannot be set there" in bad_config[1]) == (2, True)
    assert (wrong[0], "The token is missing or wrong" in wrong[1]) == (2, True)


def test_nobody_at_the_address_is_exit_code_3(
    modesweep: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODESWEEP_TOKEN", "x")
    code, said = modesweep("ls", "--server", "http://127.0.0.1:9")

    assert code == 3
    assert "The service at http://127.0.0.1:9 does not answer" in said
    with pytest.raises(sweep.UnreachableError, match="has no service that runs here"):
        sweep.connect(workspace=tmp_path)


def test_connect_has_the_verbs_of_the_command_line(served: Served) -> None:
    service = sweep.connect(workspace=served.workspace)
    slow = document("handled", fixed={"slow": 0.2}, axes={"x": {"arange": [40]}})

    handle = service.submit(slow)
    half = handle.wait("100 s", until=0.05)
    with pytest.raises(TimeoutError, match="handled was not done after"):
        handle.wait(timeout=0.01)
    paused = handle.pause()
    handle.priority(2)
    handle.resume()
    handle.cancel()
    ended = handle.wait(timeout=100)
    handle.remove()

    assert half.fraction >= 0.05
    assert not half.ended
    assert paused.state in ("pausing", "paused")
    assert ended.state == "cancelled"
    assert {s.name for s in service.sweeps()} >= {"chains", "poison"}
    assert "handled" not in {s.name for s in service.sweeps()}
    assert service.sweep("chains").explain(mass_ratio=0.5).status == "ok"
    assert {m["name"] for m in service.models()} >= {"slab", "chain", "poison"}
    with pytest.raises(sweep.NoSweepError, match="There is no sweep 'handled'"):
        service.sweep("handled")


@pytest.mark.long
def test_what_waits_without_a_service_begins_with_the_next(
    modesweep: Command, tmp_path: Path
) -> None:
    workspace = tmp_path / "results"
    file = tmp_path / "chains.toml"
    file.write_text(to_toml(CHAIN))
    where = ("--workspace", workspace)

    submitted = modesweep("submit", file, *where)
    waiting = json.loads(modesweep("status", "chains", "--json", *where)[1])
    listed = modesweep("ls", *where)
    service = Served(workspace, command=QUICK_BLOCKS).start()
    try:
        done = modesweep("watch", "chains", *where)
    finally:
        service.stop()

    assert "It begins with `modesweep serve --workspace" in submitted[1]
    assert (waiting["state"], waiting["counts"]) == ("queued", {"todo": 6})
    assert "queued" in listed[1]
    assert done[0] == 0
    assert sweep.status("chains", workspace).complete
    assert not (workspace / "service.json").exists()
