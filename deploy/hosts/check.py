"""Two hosts that are network namespaces: install, run, cut one off, and try to come in.

Takes minutes. `--full` installs all dependencies on the second host, too, instead of
borrowing them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zarr

from deploy.checks import ROOT, Report, family, has, run, service_of, started, stop, until
from deploy.local.check import left
from deploy.systemd.check import dask_knows

HERE = Path(__file__).parent
SCRIPTS = sorted(HERE.glob("*.sh"))
PIP = ("-m", "pip", "--disable-pip-version-check")
ROLES = {"head": ("scheduler", "worker", "client", "service"), "far": ("worker",)}
"""Which certificates a host needs."""
PORT, PAGES = 8786, 5006
TCP_SECONDS = 12
"""Dask counts a silent connection as lost after 30 s; here sooner, and 11 are its least."""
NOT_RESULTS = ("seconds", "attempts")
"""They tell what happened to a point, not what it is."""
CUT = """\
modesweep = 1
name = "cut"
model = "poison"
fixed = {{ slow = {slow} }}

[axes]
x = {{ arange = [200] }}
"""
"""Squares of numbers; the model is one that tests have in a package of their own."""
ASK = """
import ssl, sys, urllib.error, urllib.request
url, ca, token = sys.argv[1:]
headers = {"Authorization": "Bearer " + token} if token else {}
try:
    trusted = ssl.create_default_context(cafile=ca)
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=trusted) as r:
        print(r.status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
PLAIN = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as end:
    end.settimeout(3)
    end.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    try:
        print(repr(end.recv(1000)))
    except OSError as error:
        print(type(error).__name__)
"""
S_CLIENT = """
openssl s_client -connect "$0" -CAfile "$1/ca.pem" -cert "$1/client.pem" -key "$1/client.key" \\
    -verify_return_error </dev/null 2>&1 | LC_ALL=C tr -cd '[:print:]\\n'
"""
LISTENERS = """
import json, sys, psutil
pids = set(map(int, sys.argv[1:]))
print(json.dumps([[c.laddr.ip, c.laddr.port] for c in psutil.net_connections("tcp")
                  if c.status == "LISTEN" and c.pid in pids]))
"""
CLIENT = """
import sys
from distributed import Client
try:
    with Client(sys.argv[1], timeout=5) as client:
        client.run_on_scheduler(print)
    print("let in")
except OSError as error:
    print("refused:", type(error).__name__)
"""


class Host:
    """A network of its own, an environment, certificates; the disk is shared."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name, self.address = name, address
        self.folder = folder
        self.network = f"modesweep-{os.getpid()}-{name}"
        self.place = folder / name
        self.place.mkdir()

    @property
    def venv(self) -> Path:
        """Where modesweep is installed."""
        return self.place / "venv"

    @property
    def tls(self) -> Path:
        """Where its certificates are."""
        return self.place / "tls"

    def command(self, *words: object) -> list[str]:
        """Give a command line that runs there, and away from this repository."""
        named = ("unshare", "-u", "sh", "-c", 'hostname "$0" && exec "$@"', self.name)
        inside = ("env", "-C", self.place, "ip", "netns", "exec", self.network, *named)
        return [str(word) for word in (*inside, *words)]

    def env(self, scheduler: Host, **more: str) -> dict[str, str]:
        """Give what differs from cluster.env."""
        return {
            "VENV": str(self.venv), "CERTIFICATES": str(self.tls),
            "WORKSPACE": str(self.folder / "results"), "SCHEDULER_HOST": scheduler.address,
            "SCHEDULER_PORT": str(PORT), "SERVICE_PORT": str(PAGES),
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": f"{TCP_SECONDS}s",
        } | more  # fmt: skip

    def run(self, *words: object, **env: str) -> tuple[int, str]:
        """Run a program there to its end."""
        return run(*self.command(*words), env=env, seconds=180)

    def python(self, code: str, *words: object, **env: str) -> str:
        """Run some lines there; give what they print."""
        return self.run(self.venv / "bin/python", "-P", "-c", code, *words, **env)[1].strip()

    def settings(self, folder: Path) -> dict[str, str]:
        """Give Dask's settings of a client with certificates of a folder."""
        files = {"CA_FILE": "ca.pem", "CLIENT__CERT": "client.pem", "CLIENT__KEY": "client.key"}
        return {f"DASK_DISTRIBUTED__COMM__TLS__{k}": str(folder / v) for k, v in files.items()}

    def link(self, state: str) -> None:
        """Pull the cable of this host, or put it in again."""
        ip("-n", self.network, "link", "set", "cable", state)


def ip(*words: str) -> None:
    """Do something to networks."""
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=60)


@contextmanager
def two_hosts(folder: Path) -> Iterator[tuple[Host, Host]]:
    """Join two networks by a cable."""
    number = os.getpid() % 250
    head = Host("head", f"10.213.{number}.1", folder)
    far = Host("far", f"10.213.{number}.2", folder)
    try:
        for host in (head, far):
            ip("netns", "add", host.network)
            ip("-n", host.network, "link", "set", "lo", "up")
        ip("link", "add", "cable", "netns", head.network, "type", "veth",
           "peer", "name", "cable", "netns", far.network)  # fmt: skip
        for host in (head, far):
            ip("-n", host.network, "address", "add", f"{host.address}/30", "dev", "cable")
            host.link("up")
        yield head, far
    finally:
        for host in (head, far):
            with suppress(subprocess.CalledProcessError):
                ip("netns", "delete", host.network)


# --- files ----------------------------------------------------------------------------------


def look_at_files(report: Report) -> None:
    """See that the scripts can be read, and that Dask knows the settings."""
    wrong = [p.name for p in SCRIPTS if run("sh", "-n", p)[0] != 0]
    report.that(f"{len(SCRIPTS)} scripts can be read by sh", SCRIPTS and not wrong, str(wrong))
    if has("shellcheck"):
        code, said = run("shellcheck", "-x", "-P", "SCRIPTDIR", "-s", "sh", *SCRIPTS,
                         HERE / "cluster.env")  # fmt: skip
        report.that("shellcheck has nothing to say", code == 0, said)
    text = (HERE / "cluster.env").read_text()
    asked = re.findall(r"(?m)^export DASK_(DISTRIBUTED__\w+)=", text)
    unknown = [name for name in asked if not dask_knows(name)]
    report.that(f"Dask knows the {len(asked)} settings of cluster.env", asked and not unknown,
                str(unknown))  # fmt: skip
    report.that("cluster.env gives BLAS one thread",
                "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1" in text)  # fmt: skip


# --- installation ---------------------------------------------------------------------------


def install(report: Report, head: Host, far: Host, folder: Path, *, full: bool) -> Path:
    """Install the wheel on both hosts; give the wheel of the further models, on one of them."""
    shutil.copytree(ROOT / "tests/plugin", folder / "plugin")
    for source in (ROOT, folder / "plugin"):
        code, said = run(sys.executable, *PIP, "wheel", "--quiet", "--no-index", "--no-deps",
                         "--no-build-isolation", "--wheel-dir", folder, source)  # fmt: skip
        report.that(f"the wheel of {source.name} is built", code == 0, said)
    wheel, models = (
        next(folder.glob(f"{n}-*.whl")) for n in ("modesweep", "modesweep_trial_models")
    )
    lock = folder / "lock.txt"
    code, said = installed(head, lock, wheel, models)
    report.that("install.sh installs it with all that it needs, and writes the versions down",
                code == 0 and "numpy==" in lock.read_text(), said)  # fmt: skip
    if not full:
        borrowed(far)
    code, said = installed(far, lock, wheel)
    report.that("install.sh on the second host obeys them", code == 0, said)
    if not full:
        report.not_run("dependencies on the second host", "borrowed to save time: --full")
    lock.write_text(lock.read_text().replace("# python 3", "# python 2"))
    code, said = installed(far, lock, wheel)
    report.that("another Python is refused", code == 2 and "Use the same version" in said, said)
    lock.write_text(lock.read_text().replace("# python 2", "# python 3"))
    return models


def installed(host: Host, lock: Path, *wheels: Path) -> tuple[int, str]:
    """Run install.sh for a host; packages come from where pip has them."""
    env = {"PYTHON": sys.executable, "PIP_NO_COMPILE": "0"}  # pip turns its no-options around
    return run("sh", HERE / "install.sh", host.venv, lock, *wheels, env=env, cwd=host.place,
               seconds=600)  # fmt: skip


def borrowed(host: Host) -> None:
    """Make an environment that finds what is installed for this check."""
    subprocess.run([sys.executable, "-m", "venv", str(host.venv)], check=True)
    site = next(host.venv.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")


def certificates(report: Report, head: Host, far: Host, folder: Path) -> None:
    """Make them once, and give each host its own."""
    names = (head.address, far.address, "localhost", "127.0.0.1")
    for place in ("authority", "foreign"):
        code, said = run("sh", HERE / "certificates.sh", folder / place, *names)
        report.that(f"certificates.sh makes certificates ({place})", code == 0, said)
    for host in (head, far):
        host.tls.mkdir(mode=0o700)
        files = ["ca.pem", *(f"{r}.{e}" for r in ROLES[host.name] for e in ("pem", "key"))]
        for name in files:
            shutil.copy2(folder / "authority" / name, host.tls)


# --- who is let in --------------------------------------------------------------------------


def sockets_of(pids: set[int], *hosts: Host) -> set[tuple[str, int]]:
    """Give where processes listen, as seen in their networks."""
    said = [host.python(LISTENERS, *sorted(pids)) for host in hosts]
    return {(str(address), int(port)) for text in said for address, port in json.loads(text)}


def look_at_sockets(report: Report, head: Host, far: Host, pids: set[int], folder: Path) -> None:
    """See that whatever can be reached from another host speaks TLS, and nothing else."""
    sockets = sockets_of(pids, head, far)
    beyond = {s for s in sockets if not s[0].startswith("127.")}
    report.that(f"{len(sockets)} listeners, {len(beyond)} off loopback, each at its own address",
                {head.address: 4, far.address: 2} == Counter(a for a, _ in beyond),
                str(sorted(sockets)))  # fmt: skip
    report.that("the scheduler's pages and those of the workers are on loopback",
                any(port == 8787 for _, port in sockets - beyond), str(sockets))  # fmt: skip
    speaks, plain = [], []
    for address, port in sorted(beyond):
        other = far if address == head.address else head
        _, said = other.run("sh", "-c", S_CLIENT, f"{address}:{port}", folder / "authority")
        if "Verify return code: 0 (ok)" not in said:
            speaks.append(f"{address}:{port}\n{said[-500:]}")
        answer = other.python(PLAIN, address, port)
        if "HTTP" in answer:
            plain.append(f"{address}:{port} {answer}")
    report.that("all of these speak TLS, with a certificate of the authority",
                beyond and not speaks, "\n".join(speaks))  # fmt: skip
    report.that("plain HTTP gets nothing from any of them", beyond and not plain, "\n".join(plain))


def try_to_come_in(report: Report, head: Host, far: Host, folder: Path) -> None:
    """Knock as one who has no certificate, or a wrong one."""
    tls, tcp = f"tls://{head.address}:{PORT}", f"tcp://{head.address}:{PORT}"
    said = far.python(CLIENT, tls, **far.settings(folder / "authority"))
    report.that("a client with a certificate of the authority is let in by the scheduler",
                said.endswith("let in"), said)  # fmt: skip
    said = far.python(CLIENT, tls, **far.settings(folder / "foreign"))
    report.that("one of another authority is refused", "refused" in said, said)
    said = far.python(CLIENT, tcp)
    report.that("one without TLS is refused", "refused" in said, said)
    (folder / "smoke.toml").write_text(CUT.format(slow=0.0))
    command = (
        far.venv / "bin/modesweep",
        "run",
        folder / "smoke.toml",
        "--workspace",
        folder / "no",
    )
    code, said = head.run(head.venv / "bin/modesweep", *command[1:], "--scheduler", tcp)
    report.that("`modesweep run` without TLS: exit code 3, why, and a warning of the open network",
                code == 3 and "hangs up" in said and "is not encrypted" in said, said)  # fmt: skip
    code, said = head.run(head.venv / "bin/modesweep", *command[1:], "--scheduler", tls,
                          **head.settings(folder / "foreign"))  # fmt: skip
    report.that("... with a foreign authority: exit code 3, and why",
                code == 3 and "not trusted" in said, said)  # fmt: skip
    nowhere = head.settings(folder / "nowhere")
    code, said = head.run(head.venv / "bin/modesweep", *command[1:], "--scheduler", tls, **nowhere)
    report.that("... without its files: exit code 2, and each of them",
                code == 2 and said.count("cannot be read") == 3, said)  # fmt: skip
    code, said = far.run("sh", HERE / "service.sh", **far.env(head))
    report.that("service.sh on a host without certificates for it says so",
                code == 2 and "client.pem cannot be read" in said, said)  # fmt: skip
    code, said = head.run(head.venv / "bin/modesweep", "serve", "--workspace", folder / "open",
                          "--host", head.address)  # fmt: skip
    report.that("`modesweep serve` beyond loopback without TLS is refused",
                code == 2 and "--tls-cert" in said, said)  # fmt: skip


# --- hosts that do not fit ------------------------------------------------------------------


def unfit(stack: ExitStack, head: Host, far: Host, folder: Path) -> dict[str, Any]:
    """Start workers that are of no use, by what is wrong with them."""
    other = Host("other", far.address, folder)
    other.network = far.network
    other.tls.symlink_to(far.tls)
    borrowed(other)
    site = next(other.venv.glob("lib/python*/site-packages"))
    for path in next(far.venv.glob("lib/python*/site-packages")).glob("*"):
        if path.name.startswith(("modesweep", "sweep", "models", "dashboards")):
            shutil.copytree(path, site / path.name)
    shutil.copy2(far.venv / "bin/modesweep", other.venv / "bin")
    told = next(site.glob("modesweep-*.dist-info")) / "METADATA"
    told.write_text(re.sub(r"(?m)^Version: .*$", "Version: 0.0.1", told.read_text()))
    hidden = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"',
              folder / "results")  # fmt: skip
    ways = {"model": (far, ()), "workspace": (far, hidden), "version": (other, ())}
    return {
        what: stack.enter_context(started(
            host.command(*before, "sh", HERE / "worker.sh", 1), folder / f"bad-{what}.log",
            host.env(head),
        ))
        for what, (host, before) in ways.items()
    }  # fmt: skip


def look_at_refusals(report: Report, said: str, near: str, far: str, how: str) -> None:
    """See that each bad worker is named with its remedy, and the good one is not."""
    place = rf"tls://{re.escape(far)}:\d+ "
    for what, remedy in {
        "a missing model": "does not have the model 'poison'. Install its package there, too",
        "another version": "has modesweep 0.0.1 (the owner ",
        "a workspace that is not shared": "does not see .*results. Use a workspace that all hosts",
    }.items():  # fmt: skip
        text = remedy.replace("(", r"\(")
        report.that(f"{how}: {what} is said in words", re.search(place + text, said), said)
    report.that(f"{how}: the host that fits is not named", f"tls://{near}:" not in said.partition(
        "cannot run this sweep")[2], said)  # fmt: skip


# --- the run --------------------------------------------------------------------------------


def arrays(sweep: Path) -> dict[str, bytes]:
    """Give the bytes of every array of a sweep."""
    group = zarr.open_group(sweep / "data.zarr", mode="r")
    found = {n: np.asarray(a[...]) for n, a in group.arrays() if n not in NOT_RESULTS}
    return {n: repr(a.tolist()).encode() if a.dtype.kind in "TOU" else a.tobytes()
            for n, a in found.items()}  # fmt: skip


def blocks_of(sweep: Path) -> Counter[str]:
    """Count the blocks that were finished, by the name of the host."""
    ledger = sweep / "ledger.sqlite"
    if not ledger.exists():
        return Counter()
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as found:
        try:
            rows = found.execute("select worker from block").fetchall()
        except sqlite3.OperationalError:  # it is being made
            return Counter()
    return Counter(worker for (worker,) in rows)


def use(report: Report, head: Host, far: Host, folder: Path, models: Path) -> None:
    """Start all, have a sweep done with a host cut off in the middle, end all."""
    results, logs = folder / "results", folder / "logs"
    logs.mkdir()
    programs: dict[str, Any] = {}

    def start(stack: ExitStack, host: Host, script: str, *words: object, **more: str) -> None:
        name = f"{script}-{host.name}"
        programs[name] = stack.enter_context(started(
            host.command("sh", HERE / f"{script}.sh", *words), logs / name, host.env(head, **more),
        ))  # fmt: skip

    def said_by_all() -> str:
        return "\n".join(f"--- {p.name}\n{p.read_text()[-1500:]}" for p in logs.iterdir())

    (folder / "cut.toml").write_text(CUT.format(slow=0.4))
    client = {
        "MODESWEEP_SERVER": f"https://{head.address}:{PAGES}",
        "MODESWEEP_TOKEN_FILE": str(results / ".service/token"),
        "MODESWEEP_CA_FILE": str(far.tls / "ca.pem"),
    }
    with ExitStack() as stack:
        start(stack, head, "scheduler")
        start(stack, head, "worker", 1)
        start(stack, head, "service", SERVICE_HOST=head.address)
        told = service_of(results)
        report.that("the service answers by TLS at the address of its host",
                    told["url"] == client["MODESWEEP_SERVER"], told["url"])  # fmt: skip
        for token, status in (("", "401"), ("x" * 43, "401"), (told["token"], "200")):
            kind = "no token" if not token else "a wrong token" if token[0] == "x" else "the token"
            said = far.python(ASK, f"{told['url']}/api/v1/sweeps", far.tls / "ca.pem", token)
            report.that(f"from the other host, with {kind}: {status}", said == status, said)
        with ExitStack() as bad:
            unfit(bad, head, far, folder)
            until(lambda: workers(told, head) == 4, "the workers", 60)
            code, said = head.run(
                head.venv / "bin/modesweep", "run", folder / "cut.toml", "--workspace", results,
                "--scheduler", f"tls://{head.address}:{PORT}", **head.settings(head.tls),
            )  # fmt: skip
            report.that("`modesweep run` on hosts that do not fit: exit code 3", code == 3, said)
            look_at_refusals(report, said, head.address, far.address, "run")
            code, said = far.run(
                far.venv / "bin/modesweep", "submit", folder / "cut.toml", **client
            )
            report.that("the sweep is submitted from the other host", code == 0, said)
            with suppress(TimeoutError):
                until(lambda: "waiting" in status_of(far, client)["state"], "the sweep to wait", 60)
            now = status_of(far, client)
            report.that("the service has it wait", now["state"] == "waiting", str(now))
            look_at_refusals(report, now.get("note", ""), head.address, far.address, "service")
        code, said = installed(far, folder / "lock.txt", models)
        report.that("the missing models are installed", code == 0, said)
        start(stack, far, "worker", 1)
        until(lambda: blocks_of(results / "cut").keys() >= {head.name, far.name},
              "blocks of both hosts", 60)  # fmt: skip
        report.that("then it goes on by itself, and both hosts do blocks", True)
        far.link("down")
        until(lambda: workers(told, head) == 1, "the cut to be seen", 60)
        before = blocks_of(results / "cut")
        far.link("up")
        until(lambda: workers(told, head) == 2, "the host to come back", 60)
        report.that("a host that is cut off is missed, and joins again when it is back", True)
        code, said = head.run(
            head.venv / "bin/modesweep", "watch", "cut", "--timeout", 120, **client
        )
        report.that("the sweep is complete", code == 0 and "199 ok" in said, said + said_by_all())
        after = blocks_of(results / "cut")
        report.that(f"blocks: {after[head.name]} on one host, {after[far.name]} on the other",
                    after[far.name] > before[far.name] > 0, str((before, after)))  # fmt: skip
        quiet = CUT.format(slow=0.0).replace('"cut"', '"quiet"')
        (folder / "quiet.toml").write_text(quiet)
        code, said = run(head.venv / "bin/modesweep", "run", folder / "quiet.toml", "--workers", 1,
                         "--workspace", folder / "quiet", cwd=folder)  # fmt: skip
        same = code == 0 and arrays(results / "cut") == arrays(folder / "quiet/quiet")
        report.that("its arrays are byte for byte those of a quiet run on one host", same, said)
        code, said = head.run(head.venv / "bin/modesweep", "verify", results / "cut")
        report.that("`modesweep verify` finds nothing that came too late", code == 0, said)
        try_to_come_in(report, head, far, folder)
        pids = set().union(*(family(p.pid) for p in programs.values()))
        look_at_sockets(report, head, far, pids, folder)
        lost = psutil.Process(programs["scheduler-head"].pid).children()
        for process in lost:
            process.kill()
        with suppress(TimeoutError):
            until(lambda: workers(told, head) == 2, "the workers to find the next scheduler", 90)
        report.that("a killed scheduler is started again, and the workers come back",
                    workers(told, head) == 2, said_by_all())  # fmt: skip
        for program in programs.values():
            stop(program)
        with suppress(TimeoutError):
            until(lambda: not left(pids), "their end", 20)
        still = [psutil.Process(pid).cmdline() for pid in left(pids)]
        report.that("SIGTERM ends all, and leaves nobody behind", not still, str(still))


def status_of(host: Host, client: Mapping[str, str]) -> dict[str, Any]:
    """Ask the service for the sweep."""
    code, said = host.run(host.venv / "bin/modesweep", "ls", "--json", **client)
    found = json.loads(said) if code == 0 else []
    rows = found if isinstance(found, list) else found.get("sweeps", [])
    return next((dict(r) for r in rows if r["name"] == "cut"), {"state": said})


def workers(told: Mapping[str, Any], head: Host) -> int:
    """Ask the service how many workers it has."""
    said = head.python(
        "import json, ssl, sys, urllib.request\n"
        "url, ca, token = sys.argv[1:]\n"
        "asked = urllib.request.Request(url, headers={'Authorization': 'Bearer ' + token})\n"
        "trusted = ssl.create_default_context(cafile=ca)\n"
        "print(json.load(urllib.request.urlopen(asked, context=trusted))['workers'])",
        f"{told['url']}/api/v1/about",
        head.tls / "ca.pem",
        told["token"],
    )
    return int(said) if said.isdigit() else -1


def possible() -> str:
    """Say what is missing for networks of their own; '' if nothing is."""
    if missing := [p for p in ("ip", "openssl", "unshare", "hostname") if not has(p)]:
        return f"there is no {', '.join(missing)}"
    name = f"modesweep-{os.getpid()}-try"
    try:
        ip("netns", "add", name)
        ip("netns", "delete", name)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", b"") or str(error).encode()
        return f"no network may be made here ({why.decode().strip()})"
    return "" if run("unshare", "-m", "true")[0] == 0 else "nothing may be mounted here"


if __name__ == "__main__":
    report = Report("hosts: two networks, one cable, TLS")
    look_at_files(report)
    if why := possible():
        report.not_run("the hosts", why)
        report.end()
    with tempfile.TemporaryDirectory() as name, two_hosts(Path(name)) as (head, far):
        wheel = install(report, head, far, Path(name), full="--full" in sys.argv)
        certificates(report, head, far, Path(name))
        use(report, head, far, Path(name), wheel)
    report.not_run("hosts with kernels and clocks of their own", "these are networks of one")
    report.end()
