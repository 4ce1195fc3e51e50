"""Look at Dockerfile and compose file, and do outside a container what can be done there.

With `--full` the wheel is built and installed with everything that it needs from the package
index; otherwise with what is installed already, which takes seconds.
"""

from __future__ import annotations

import fnmatch
import json
import re
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

from deploy.checks import (
    MODESWEEP,
    ROOT,
    SWEEP,
    Report,
    beyond_loopback,
    family,
    free_port,
    has,
    listeners,
    run,
    service_of,
    started,
    until,
)
from deploy.systemd.check import dask_knows

HERE = Path(__file__).parent
VERSION = version("modesweep")
FILE = HERE / "compose.yaml"
CERTIFICATES = ROOT / "deploy/hosts/certificates.sh"
HEALTHY = HERE / "healthy.py"
SCHEMA = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
PROGRAM = str(Path(sys.executable).with_name("dask"))
HARDENED = {
    "restart": "always", "read_only": True, "cap_drop": ["ALL"], "user": "10001:10001",
    "security_opt": ["no-new-privileges:true"],
}  # fmt: skip
"""What each service of the compose file must say."""
NO_COMPILERS = re.compile(r"\b(gcc|g\+\+|build-essential|gfortran|clang|apt-get install)\b")


# --- command lines, for the manifests of Kubernetes, too ------------------------------------


@cache
def options(*command: str) -> frozenset[str]:
    """Give the options that a program knows, by its own help."""
    code, said = run(*command, "--help", env={"COLUMNS": "200", "TERM": "dumb"})
    return frozenset(re.findall(r"--[a-z][a-z-]+", said)) if code == 0 else frozenset()


def unknown_options(words: Sequence[str]) -> list[str]:
    """Give the options of a command line (`dask worker ...`) that its program does not know."""
    program = {"dask": PROGRAM, "modesweep": MODESWEEP}[words[0]]
    known = options(program, words[1])
    return [w for w in words if w.startswith("--") and w.partition("=")[0] not in known]


def strange_names(names: Iterable[str]) -> list[str]:
    """Give the names of an environment that start with DASK_ and mean nothing to Dask."""
    dask_names = [n.removeprefix("DASK_") for n in names if n.startswith("DASK_DISTRIBUTED__")]
    return [n for n in dask_names if not dask_knows(n)]


# --- the files ------------------------------------------------------------------------------


def look_at_dockerfile(report: Report) -> list[tuple[str, str]]:
    """See that the image is built as the README says; give the instructions of its last stage."""
    with tempfile.TemporaryDirectory() as name:  # the parser writes where it reads
        parser = DockerfileParser(path=name)
        parser.content = (HERE / "Dockerfile").read_text()
        every = [(s["instruction"], s["value"]) for s in parser.structure]
    begins = [i for i, (what, _) in enumerate(every) if what == "FROM"]
    last = every[begins[-1] :]
    report.that("the Dockerfile has two stages", len(begins) == 2, str(begins))
    said = dict(last)
    arguments = {a.partition("=")[0]: a.partition("=")[2] for what, a in every if what == "ARG"}
    pinned = re.match(r"\d+\.\d+\.\d+-slim", arguments["PYTHON"])
    report.that("its base is pinned, by a digest if one is given", pinned and said["FROM"]
                == "python:${PYTHON}${DIGEST:+@${DIGEST}}", said["FROM"])  # fmt: skip
    report.that("it ends as a user with a fixed number", said.get("USER") == "10001:10001")
    report.that("it starts modesweep", json.loads(said["ENTRYPOINT"]) == ["modesweep"])
    report.that("it looks at /health", "5006/health" in said.get("HEALTHCHECK", ""))
    compilers = [value for what, value in every if what == "RUN" and NO_COMPILERS.search(value)]
    report.that("it brings no compilers", not compilers, str(compilers))
    sources = [w for what, value in every if what == "COPY" and "--from" not in value
               for w in value.split()[:-1]]  # fmt: skip
    gone = [s for s in sources if not (ROOT / s).exists() or left_out(s)]
    report.that(".dockerignore lets through what it copies", sources and not gone, str(gone))
    if has("hadolint"):
        code, words = run("hadolint", HERE / "Dockerfile")
        report.that("hadolint has nothing to say", code == 0, words)
    return last


def left_out(path: str) -> bool:
    """Say whether .dockerignore keeps a path from the builder; the last rule that fits decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().split():
        rule = line.removeprefix("!")
        if fnmatch.fnmatch(path, rule.removeprefix("**/")):
            out = not line.startswith("!")
    return out


def look_at_compose(report: Report, last: list[tuple[str, str]]) -> dict[str, Any]:
    """See that the compose file is one, and fits the Dockerfile; give it."""
    code, said = run(*SCHEMA, FILE)
    report.that("compose.yaml follows the schema of compose files", code == 0, said)
    with tempfile.TemporaryDirectory() as name:
        wrong = Path(name) / "compose.yaml"
        wrong.write_text(FILE.read_text().replace("scale: 2", "scale: [two]"))
        report.that("a wrong one is seen", run(*SCHEMA, wrong)[0] != 0)
    if has("docker") and run("docker", "compose", "version")[0] == 0:
        code, said = run("docker", "compose", "-f", FILE, "config", "--quiet")
        report.that("docker compose reads it", code == 0, said)
    compose: dict[str, Any] = yaml.safe_load(FILE.read_text())
    services = compose["services"]
    for name, service in services.items():
        look_at_service(report, name, service, compose)
    service = services["service"]
    port = dict(last)["EXPOSE"]
    words = service["command"]
    listens = words[words.index("--port") + 1]
    report.that("the service's port is that of the image, published on 127.0.0.1 only",
                service["ports"] == [f"127.0.0.1:{port}:{port}"] and listens == port
                and not any("ports" in s for n, s in services.items() if n != "service"),
                str(service["ports"]))  # fmt: skip
    inside = compose["networks"]["cluster"].get("internal")
    report.that("the cluster has a network of its own",
                inside and all("outside" not in s["networks"] for n, s in services.items()
                               if n != "service"))  # fmt: skip
    return compose


def look_at_service(
    report: Report, name: str, service: Mapping[str, Any], compose: Mapping[str, Any]
) -> None:
    """See that a service is hardened, and that all that it names is there."""
    other = {k: service.get(k) for k, v in HARDENED.items() if service.get(k) != v}
    limited = service.keys() >= {"mem_limit", "pids_limit"}
    report.that(f"{name} is hardened, with limits", not other and limited, str(other))
    image = service["image"]
    report.that(f"{name} has the image of this version", image == f"modesweep:{VERSION}", image)
    wrong = [n for n in service["secrets"] if n not in compose["secrets"]
             or not compose["secrets"][n]["file"].endswith(f"/{n}")]  # fmt: skip
    values = [str(v) for v in (*service["environment"].values(), *service["command"])]
    named = {Path(v).name for v in values if v.startswith("/run/secrets/")}
    report.that(f"{name} is given the secrets that it names, no others",
                not wrong and named == set(service["secrets"]),
                str(wrong or named ^ set(service["secrets"])))  # fmt: skip
    words = [*service.get("entrypoint", ["modesweep"]), *service["command"]]
    unknown = [*unknown_options(words), *strange_names(service["environment"])]
    report.that(f"{name}: `{' '.join(words[:2])}` and Dask know its settings", not unknown,
                str(unknown))  # fmt: skip


# --- what can run ---------------------------------------------------------------------------


def run_commands(report: Report, compose: Mapping[str, Any], folder: Path) -> None:
    """Run the command lines of the compose file as processes of this host, with TLS."""
    if not CERTIFICATES.exists() or not has("openssl"):
        report.not_run("the command lines", f"there is no {CERTIFICATES.name}, or no openssl")
        return
    code, said = run("sh", CERTIFICATES, folder, "modesweep", "localhost", "127.0.0.1")
    report.that("certificates are made", code == 0, said)
    files = {p.name for p in folder.iterdir()}
    report.that("they are those that the compose file asks for",
                set(compose["secrets"]) <= files, str(set(compose["secrets"]) - files))  # fmt: skip
    cluster, page, port = (free_port() for _ in range(3))
    here = {
        "0.0.0.0": "127.0.0.1", "tls://scheduler:8786": f"tls://127.0.0.1:{cluster}",
        "8786": str(cluster), "127.0.0.1:8787": f"127.0.0.1:{page}", "5006": str(port),
        "/data": str(folder / "data"), "https://modesweep:5006": f"https://localhost:{port}",
    }  # fmt: skip

    def put(value: str) -> str:
        return here.get(value, value).replace("/run/secrets", str(folder)).replace(
            "/data/", f"{folder}/data/")  # fmt: skip

    with ExitStack() as stack:
        pids, environment = set(), {}
        for name in ("scheduler", "worker", "service"):
            service = compose["services"][name]
            environment = {k: put(v) for k, v in service["environment"].items()}
            environment |= {"DASK_CONFIG": str(ROOT / "deploy/dask.yaml")}
            words = [*service.get("entrypoint", ["modesweep"]), *map(put, service["command"])]
            words[0] = str(Path(sys.executable).with_name(words[0]))
            if name == "worker":  # all containers have a loopback of their own, this host has one
                words = [w if w != here["127.0.0.1:8787"] else "127.0.0.1:0" for w in words]
                words += ["--host", "127.0.0.1"]
            process = stack.enter_context(started(words, folder / f"{name}.log", environment))
            pids.add(process.pid)
        told = service_of(folder / "data")
        (folder / "smoke.toml").write_text(SWEEP)
        code, said = run(MODESWEEP, "submit", folder / "smoke.toml", env=environment)
        report.that("the service takes a sweep in, by TLS and the token", code == 0, said)
        code, said = run(MODESWEEP, "watch", "smoke", "--timeout", 60, env=environment)
        logs = "\n".join(p.read_text()[-2000:] for p in folder.glob("*.log"))
        report.that("a worker does it, by Dask's TLS", code == 0 and "32" in said, said + logs)
        family_of_all = set().union(*map(family, pids))
        beyond = beyond_loopback(family_of_all)
        report.that("nothing listens that was not told to", listeners(family_of_all) and not beyond,
                    str(beyond))  # fmt: skip
        url = f"https://127.0.0.1:{port}/health"
        report.that(
            "the health check of the image finds the service",
            told["url"].startswith("https") and run(sys.executable, HEALTHY, url)[0] == 0,
        )
        report.that("that of the scheduler, too", until(
            lambda: run(sys.executable, HEALTHY, f"http://127.0.0.1:{page}/health")[0] == 0,
            "the scheduler's page", 20))  # fmt: skip
    report.that("it fails when nobody answers", run(sys.executable, HEALTHY, url)[0] == 1)


def build(report: Report, folder: Path, *, full: bool) -> None:
    """Do what the build stage does: a wheel, an environment, and modesweep in it."""
    alone = () if full else ("--no-build-isolation",)
    code, said = run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *alone,
                     "--wheel-dir", folder, ROOT)  # fmt: skip
    wheels = list(folder.glob(f"modesweep-{VERSION}-*.whl"))
    report.that("the wheel is built", code == 0 and len(wheels) == 1, said)
    place = folder / "modesweep"
    code, said = run(sys.executable, "-m", "venv", *(() if full else ("--without-pip",)), place)
    if full:
        code, said = run(place / "bin/pip", "install", "--quiet", "--only-binary", ":all:", *wheels,
                         seconds=900)  # fmt: skip
    else:
        site = next(place.glob("lib/python*/site-packages"))
        (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        code, said = run(sys.executable, "-m", "pip", "--python", place / "bin/python", "install",
                         "--quiet", "--no-deps", "--no-index", "--force-reinstall",
                         *wheels)  # fmt: skip
    report.that("it is installed" + (" with all that it needs" if full else ""), code == 0, said)
    inside = place / "bin/modesweep"
    code, said = run(inside, "models", cwd=folder)
    report.that("`modesweep models` there names the models", code == 0 and "chain" in said, said)
    code, said = run(inside, "doctor", "--workspace", folder / "results", "--json", cwd=folder)
    known = {f["what"]: f for f in json.loads(said)["findings"]} if said.startswith("{") else {}
    fine = known.get("packages", {}).get("value", "").count(str(place)) == 2
    report.that("`modesweep doctor` there finds it whole",
                fine and all(known[w]["verdict"] == "ok" for w in ("versions", "packages")),
                said)  # fmt: skip
    if not full:
        report.not_run("an installation with all dependencies", "it takes minutes: --full")


if __name__ == "__main__":
    report = Report("container: image and compose file")
    instructions = look_at_dockerfile(report)
    composed = look_at_compose(report, instructions)
    with tempfile.TemporaryDirectory() as name:
        run_commands(report, composed, Path(name))
    with tempfile.TemporaryDirectory() as name:
        build(report, Path(name), full="--full" in sys.argv)
    report.not_run("docker build, docker compose up", "the check needs no engine, and uses none")
    report.end()
