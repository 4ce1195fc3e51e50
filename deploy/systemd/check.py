"""Look at the units, and run their very command lines as plain processes."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import dask.config
from distributed.config import defaults

from deploy.checks import (
    MODESWEEP,
    ROOT,
    SWEEP,
    Report,
    answer,
    beyond_loopback,
    family,
    free_port,
    has,
    listeners,
    run,
    service_of,
    started,
)

HERE = Path(__file__).parent
INSTALLED = "/opt/modesweep/bin"
WORKER = "modesweep-worker@.service"
UNITS = ("modesweep-scheduler.service", WORKER, "modesweep.service")
MOST_EXPOSED = 2.0
"""systemd's score of what a unit may do to its host, from 0 to 10; below 2 it says "OK"."""
NAME = re.compile(r"\$\{?([A-Z_]+)\}?")
EXPOSURE = re.compile(r"Overall exposure level for \S+: ([0-9.]+)")
SCORING = ("systemd-analyze", "security", "--offline=true", "--no-pager")
ALWAYS = {
    "User": "modesweep", "Restart": "always", "KillSignal": "SIGTERM",
    "EnvironmentFile": "/etc/modesweep/modesweep.env", "NoNewPrivileges": "yes",
    "ProtectSystem": "strict", "CapabilityBoundingSet": "",
}  # fmt: skip
"""What each unit must say."""


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """Give the names and values of a unit or of an EnvironmentFile, in order."""
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            yield name.strip(), value.strip()


def environment() -> dict[str, str]:
    """Give what the EnvironmentFile sets."""
    return dict(lines(HERE / "modesweep.env"))


def words(command: str, values: Mapping[str, str], instance: str) -> list[str]:
    """Take a command line apart as systemd does: ${X} is one word, $X as many as it holds."""
    found: list[str] = []
    for word in command.replace("%i", instance).replace("%H", "host").split():
        if word.startswith("$") and not word.startswith("${"):
            found += values[word[1:]].split()
        else:
            found.append(NAME.sub(lambda name: values[name[1]], word))
    return found


def look_at_files(report: Report) -> None:
    """See that units and EnvironmentFile say what they must, and fit each other."""
    known = environment()
    for unit in UNITS:
        said = dict(lines(HERE / unit))
        other = {k: said.get(k) for k, v in ALWAYS.items() if said.get(k) != v}
        limits = {"MemoryMax", "TasksMax"} - set(said)
        report.that(f"{unit} restarts always, unprivileged, with limits", not other and not limits,
                    f"{other} {limits}")  # fmt: skip
        missing = set(NAME.findall(said["ExecStart"])) - set(known)
        report.that(f"{unit} uses settings of modesweep.env only", not missing, str(missing))
    threads = {n: known.get(f"{n}_NUM_THREADS") for n in ("OMP", "OPENBLAS", "MKL")}
    report.that("modesweep.env gives BLAS one thread", set(threads.values()) == {"1"}, str(threads))
    asked = re.findall(r"^#?DASK_(DISTRIBUTED__\w+)=", (HERE / "modesweep.env").read_text(), re.M)
    unknown = [name for name in asked if not dask_knows(name)]
    report.that("Dask knows the settings of TLS", asked and not unknown, str(unknown))


def dask_knows(name: str) -> bool:
    """Say whether a name of the environment is a setting that Dask has a default for."""
    key = name.lower().replace("__", ".")
    return dask.config.get(key, default=dask, config=defaults) is not dask


def verify(report: Report, folder: Path) -> None:
    """Have systemd read the units; their programs must exist, so copies name those at hand."""
    if not has("systemd-analyze"):
        report.not_run("systemd-analyze", "systemd is not installed")
        return
    here = str(Path(sys.executable).parent)
    for path in HERE.glob("modesweep*.s*"):
        (folder / path.name).write_text(path.read_text().replace(INSTALLED, here))
    files = [folder / unit.replace("@.", "@1.") for unit in UNITS]
    # an instance is named, and its template read
    shutil.copy(folder / WORKER, folder / "modesweep-worker@1.service")
    code, said = run("systemd-analyze", "verify", *files)
    report.that("systemd-analyze verify has nothing to say", code == 0 and not said, said)
    broken = folder / "broken.service"
    broken.write_text(files[0].read_text().replace("Restart=always", "Restart=sometimes"))
    said = run("systemd-analyze", "verify", broken)[1]
    report.that("it does say so of a broken unit", "sometimes" in said, said)
    for unit in UNITS:
        code, said = run(*SCORING, f"--threshold={MOST_EXPOSED * 10:.0f}", folder / unit)
        score = EXPOSURE.search(said)
        number = score[1] if score else "no score"
        report.that(f"{unit} is exposed by {number}, at most {MOST_EXPOSED}",
                    code == 0 and score is not None, said)  # fmt: skip


def run_commands(report: Report, folder: Path) -> None:
    """Start what the units start, with their environment, and have a sweep done."""
    workspace, ports = folder / "results", [free_port() for _ in range(3)]
    values = environment() | {
        "WORKSPACE": str(workspace), "DASK_CONFIG": str(ROOT / "deploy/dask.yaml"),
        "SCHEDULER_PORT": str(ports[0]), "SCHEDULER": f"tcp://127.0.0.1:{ports[0]}",
        "SCHEDULER_DASHBOARD": f"127.0.0.1:{ports[1]}", "SERVICE_PORT": str(ports[2]),
    }  # fmt: skip
    with ExitStack() as stack:
        processes = {}
        for unit in UNITS:
            _, *rest = words(dict(lines(HERE / unit))["ExecStart"], values, "1")
            program = Path(dict(lines(HERE / unit))["ExecStart"].split()[0]).name
            command = [Path(sys.executable).with_name(program), *rest]
            log = folder / f"{unit}.log"
            processes[unit] = stack.enter_context(started(command, log, values))
        told = service_of(workspace)
        (folder / "smoke.toml").write_text(SWEEP)
        here = ("--workspace", workspace)
        code, said = run(MODESWEEP, "submit", folder / "smoke.toml", *here)
        report.that("the service takes a sweep in", code == 0, said)
        code, said = run(MODESWEEP, "watch", "smoke", "--timeout", 60, *here)
        logs = "\n".join(p.read_text() for p in folder.glob("*.log"))
        report.that("the worker of the unit does it", code == 0 and "32" in said, said + logs)
        pids = set().union(*(family(p.pid) for p in processes.values()))
        beyond = beyond_loopback(pids)
        report.that("all listen on loopback", listeners(pids) and not beyond, str(beyond))
        sweeps = f"{told['url']}/api/v1/sweeps"
        report.that("/health answers", answer(f"{told['url']}/health") == 200)
        report.that("without token: 401", answer(sweeps) == 401)
        report.that("with token: 200", answer(sweeps, told["token"]) == 200)
        gone = processes[UNITS[0]]
        gone.terminate()
        gone.wait(30)
        code = processes[WORKER].wait(60)
        report.that("a worker without scheduler leaves, for systemd to start it again",
                    code is not None, logs)  # fmt: skip


if __name__ == "__main__":
    report = Report("systemd: units")
    look_at_files(report)
    with tempfile.TemporaryDirectory() as name:
        verify(report, Path(name))
    with tempfile.TemporaryDirectory() as name:
        run_commands(report, Path(name))
    report.not_run("the units under systemd itself", "the check does not install units")
    report.end()
