"""Certificates of deploy/hosts, and what is said when they do not do."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client

from deploy.checks import started, until
from sweep import InputError, UnreachableError, cluster
from sweep.service.link import Link
from tests.faults.tools import COMMAND

SCRIPT = Path(__file__).parents[2] / "deploy/hosts/certificates.sh"
ROLES = ("scheduler", "worker", "client", "service")
NAMES = ("head", "10.1.2.3", "fe80::1", "127.0.0.1")
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl")


def make(folder: Path, *names: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), str(folder), *names], env={**os.environ, **env}, text=True,
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip


def told(certificate: Path, *what: str) -> str:
    command = ["openssl", "x509", "-in", str(certificate), "-noout", *what]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "certificates"
    done = make(folder, *NAMES)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    assert make(folder, *NAMES).returncode == 0
    return folder


# --- the script -----------------------------------------------------------------------------


def test_each_role_has_a_certificate_for_its_use_and_keys_are_private(certificates: Path) -> None:
    assert stat.S_IMODE(certificates.stat().st_mode) == 0o700
    for name in ("ca", *ROLES):
        assert stat.S_IMODE((certificates / f"{name}.key").stat().st_mode) == 0o600
    names = "DNS:head, IP Address:10.1.2.3, IP Address:FE80:0:0:0:0:0:0:1, IP Address:127.0.0.1"
    for role in ROLES:
        said = told(certificates / f"{role}.pem", "-ext", "subjectAltName,extendedKeyUsage")
        assert names in said
        assert ("Server Authentication" in said) == (role != "client")
        assert ("Client Authentication" in said) == (role != "service")


def test_again_it_renews_with_the_same_authority_keys_and_more_names(
    certificates: Path, tmp_path: Path
) -> None:
    shutil.copytree(certificates, tmp_path, dirs_exist_ok=True)
    kept = {p.name: p.read_bytes() for p in (tmp_path / "ca.pem", *tmp_path.glob("*.key"))}

    done = make(tmp_path, "another", "head", DAYS="7")

    assert done.returncode == 0, done.stderr
    assert {n: (tmp_path / n).read_bytes() for n in kept} == kept
    for role in ROLES:
        new = tmp_path / f"{role}.pem"
        assert told(new, "-serial") != told(certificates / f"{role}.pem", "-serial")
        said = told(new, "-ext", "subjectAltName")
        assert "DNS:another" in said
        assert said.count("DNS:head") == 1
        within = ["openssl", "x509", "-in", str(new), "-noout", "-checkend", str(8 * 86400)]
        assert subprocess.run(within, capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("names", "env", "says"),
    [
        (("bad name",), {}, "'bad name' is no host name and no address"),
        (("x\n[ca]",), {}, "is no host name and no address"),
        (("1.2",), {}, "'1.2' is no host name"),
        (("300.1.1.1",), {}, "300.1.1.1"),
        ((), {}, "Usage"),
        (("head",), {"DAYS": "ten"}, "not 'ten'"),
    ],
)
def test_what_it_cannot_do_it_says_and_makes_no_certificate(
    tmp_path: Path, names: tuple[str, ...], env: dict[str, str], says: str
) -> None:
    done = make(tmp_path / "tls", *names, **env)

    assert done.returncode == 2
    assert says in done.stderr
    assert not list(tmp_path.glob("tls/scheduler.pem"))


def test_without_the_key_of_its_authority_it_makes_nothing(
    certificates: Path, tmp_path: Path
) -> None:
    shutil.copytree(certificates, tmp_path / "tls")
    key = (tmp_path / "tls/ca.key").rename(tmp_path / "drawer.key")
    before = {p.name: p.read_bytes() for p in (tmp_path / "tls").iterdir()}

    none = make(tmp_path / "tls")
    wrong = make(tmp_path / "tls", CA_KEY=str(tmp_path / "tls/worker.key"))

    assert (none.returncode, wrong.returncode) == (2, 2)
    assert "Bring the key back" in none.stderr
    assert "is not the key of" in wrong.stderr
    assert {p.name: p.read_bytes() for p in (tmp_path / "tls").iterdir()} == before
    assert make(tmp_path / "tls", CA_KEY=str(key)).returncode == 0


# --- clients --------------------------------------------------------------------------------


def as_client(ca: Path | None, certificate: Path | None, key: Path | None) -> dict[str, Any]:
    paths = {"ca-file": ca, "client.cert": certificate, "client.key": key}
    return {f"distributed.comm.tls.{k}": v and str(v) for k, v in paths.items()}


@pytest.fixture(scope="module", params=["tls", "tcp"])
def scheduler(
    request: pytest.FixtureRequest, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    place = tmp_path_factory.mktemp(request.param)
    env = {f"DASK_DISTRIBUTED__COMM__TLS__SCHEDULER__{n}": str(certificates / f"scheduler.{e}")
           for n, e in (("CERT", "pem"), ("KEY", "key"))}  # fmt: skip
    env["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] = str(certificates / "ca.pem")
    command = [sys.executable, "-P", "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
               "--protocol", request.param, "--port", "0", "--no-dashboard"]  # fmt: skip
    with started(command, place / "log", env):
        found = until(lambda: re.search(r"Scheduler at: +(\S+)", (place / "log").read_text()),
                      "the scheduler")  # fmt: skip
        yield found[1]


def attempt(address: str) -> AbstractContextManager[Client]:
    return cluster.connect(address, None, dashboard=False, wait=5)


def why_not(address: str, settings: dict[str, Any], error: type[Exception]) -> str:
    with (
        dask.config.set(settings), pytest.raises(error, match=re.escape(address)) as caught,
        attempt(address),
    ):  # fmt: skip
        pass
    return str(caught.value)


@pytest.mark.parametrize("scheduler", ["tls"], indirect=True)
def test_a_client_of_the_authority_is_let_in_and_others_are_told_why_not(
    scheduler: str, certificates: Path, foreign: Path, tmp_path: Path
) -> None:
    c, ca = certificates, certificates / "ca.pem"
    shutil.copytree(certificates, tmp_path / "old")
    made = ["openssl", "x509", "-req", "-days", "-1", "-CA", str(ca), "-CAkey", str(c / "ca.key"),
            "-set_serial", "7", "-out", str(tmp_path / "old/client.pem")]  # fmt: skip
    request = ["openssl", "req", "-new", "-key", str(c / "client.key"), "-subj", "/CN=old"]
    asked = subprocess.run(request, check=True, capture_output=True).stdout
    ended = subprocess.run(made, input=asked, capture_output=True)

    with dask.config.set(as_client(ca, c / "client.pem", c / "client.key")), attempt(scheduler):
        pass
    other = as_client(foreign / "ca.pem", foreign / "client.pem", foreign / "client.key")
    role = as_client(ca, c / "service.pem", c / "service.key")
    stranger = as_client(ca, foreign / "client.pem", foreign / "client.key")
    assert "not trusted here" in why_not(scheduler, other, UnreachableError)
    assert "unsuitable certificate purpose" in why_not(scheduler, role, UnreachableError)
    assert re.search(r"CLIENT__CERT=\S+ is refused by \S+CA_FILE=",
                     why_not(scheduler, stranger, UnreachableError))  # fmt: skip
    plain = scheduler.replace("tls://", "tcp://")
    assert "one end speaks TLS" in why_not(plain, {}, UnreachableError)
    if ended.returncode == 0:  # newer ones refuse to make what has ended
        old = as_client(ca, tmp_path / "old/client.pem", c / "client.key")
        assert "certificate has expired" in why_not(scheduler, old, UnreachableError)


@pytest.mark.parametrize("scheduler", ["tcp"], indirect=True)
def test_a_plain_scheduler_is_none_for_who_asks_for_encryption(
    scheduler: str, certificates: Path
) -> None:
    c = certificates
    files = as_client(c / "ca.pem", c / "client.pem", c / "client.key")
    address = scheduler.replace("tcp://", "tls://")

    assert why_not(address, files, UnreachableError)
    needed = {"distributed.comm.require-encryption": True}
    assert "is not encrypted" in why_not(scheduler, files | needed, InputError)
    with attempt(scheduler):
        pass


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ca-file": None, "client.cert": None}, r"CA_FILE is not set; \S+CLIENT__CERT is not set"),
        ({"ca-file": "/nowhere/ca.pem"}, "CA_FILE=/nowhere/ca.pem cannot be read: No such file"),
        ({"client.key": "/nowhere/x.key"}, "CLIENT__KEY=/nowhere/x.key cannot be read"),
        ({"client.key": "{worker.key}"}, r"CLIENT__KEY=\S+worker.key is not the key of \S+CERT="),
        ({"client.cert": "{ca.key}"}, "are not a certificate and its key"),
        ({"ca-file": "{ca.key}"}, r"CA_FILE=\S+ca.key holds no certificate"),
        ({"client.key": "{locked}"}, "without a passphrase"),
    ],
)
def test_files_that_do_not_do_are_named_before_anybody_is_asked(
    certificates: Path, tmp_path: Path, change: dict[str, str | None], says: str
) -> None:
    c = certificates
    lock = ["openssl", "ec", "-aes128", "-passout", "pass:word", "-in", str(c / "client.key"),
            "-out", str(tmp_path / "locked")]  # fmt: skip
    subprocess.run(lock, check=True, capture_output=True)
    settings = as_client(c / "ca.pem", c / "client.pem", c / "client.key")
    for name, value in change.items():
        path = value and re.sub(r"\{(.*)\}", lambda m: str(_in(m[1], tmp_path, c)), value)
        settings[f"distributed.comm.tls.{name}"] = path

    said = why_not("tls://127.0.0.1:9", settings, InputError)

    assert re.search(says, said), said
    link = Link("tls://127.0.0.1:9", None)
    with dask.config.set(settings), pytest.raises(InputError, match="asks for certificates"):
        link.start()
    link.close()


def _in(name: str, *folders: Path) -> Path:
    return next(f / name for f in folders if (f / name).exists())


def test_a_service_without_certificates_ends_with_code_2_and_one_line(tmp_path: Path) -> None:
    command = [*COMMAND, "serve", "--workspace", str(tmp_path / "results"), "--port", "0",
               "--scheduler", "tls://127.0.0.1:9"]  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DASK_")}

    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=120)

    assert done.returncode == 2
    assert re.fullmatch("error: The scheduler tls://127.0.0.1:9 asks for .* not set.*\n",
                        done.stderr)  # fmt: skip
    assert not (tmp_path / "results" / "service.json").exists()


@pytest.mark.parametrize(
    ("address", "open_to_all"),
    [("tcp://10.255.255.1:9", True), ("tcp://nobody.invalid:9", True), ("10.255.255.1:9", True),
     ("tcp://127.0.0.1:9", False), ("tcp://localhost:9", False), ("tcp://[::1]:9", False),
     ("inproc://10.0.0.1/1/1", False)],
)  # fmt: skip
def test_a_cluster_in_the_open_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, address: str, open_to_all: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr(cluster.log, "warning", lambda text, *words: said.append(text % words))
    cluster._warn_of.cache_clear()
    for _ in range(2):
        cluster.check_address(address)

    assert len(said) == open_to_all
    assert all(address in text for text in said)
