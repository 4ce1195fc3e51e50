"""The check-up finds what is wrong, says what to do, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import sweep
from sweep import checkup, filesystem, machine
from sweep.checkup import OK, PROBLEM, WARNING, Finding, Report
from sweep.filesystem import is_network, kind_of, locks_hold, wal_works, write_seconds
from tests.commands import SCRIPT, run_here

LONG_AGO = time.time() - 7200

SetUp = Callable[[str, dict[str, str]], None]


def found(report: Report, what: str) -> Finding:
    (finding,) = [f for f in report.findings if f.what == what]
    return finding


# --- a sound machine ------------------------------------------------------------------------


def test_a_sound_machine_has_nothing_to_mend(tmp_path: Path) -> None:
    report = sweep.doctor(tmp_path / "results")

    assert {f.what: f.value for f in report.findings if f.verdict == PROBLEM} == {}
    assert "one thread in a numerics process" in found(report, "BLAS").value
    assert "is not there yet, and can be made" in found(report, "workspace").value
    assert found(report, "file locks").verdict == OK
    assert "numpy" in found(report, "versions").value
    assert {"chain", "slab"} <= set(found(report, "models").value.split(", "))
    assert all(f.remedy for f in report.findings if f.verdict != OK)
    assert list(tmp_path.iterdir()) == []


def test_the_command_ends_with_0_and_json_has_the_verdict(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run_here("doctor", cwd=tmp_path)
    asked = run_here("doctor", "--json", "--workspace", "file", cwd=tmp_path)
    assert (done.returncode, asked.returncode) == (0, 0)
    text, told = done.stdout, asked.stdout

    for word in ("versions", "BLAS", "cores", "memory", "file system", "free space"):
        assert word in text
    report = json.loads(told)
    assert report["verdict"] == PROBLEM
    (wrong,) = [f for f in report["findings"] if f["what"] == "workspace"]
    assert "is no folder" in wrong["value"]
    assert "--workspace" in wrong["remedy"]


def test_the_command_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "results").touch()

    text = run_here("doctor", cwd=tmp_path).stdout

    assert "\nWhat to do:\n" in text
    assert "  workspace: Give a --workspace in a folder that you can write.\n" in text


# --- the installation -----------------------------------------------------------------------


def test_a_version_below_its_bound_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "version", lambda name: "1.0" if name == "zarr" else "99")

    finding = found(sweep.doctor(tmp_path), "versions")

    assert finding.verdict == PROBLEM
    assert "zarr 1.0 does not do (needs >=3" in finding.value
    assert "numpy 99" not in finding.value


def test_more_than_one_thread_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        msg = "it has 8 threads"
        raise checkup.UnreachableError(msg)

    monkeypatch.setattr(checkup.NumericsProcess, "answers", refuse)

    finding = found(sweep.doctor(tmp_path), "BLAS")

    assert (finding.value, finding.verdict) == ("it has 8 threads", PROBLEM)


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install two plug-ins that cannot be used: one breaks, one takes a taken name."""
    folder = tmp_path / "plugins"
    metadata = folder / "broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "broken_model.py").write_text("import a_package_that_is_not_there\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[modesweep.models]\nglass = broken_model:Glass\nslab = broken_model:Slab\n"
    )
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.usefixtures("plugins")
def test_a_broken_plug_in_is_named_with_its_reason(tmp_path: Path) -> None:
    report = sweep.doctor(tmp_path / "results")

    glass, slab = found(report, "model glass"), found(report, "model slab")
    assert "ModuleNotFoundError: No module named 'a_package_that_is_not_there'" in glass.value
    assert "the name is taken" in slab.value
    for finding in (glass, slab):
        assert finding.verdict == PROBLEM
        assert "package broken" in finding.remedy
    assert {"chain", "slab"} <= set(found(report, "models").value.split(", "))


def test_the_command_survives_a_broken_plug_in(tmp_path: Path, plugins: Path) -> None:
    done = subprocess.run(
        [SCRIPT, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(plugins)},
    )  # fmt: skip

    assert "problem  model glass" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


# --- cores and memory -----------------------------------------------------------------------


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetUp:
    """Give a function that sets the control groups of this process and their limits."""

    def set_up(own: str, limits: dict[str, str]) -> None:
        (tmp_path / "cgroup").write_text(own)
        for name, text in limits.items():
            path = tmp_path / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(machine, "CGROUPS", tmp_path / "sys")

    return set_up


@pytest.mark.parametrize(
    ("own", "limits"),
    [("0::/batch/me\n", {"batch/memory.max": "1073741824", "batch/me/memory.max": "max",
                         "batch/me/cpu.max": "150000 100000", "cpu.max": "max 100000"}),
     ("4:memory:/me\n3:cpu,cpuacct:/\n0::/\n",
      {"memory/me/memory.limit_in_bytes": "1073741824", "cpu/cpu.cfs_quota_us": "150000",
       "memory/memory.limit_in_bytes": "9223372036854771712"})],
    ids=["version 2", "version 1"],
)  # fmt: skip
def test_limits_of_a_container_count(
    groups: SetUp, own: str, limits: dict[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    groups(own, limits)
    monkeypatch.setattr(checkup, "cores", lambda: 4)

    report = sweep.doctor(tmp_path / "results")

    assert machine.memory_bytes() == 2**30
    assert machine.core_quota() == 1.5
    cores, memory = found(report, "cores"), found(report, "memory")
    assert cores.value == "4, of which a limit allows the time of 1.5"
    assert "--workers 1." in cores.remedy
    assert memory.value == "1.0 GiB, 256.0 MiB a core"
    assert (cores.verdict, memory.verdict) == (WARNING, WARNING)


def test_without_limits_the_machine_counts(
    groups: SetUp,
) -> None:
    groups("0::/\n", {"cpu.max": "max 100000", "memory.max": "max"})

    assert machine.core_quota() is None
    assert machine.memory_bytes() > 2**27


# --- the file system ------------------------------------------------------------------------

MOUNTS = r"""
rootfs / rootfs rw 0 0
/dev/sda1 / ext4 rw,relatime 0 0
server:/home /home nfs4 rw 0 0
tmpfs /home/me/fast tmpfs rw 0 0
//box/share /mnt/our\040share cifs rw 0 0
me@far: /mnt/far fuse.sshfs rw 0 0
disk /mnt/disk fuse.mergerfs rw 0 0
old /mnt/twice nfs rw 0 0
new /mnt/twice xfs rw 0 0
scratch /scratch lustre rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [("/etc", "ext4", False), ("/home/me/results", "nfs4", True), ("/homes", "ext4", False),
     ("/home/me/fast/x", "tmpfs", False), ("/mnt/our share/x", "cifs", True),
     ("/mnt/far", "fuse.sshfs", True), ("/mnt/disk/x", "fuse.mergerfs", False),
     ("/mnt/twice/x", "xfs", False), ("/scratch/me/../you", "lustre", True), ("/", "ext4", False)],
)  # fmt: skip
def test_the_innermost_mount_tells_the_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, kind: str, network: bool
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "mounts")

    assert kind_of(Path(path)) == kind
    assert is_network(Path(path)) is network


def test_a_link_is_followed_and_no_list_of_mounts_is_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(f"a / ext4 rw\nb {tmp_path.resolve()}/far nfs rw\n")
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "mounts")
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")

    assert is_network(tmp_path / "near/results")
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "no such file")
    assert kind_of(tmp_path) == "unknown"
    assert not is_network(tmp_path)


def test_a_network_file_system_is_a_warning_without_a_write_ahead_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text("server:/ / nfs4 rw 0 0\n")
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "mounts")

    report = sweep.doctor(tmp_path)

    assert found(report, "file system").value == "nfs4, over a network"
    assert found(report, "file system").verdict == WARNING
    assert "SQLite" not in [f.what for f in report.findings]


def test_the_probes_tell_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < write_seconds(tmp_path) < 60
    assert locks_hold(tmp_path)
    assert wal_works(tmp_path)
    assert not wal_works(tmp_path / "no such folder")
    monkeypatch.setattr(filesystem.fcntl, "flock", lambda *_: None)  # a mount without locks
    assert not locks_hold(tmp_path)


def test_a_lock_without_effect_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "locks_hold", lambda _: False)

    finding = found(sweep.doctor(tmp_path), "file locks")

    assert (finding.value, finding.verdict) == ("no effect", PROBLEM)
    assert "would not notice each other" in finding.remedy


def test_a_slow_disk_and_a_full_one_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**12, 10**12, 10**7)
    monkeypatch.setattr(checkup, "write_seconds", lambda _: 0.5)
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: usage)

    report = sweep.doctor(tmp_path)

    assert found(report, "write").verdict == WARNING
    assert found(report, "free space").verdict == PROBLEM
    assert report.verdict == PROBLEM


def test_a_folder_that_cannot_be_written_is_a_problem() -> None:
    # nobody makes a folder there, not even root
    finding = found(sweep.doctor("/proc/sys/results"), "workspace")

    assert "cannot be written" in finding.value


# --- what lies in the workspace -------------------------------------------------------------


def test_a_damaged_sweep_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    for name in ("whole", "damaged", "notes"):
        (tmp_path / name / "data.zarr").mkdir(parents=True)
        if name != "notes":
            for part in ("sweep.toml", "plan.json", "data.zarr/zarr.json", "ledger.sqlite"):
                (tmp_path / name / part).write_text("x")
    (tmp_path / "damaged/ledger.sqlite").unlink()
    (tmp_path / "damaged/plan.json").write_text("")

    report = sweep.doctor(tmp_path)

    assert found(report, "sweeps").value == "2"
    damaged = found(report, "sweep damaged")
    assert (damaged.value, damaged.verdict) == ("lacks plan.json, ledger.sqlite", PROBLEM)
    assert "sweep whole" not in [f.what for f in report.findings]


def test_leftovers_of_killed_writers_are_counted_once_they_are_old(tmp_path: Path) -> None:
    for name, old in (("c.0.abc.partial", True), ("c.1.abc.partial", False)):
        path = tmp_path / "trial/data.zarr/frequency" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 2048)
        if old:
            os.utime(path, (LONG_AGO, LONG_AGO))

    finding = found(sweep.doctor(tmp_path), "leftovers")

    assert (finding.value, finding.verdict) == ("1 (2.0 KiB)", WARNING)
