"""Serve a workspace of this machine, have a sweep done, see who listens, end it."""

from __future__ import annotations

import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.checks import (
    MODESWEEP,
    SWEEP,
    Report,
    answer,
    beyond_loopback,
    family,
    has,
    listeners,
    run,
    service_of,
    started,
    stop,
    until,
)

HERE = Path(__file__).parent
UNIT = HERE / "modesweep.service"
PRIVATE = ("service.json", ".service/token")
MANY_THREADS = {f"{name}_NUM_THREADS": "4" for name in ("OMP", "OPENBLAS", "MKL")}
"""What a shell may say, and modesweep must not do."""


def look_at_unit(report: Report, folder: Path) -> None:
    """Have systemd read the unit of a user, with the program that is at hand."""
    said = UNIT.read_text()
    needed = ("Restart=always", "KillMode=mixed", "WantedBy=default.target")
    report.that("the unit restarts always, and begins with the session of its user",
                all(line in said.splitlines() for line in needed))  # fmt: skip
    starts = re.findall(r"(?m)^ExecStart=\S+/(\S+ \S+)", said)
    report.that("it starts `modesweep serve`", starts == ["modesweep serve"], said)
    if not has("systemd-analyze"):
        report.not_run("systemd-analyze", "systemd is not installed")
        return
    here = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={MODESWEEP}", said)
    path = folder / UNIT.name
    path.write_text(here)
    code, words = run("systemd-analyze", "verify", "--user", "--man=no", path,
                      env={"XDG_RUNTIME_DIR": str(folder)})  # fmt: skip
    report.that("systemd-analyze verify has nothing to say", code == 0 and not words, words)
    path.write_text(here.replace("Restart=always", "Restart=sometimes"))
    words = run("systemd-analyze", "verify", "--user", "--man=no", path,
                env={"XDG_RUNTIME_DIR": str(folder)})[1]  # fmt: skip
    report.that("it does say so of a broken unit", "sometimes" in words, words)


def threads_of_numerics(pids: set[int]) -> list[int]:
    """Count the threads of each process that computes."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if any("sweep.child" in word for word in process.cmdline()):
                found.append(process.num_threads())
    return found


def serve(report: Report, folder: Path) -> None:
    """Serve, submit, watch, query, and end as a system does."""
    workspace, log = folder / "results", folder / "log"
    here = ("--workspace", workspace)
    with started([MODESWEEP, "serve", *here, "--workers", 2, "--port", 0], log,
                 MANY_THREADS) as service:  # fmt: skip
        told = service_of(workspace)
        (folder / "smoke.toml").write_text(SWEEP)
        code, said = run(MODESWEEP, "submit", folder / "smoke.toml", *here)
        report.that("it takes a sweep in", code == 0, said)
        code, said = run(MODESWEEP, "watch", "smoke", "--timeout", 60, *here)
        report.that("its workers do it", code == 0 and "32" in said, said + log.read_text())
        code, said = run(MODESWEEP, "query", "smoke", "end_mode_squared > 0", *here)
        found = code == 0 and re.search(r"[1-9]\d* rows", said)
        report.that("modes are found by a condition", found, said)
        pids = family(service.pid)
        beyond, sockets = beyond_loopback(pids), len(listeners(pids))
        report.that(f"all {sockets} listeners of {len(pids)} processes are on loopback",
                    sockets > 2 and not beyond, str(beyond))  # fmt: skip
        threads = threads_of_numerics(pids)
        report.that("numerics have one thread, whatever the shell says", set(threads) == {1},
                    str(threads))  # fmt: skip
        sweeps = f"{told['url']}/api/v1/sweeps"
        report.that("/health answers", answer(f"{told['url']}/health") == 200)
        report.that("without token: 401", answer(sweeps) == 401)
        report.that("with a wrong token: 401", answer(sweeps, "x" * 43) == 401)
        report.that("with token: 200", answer(sweeps, told["token"]) == 200)
        for name in PRIVATE:
            mode = stat.S_IMODE((workspace / name).stat().st_mode)
            report.that(f"{name} is its owner's alone", mode == 0o600, oct(mode))
        report.that("the token is in no line of the log", told["token"] not in log.read_text())
        code, said = run(MODESWEEP, "serve", *here, "--port", 0)
        report.that("a second service is refused", code == 2 and "has a service already" in said,
                    said)  # fmt: skip
        code, said = run(MODESWEEP, "serve", "--workspace", folder / "open", "--host", "0.0.0.0",
                         "--port", 0)  # fmt: skip
        report.that("another address than loopback is refused without TLS",
                    code == 2 and "--tls-cert" in said, said)  # fmt: skip
        service.terminate()
        until(lambda: service.poll() is not None, "its end")
        report.that("SIGTERM ends it with code 0", service.returncode == 0, log.read_text())
        with suppress(TimeoutError):
            until(lambda: not left(pids), "the end of its workers", 20)
        report.that("it leaves nobody behind", not left(pids), str(left(pids)))
        report.that("service.json goes with it", not (workspace / "service.json").exists())
        stop(service)


def left(pids: set[int]) -> set[int]:
    """Give those of some processes that are still there."""
    return {pid for pid in pids if psutil.pid_exists(pid)
            and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE}  # fmt: skip


def look_at_machine(report: Report, folder: Path) -> None:
    """See that `doctor` speaks of what limits the workers."""
    code, said = run(MODESWEEP, "doctor", "--workspace", folder / "other")
    about = re.compile(r"\W*(ok|warning)?\W*(cores|memory)")
    rows = [line for line in said.splitlines() if about.match(line)]
    report.that("doctor says how many cores and how much memory there is", code in (0, 1) and rows,
                said)  # fmt: skip
    for row in rows:
        print("           " + " ".join(row.split()))


if __name__ == "__main__":
    report = Report("local: a service on a workstation")
    with tempfile.TemporaryDirectory() as name:
        look_at_unit(report, Path(name))
        serve(report, Path(name))
        look_at_machine(report, Path(name))
    report.not_run("the unit under systemd itself", "the check does not install units")
    report.end()
