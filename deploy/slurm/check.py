"""Look at the settings, and run all of it on a Slurm of one node: jobs that come, go and die."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dask
import numpy as np
import psutil
import yaml
import zarr
from distributed import Client

import sweep
from deploy.checks import (
    MODESWEEP,
    SWEEP,
    Report,
    beyond_loopback,
    family,
    run,
    service_of,
    started,
    until,
)
from deploy.slurm.one_node import Slurm, missing, one_node

HERE = Path(__file__).parent
WORKERS = 3
PACKAGE = "snail"
MODEL = '''\
"""A model whose points take as long as they are told to, on machines of any speed."""

import time

import numpy as np

from models.protocol import Cost, Model, Parameters, Stage, Variable


class Numbers(Parameters):
    """A number, and the time for it."""

    x: float = 0.0
    """Any number."""
    slow: float = 0.0
    """Seconds that a point takes."""


class Root(Stage):
    """The root of a number, at leisure."""

    name = "root"
    depends_on = ("x", "slow")
    variables = (Variable("root", (), "1", "root of the number"),)

    def cost(self, parameters, part):
        """Claim what it takes."""
        return Cost(1e6 + 2e10 * parameters.slow, 1e6)

    def solve(self, p, inputs, part):
        """Sleep and compute."""
        time.sleep(p.slow)
        return {"root": np.sqrt(np.array(p.x))}


class Snail(Model):
    """Takes its time."""

    name = "snail"
    revision = 1
    title = "Roots of numbers, at leisure"
    source = "made up"
    parameters = Numbers
    dims = ()
    stages = (Root(),)
    shape_parameters = ("slow",)

    def lengths(self, p):
        """No own dims."""
        return {}
'''
SLOW = """\
modesweep = 1
name = "slow"
model = "snail"

[fixed]
slow = {slow}

[axes]
x = {{ arange = [{points}] }}
"""
POINTS, SECONDS = 72, 2.0
NOT_RESULTS = ("seconds", "attempts", "slow")
"""What tells how a point was computed, not what it is."""
QUICK = {
    # workers leave after 45 to 51 s; Slurm needs up to 30 s to see that the time of a job is over
    "walltime": "00:02:00", "memory": "1GB", "queue": "work",
    "worker-extra-args": ["--lifetime", "60s", "--lifetime-stagger", "3s", "--grace", "12s"],
    "scheduler-options": {"port": 0, "dashboard_address": "127.0.0.1:0"},
}  # fmt: skip
ADAPTIVE = {"interval": "1s", "wait-count": 8, "target-duration": "1s"}


def look_at_files(report: Report, folder: Path) -> None:
    """See that the settings are known, and that programs take what they are given."""
    written = yaml.safe_load((HERE / "slurm.yaml").read_text())
    code, said = run("bash", "-n", HERE / "start.sh")
    report.that("start.sh is a script", code == 0, said)
    accepted = run(sys.executable, "-m", "distributed.cli.dask_worker", "--help")[1]
    wanted = ["--lifetime", "--lifetime-stagger", "--preload", "--dashboard-address"]
    other = [option for option in wanted if option not in accepted]
    report.that("workers take the options that they get", not other, f"{other} {accepted}")
    if not find_spec("dask_jobqueue"):
        report.not_run("jobs", "dask-jobqueue is not installed (pip install 'modesweep[slurm]')")
        return
    import dask_jobqueue  # noqa: F401 - brings its defaults

    from deploy.slurm import cluster

    known = dask.config.get("jobqueue.slurm")
    unknown = set(written["jobqueue"]["slurm"]) - {key.replace("_", "-") for key in known}
    report.that("dask-jobqueue knows the settings of slurm.yaml", not unknown, str(unknown))
    jobs = cluster.settings(HERE / "slurm.yaml")
    report.that("slurm.yaml has a lifetime below its walltime, and one thread a worker", jobs)
    for change, sign in ((("processes", 2), "one thread"), (("walltime", "0:30:00"), "lifetime")):
        wrong = folder / "wrong.yaml"
        wrong.write_text(yaml.safe_dump({"jobqueue": {"slurm": dict([change])}}))
        code, said = run(sys.executable, "-m", "deploy.slurm.cluster", "--certificates", folder,
                         "--settings", wrong)  # fmt: skip
        report.that(f"{change[0]}: {change[1]} is refused in words",
                    code == 1 and sign in said and "Traceback" not in said, said)  # fmt: skip
    script = dask_jobqueue.slurm.SLURMJob(
        "tls://head:8786", "0", job_script_prologue=cluster.prologue([]), protocol="tls://"
    ).job_script()
    (folder / "job.sh").write_text(script)
    code, said = run("bash", "-n", folder / "job.sh")
    report.that("the script of a job is one", code == 0 and "-t 01:00:00" in script, said + script)


def add_model(folder: Path) -> None:
    """Leave a package with a model of slow points, as pip would."""
    (folder / f"{PACKAGE}.py").write_text(MODEL)
    about = folder / f"{PACKAGE}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[modesweep.models]\n{PACKAGE} = {PACKAGE}:Snail\n")


def quick_settings(folder: Path) -> Path:
    """Write slurm.yaml with times of seconds."""
    told: dict[str, Any] = yaml.safe_load((HERE / "slurm.yaml").read_text())
    told["jobqueue"]["slurm"] |= {**QUICK, "log-directory": str(folder / "logs")}
    told["distributed"] |= {"adaptive": ADAPTIVE, "deploy": {"lost-worker-timeout": "1s"}}
    file = folder / "quick.yaml"
    file.write_text(yaml.safe_dump(told))
    return file


def arrays(store: Path) -> dict[str, bytes]:
    """Give the bytes of all that a sweep has computed."""
    group = zarr.open_group(store / "data.zarr", mode="r")
    return {n: np.asarray(a[...]).tobytes() for n, a in group.arrays() if n not in NOT_RESULTS}


def attempts(store: Path) -> int:
    """Count how often points were begun again."""
    begun = np.asarray(zarr.open_group(store / "data.zarr", mode="r")["attempts"][...])
    return int((begun.astype(int) - 1).sum())


def speaks_tls_only(ip: str, port: int) -> bool:
    """Say whether a listener answers with TLS, and refuses those who show no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ip, ip)
    with socket.create_connection((host, port), 10) as plain:
        try:
            with context.wrap_socket(plain) as link:
                return link.recv(1) == b""
        except ssl.SSLError as error:
            return "certificate" in str(error).lower()
        except ConnectionError:
            return True


def workers_of(slurm: Slurm) -> Iterator[int]:
    """Give the processes that run in jobs."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            told = process.environ()
            if told.get("SLURM_CONF") == slurm.env["SLURM_CONF"] and "SLURM_JOB_ID" in told:
                yield process.pid


class Site:
    """A workspace, the service on it, and the Slurm below."""

    def __init__(self, report: Report, folder: Path, slurm: Slurm) -> None:
        self.report = report
        self.folder = folder
        self.slurm = slurm
        self.workspace = folder / "results"
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.env = {
            **slurm.env, "PYTHONPATH": path, "MAXIMUM": str(WORKERS),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SETTINGS": str(quick_settings(folder)),
        }  # fmt: skip
        self.log = folder / "start.log"

    def jobs(self) -> list[str]:
        """List jobs that wait or run."""
        return self.slurm.jobs()

    def state(self, job: str) -> str:
        """Say what became of a job."""
        said = self.slurm.ask("scontrol", "show", "job", job)
        return said.partition("JobState=")[2].split()[0]

    def command(self, *words: object) -> tuple[int, str]:
        """Run a command of modesweep on the workspace."""
        return run(MODESWEEP, *words, "--workspace", self.workspace, env=self.env)

    def done(self, name: str) -> int:
        """Count the blocks that a sweep has finished."""
        try:
            return sweep.status(name, self.workspace).blocks_done
        except sweep.SweepError:
            return 0

    def submit(self, name: str, text: str) -> None:
        """Hand a sweep in."""
        (self.folder / f"{name}.toml").write_text(text)
        code, said = self.command("submit", self.folder / f"{name}.toml")
        self.report.that(f"the service takes {name} in", code == 0, said + self.said)

    @property
    def said(self) -> str:
        """All that cluster, service and jobs wrote, of late."""
        files = [self.log, *sorted((self.folder / "logs").glob("*"))[-4:]]
        return "\n".join(f.read_text()[-3000:] for f in files if f.exists())


def run_it(report: Report, folder: Path, slurm: Slurm) -> None:
    """Have sweeps done by jobs that come, end and are killed."""
    add_model(folder)
    site = Site(report, folder, slurm)
    command = ["bash", HERE / "start.sh", site.workspace, "--port", "0"]
    with started(command, site.log, site.env) as process:
        told = service_of(site.workspace)
        report.that("there is no job while there is no sweep", site.jobs() == [])
        site.submit("smoke", SWEEP)
        code, said = site.command("watch", "smoke", "--timeout", 100)
        report.that("jobs are started for a sweep, and do it", code == 0 and "32" in said,
                    said + site.said)  # fmt: skip
        site.submit("slow", SLOW.format(slow=SECONDS, points=POINTS))
        disturb(site)
        look_at_listeners(site, process.pid)
        code, said = site.command("watch", "slow", "--timeout", 150)
        report.that("a sweep is done by jobs that are killed, run out of time and leave",
                    code == 0 and f"{POINTS}" in said, said + site.said)  # fmt: skip
        compare(site)
        try:
            until(lambda: not site.jobs(), "the end of idle jobs", 60)
            idle = True
        except TimeoutError:
            idle = False
        report.that("when nothing is to be done, all jobs end", idle, slurm.ask("squeue"))
        report.that("so did the service stay", psutil.pid_exists(told["pid"]))
        site.submit("last", SLOW.replace("slow", "last", 1).format(slow=SECONDS, points=30))
        until(lambda: site.jobs() and site.done("last"), "jobs for another sweep")
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        until(lambda: not site.jobs(), "the end of the jobs", 20)
        report.that("SIGTERM ends service, scheduler and all jobs", True)
        left = list(workers_of(slurm))
        report.that("nothing of them is left", not left, str(left))
    run_in_a_job(site)


def run_in_a_job(site: Site) -> None:
    """Have all of it run in a job of its own, which submits the others."""
    script = f"exec bash {HERE / 'start.sh'} {site.workspace} --port 0"
    log = f"--output={site.folder}/job.log"
    (site.workspace / "service.json").unlink(missing_ok=True)
    said = site.slurm.ask("sbatch", "--time=10", log, "--wrap", script, env=site.env)
    own = said.split()[-1]
    service_of(site.workspace)
    code, said = site.command("watch", "last", "--timeout", 100)
    said += (site.folder / "job.log").read_text()
    site.report.that("in a job of its own the service goes on with what was left",
                     code == 0 and "30" in said, said)  # fmt: skip
    site.slurm.ask("scancel", "--batch", "--signal=TERM", own)
    until(lambda: not site.jobs(), "the end of the jobs", 40)
    site.report.that("SIGTERM ends it there, too, with all other jobs", True)


def disturb(site: Site) -> None:
    """Kill a job in the middle of its work, and let the time of another run out."""
    until(lambda: len(site.jobs()) == WORKERS and site.done("slow") >= 3, f"{WORKERS} jobs at work")
    site.report.that(f"there is work for {WORKERS} jobs, and there are {WORKERS}", True)
    *_, other, victim = sorted(site.jobs(), key=int)  # the oldest will leave by itself
    site.slurm.ask("scontrol", "update", f"JobId={other}", "EndTime=now")
    site.slurm.ask("scancel", victim)
    until(lambda: victim not in site.jobs(), "the end of a cancelled job", 30)
    until(lambda: other not in site.jobs(), "the end of a job's time", 60)
    ends = {site.state(victim), site.state(other)}
    site.report.that("one job is cancelled, the time of another runs out",
                     ends == {"CANCELLED", "TIMEOUT"} and site.done("slow") < POINTS,
                     f"{ends}, {site.done('slow')} blocks")  # fmt: skip


def look_at_listeners(site: Site, pid: int) -> None:
    """See that nobody on the network gets anything without a certificate."""
    address = Path(f"{site.workspace}.scheduler").read_text().strip()
    site.report.that("the scheduler speaks TLS", address.startswith("tls://"), address)
    try:
        Client(address.replace("tls://", "tcp://"), timeout=5).close()
        refused = False
    except (OSError, TimeoutError):
        refused = True
    site.report.that("a client without TLS is refused", refused)
    until(lambda: len(set(workers_of(site.slurm))) > WORKERS, "workers")
    found = beyond_loopback(family(pid) | set(workers_of(site.slurm)))
    open_ones = []
    for ip, port in found:
        with suppress(ConnectionRefusedError):  # its job has just ended
            if not speaks_tls_only(ip, port):
                open_ones.append((ip, port))
    site.report.that("all that listens beyond loopback speaks TLS, to those with a certificate",
                     found and not open_ones, f"{open_ones} of {found}")  # fmt: skip


def compare(site: Site) -> None:
    """See that nothing is lost, and that the results are those of a run in peace."""
    told = sweep.status("slow", site.workspace)
    site.report.that("no point failed or is lost", told.counts == {"ok": POINTS}, str(told.counts))
    used = len(site.slurm.ask("scontrol", "--oneliner", "show", "job").splitlines())
    site.report.that(f"others took the place of those: {used} jobs", used > WORKERS + 1)
    logs = [file.read_text() for file in (site.folder / "logs").glob("*.err")]
    site.report.that("some of them left before their time was over",
                     any("modesweep-leaves" in log for log in logs))  # fmt: skip
    again = attempts(site.workspace / "slow")
    site.report.that(
        f"only what was in hand of the killed was begun again: {again} of 2", again <= 2
    )
    (site.folder / "peace.toml").write_text(SLOW.format(slow=0.0, points=POINTS))
    code, said = run(MODESWEEP, "run", site.folder / "peace.toml", "--workspace",
                     site.folder / "peace", "--workers", 1, env=site.env)  # fmt: skip
    report_same = code == 0 and arrays(site.folder / "peace/slow") == arrays(
        site.workspace / "slow"
    )
    site.report.that("all arrays are, byte by byte, those of a run in peace", report_same, said)


def main() -> None:
    """Check."""
    report = Report("slurm: jobs by dask-jobqueue")
    with tempfile.TemporaryDirectory() as name:
        look_at_files(report, Path(name))
    if program := missing():
        report.not_run("Slurm", f"{program} is not installed (apt-get install slurm-wlm munge)")
    elif find_spec("dask_jobqueue"):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as name, one_node() as slurm:
            try:
                run_it(report, Path(name), slurm)
            except (TimeoutError, subprocess.SubprocessError) as error:
                logs = [p.read_text()[-4000:] for p in Path(name).glob("start.log")]
                report.that("nothing has to be waited for too long", False, f"{error}\n{logs}")
        print(f"           ({time.monotonic() - began:.0f} s with Slurm)")
    report.not_run("several nodes, accounts, partitions of a site", "one node is all there is here")
    report.end()


if __name__ == "__main__":
    main()
