"""Intruders at the door of a real service: nobody comes in, nothing is served, nothing is written.

Each test has a source address of its own, as 127.0.0.0/8 has many: the rate limit is for the
last one.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import pickle
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.documents import to_toml
from sweep.service.routes import BASE, openapi
from sweep.service.security import BURST, Gate
from sweep.service.serving import LARGEST_BODY, LARGEST_HEADERS
from tests import effort
from tests.commands import run_here
from tests.service.stores import chains, finished
from tests.service.tools import Reply, Served

IMPATIENT = [
    sys.executable, "-P", "-c", "from sweep.service import serving; serving.SLOW_SECONDS = 1.0; "
    "from sweep.cli.main import main; main()",
]  # fmt: skip
"""The command, but it does not wait long for a body."""
NO_CLUSTER = ("--scheduler", "tcp://127.0.0.1:9")
SECRET = "the secret of another folder"
PROBLEM = {"type", "title", "status", "detail", "exit_code"}
OPERATIONS = [
    (method.upper(), path, told)
    for path, methods in openapi()["paths"].items()
    for method, told in methods.items()
]
BY_NAME = [pytest.param(m, p, t, id=t["operationId"]) for m, p, t in OPERATIONS]
METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS")
PAGES = ("/", "/login", "/health", "/nothing")
_sources = itertools.count(2)


@dataclass
class Intruder:
    """Sends requests from an address of its own, and looks at every answer for the token."""

    served: Served
    prefix: str = ""
    tls: ssl.SSLContext | None = None
    source: str = field(default_factory=lambda: "127.0.{}.{}".format(*divmod(next(_sources), 250)))

    @property
    def token(self) -> str:
        return self.served.told["token"]

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def port(self) -> int:
        return urlsplit(self.served.told["url"]).port or 0

    def api(
        self, method: str, path: str, query: Any = None, body: Any = None, **headers: str
    ) -> Reply:
        """Ask something of the API with the token."""
        target = f"{self.prefix}{BASE}{path}"
        target += f"?{urlencode(query, doseq=True)}" if query else ""
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
            sent = {"Content-Type": "application/json"} | sent
        return self.send(method, target, body, self.bearer | sent)

    def send(
        self, method: str, target: str, body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """Send a request as it is."""
        source = (self.source, 0)
        if self.tls is None:
            link = http.client.HTTPConnection("127.0.0.1", self.port, 60, source)
        else:
            link = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=60, source_address=source, context=self.tls
            )
        try:
            sent = body.encode() if isinstance(body, str) else body
            link.request(method, target, sent, headers or {})
            answer = link.getresponse()
            endless = answer.headers["Content-Type"] == "text/event-stream"
            content = answer.readline() if endless else answer.read()
        finally:
            link.close()
        reply = Reply(answer.status, answer.headers, content)  # names of any case
        assert self.token.encode() not in reply.body
        assert self.token not in str(reply.headers)
        return reply

    def raw(self, content: bytes) -> bytes:
        """Send bytes as they are; give what comes until the service closes."""
        with socket.create_connection(("127.0.0.1", self.port), 60, (self.source, 0)) as link:
            with contextlib.suppress(ConnectionError):  # it may close before it has read all
                link.sendall(content)
            return _rest(link)

    def lines(self, *lines: str, body: bytes = b"") -> bytes:
        """Send a request of these lines, and close; give the answer."""
        told = "\r\n".join([*lines, "Connection: close", "", ""])
        return self.raw(told.encode("latin-1") + body)


def _rest(link: socket.socket) -> bytes:
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := link.recv(2**16):
            pieces.append(piece)
    return b"".join(pieces)


def assert_problem(reply: Reply, *statuses: int) -> None:
    """See that a request is refused, in the one form that errors have."""
    assert reply.status in statuses, reply
    if reply.headers.get("Content-Length") == "0":
        return  # to HEAD
    assert reply.headers["Content-Type"] == "application/problem+json"
    if not reply.body:
        return
    assert set(reply.told) == PROBLEM
    assert reply.told["status"] == reply.status
    assert reply.told["type"].startswith("urn:modesweep:")
    assert reply.told["detail"]
    assert reply.told["exit_code"] in (2, 3, 5)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Tell everything in a folder from what it may become."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*")}
    return {
        name: (0, 0) if path.is_dir() else (path.lstat().st_mtime_ns, path.lstat().st_size)
        for name, path in found.items()
        # whoever reads a ledger makes those
        if not (name.startswith("results") and name.endswith(("-shm", "-wal")))
    }


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace, and with something outside of it that a link leads to."""
    folder = tmp_path_factory.mktemp("ground")
    finished(folder / "results", chains("chains", 3, 3))
    finished(folder / "outside", chains("linked", 2, 2))
    (folder / "outside" / "secret").write_text(SECRET)
    (folder / "results" / "linked").symlink_to(folder / "outside" / "linked")
    (folder / "results" / "away").symlink_to(folder / "outside")
    return folder


@pytest.fixture(scope="module")
def served(ground: Path) -> Iterator[Served]:
    options = ("--workers", "1", "--log-level", "debug")
    service = Served(ground / "results", options, IMPATIENT).start()
    yield service
    service.stop()


@pytest.fixture
def intruder(served: Served) -> Intruder:
    return Intruder(served)


@pytest.fixture
def untouched(ground: Path, served: Served) -> Iterator[None]:
    """See that a test has written nothing anywhere."""
    before = tree(ground)
    yield
    assert tree(ground).keys() == before.keys()
    changed = {k for k, v in tree(ground).items() if v != before[k]}
    assert changed <= {"results.log"}


# --- without a token ------------------------------------------------------------------------


def almost(token: str) -> dict[str, dict[str, str]]:
    last = "A" if token[-1] != "A" else "B"
    return {
        "none": {},
        "empty": {"Authorization": ""},
        "no token": {"Authorization": "Bearer "},
        "wrong": {"Authorization": f"Bearer {'x' * len(token)}"},
        "last letter": {"Authorization": f"Bearer {token[:-1]}{last}"},
        "a letter less": {"Authorization": f"Bearer {token[:-1]}"},
        "a letter more": {"Authorization": f"Bearer {token}A"},
        "other case": {"Authorization": f"Bearer {token.swapcase()}"},
        "other scheme": {"Authorization": f"Basic {token}"},
        "no scheme": {"Authorization": token},
        "other header": {"X-Token": token, "Cookie": f"token={token}"},
        "not ASCII": {"Authorization": "Bearer \xe9\xff"},
        "long": {"Authorization": f"Bearer {token * 200}"},
    }


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("method", "path", "told"), BY_NAME)
def test_without_the_token_nothing_is_served(
    intruder: Intruder, method: str, path: str, told: dict[str, Any]
) -> None:
    target = BASE + path.replace("{name}", "chains")
    body = json.dumps(chains("intruder", 2, 2)) if method == "POST" else None
    for headers in almost(intruder.token).values():
        reply = intruder.send(method, target, body, headers | {"Content-Type": "application/json"})
        if path == "/health":
            assert (reply.status, reply.told) == (200, {"status": "ok"})
        else:
            assert_problem(reply, 401)
            assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("path", ["/sweeps", "/sweeps/chains", "/about", "/openapi.json", "/none"])
def test_the_token_is_taken_from_the_header_alone(intruder: Intruder, path: str) -> None:
    for key in ("token", "access_token", "authorization", "api_key", "code"):
        assert_problem(intruder.send("GET", f"{BASE}{path}?{key}={intruder.token}"), 401)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert_problem(intruder.send("POST", BASE + path, f"token={intruder.token}", form), 401)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("method", METHODS)
def test_strangers_do_not_learn_what_there_is(intruder: Intruder, method: str) -> None:
    for path in ("/sweeps", "/sweeps/chains", "/sweeps/none", "/none", "/models/none", "/../x"):
        assert_problem(intruder.send(method, BASE + path), 401)
    for path in ("/nothing", "/api", "/api/v2/sweeps", "/static/x", "/favicon.ico", "//"):
        assert_problem(intruder.send(method, path), 401)


# --- pages ----------------------------------------------------------------------------------


def cookie(intruder: Intruder, session: str) -> dict[str, str]:
    return {"Cookie": f"modesweep-{intruder.port}={session}"}


def logged_in(intruder: Intruder) -> dict[str, str]:
    """Go by a login link; give the cookie."""
    reply = intruder.send("GET", intruder.api("POST", "/login-links").told["path"])
    assert reply.status == 200
    return {"Cookie": reply.headers["Set-Cookie"].partition(";")[0]}


@pytest.mark.usefixtures("untouched")
def test_a_page_is_shown_to_a_session_alone(intruder: Intruder) -> None:
    gate = Gate(intruder.token, frozenset(), secure=False)
    good, over = gate.session(), f"1000.{gate._signature('1000')}"
    until, _, signature = good.partition(".")
    bad = [
        "", over, until, f"{until}.", f"{int(until) + 1}.{signature}", f"{until}.{signature[:-1]}",
        f"{until}.{signature}x", f".{signature}", f"{until}.{'A' * len(signature)}",
        Gate(intruder.token[::-1], frozenset(), secure=False).session(), intruder.token[::-1],
    ]  # fmt: skip

    assert b"chains" in intruder.send("GET", "/", headers=cookie(intruder, good)).body
    for session in bad:
        reply = intruder.send("GET", "/", headers=cookie(intruder, session))
        assert reply.status == 401
        assert b"chains" not in reply.body
    for headers in ({}, intruder.bearer, {"Cookie": f"modesweep={good}"}):
        assert intruder.send("GET", "/", headers=headers).status == 401


@pytest.mark.usefixtures("untouched")
def test_a_session_changes_things_from_our_pages_alone(intruder: Intruder) -> None:
    session = logged_in(intruder)
    own = session | {"Origin": f"http://127.0.0.1:{intruder.port}"}

    assert intruder.send("GET", "/", headers=session).status == 200
    assert intruder.send("GET", f"{BASE}/sweeps", headers=session).status == 200
    for method, path, _ in OPERATIONS:
        target = BASE + path.replace("{name}", "no-such-sweep")
        if method in ("POST", "DELETE"):
            assert_problem(intruder.send(method, target, headers=session), 401)
            assert intruder.send(method, target, headers=own).status in (404, 415, 422) or (
                path == "/login-links"
            )


@pytest.mark.usefixtures("untouched")
def test_a_session_makes_no_links_for_others(intruder: Intruder) -> None:
    own = logged_in(intruder) | {"Origin": f"http://127.0.0.1:{intruder.port}"}

    assert_problem(intruder.send("POST", f"{BASE}/login-links", headers=own), 401)


@pytest.mark.usefixtures("untouched")
def test_a_login_code_is_good_once(intruder: Intruder) -> None:
    path = intruder.api("POST", "/login-links").told["path"]

    first, again = intruder.send("GET", path), intruder.send("GET", path)

    assert (first.status, again.status) == (200, 401)
    told = first.headers["Set-Cookie"]
    assert re.match(rf"modesweep-{intruder.port}=\d+\.[\w-]+;", told)
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(re.split("; *", told))
    assert "Set-Cookie" not in again.headers


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("code", ["", "x", "None", "%00", "é", "x" * 5000])
def test_codes_that_nobody_gave_open_nothing(intruder: Intruder, code: str) -> None:
    for target in (f"/login?code={quote(code)}", f"/login?code={intruder.token}", "/login"):
        reply = intruder.send("GET", target)
        assert reply.status == 401
        assert "Set-Cookie" not in reply.headers


@pytest.mark.usefixtures("untouched")
def test_what_browsers_are_told_keeps_pages_to_themselves(intruder: Intruder) -> None:
    for target in ("/", "/login", f"{BASE}/health", "/nothing"):
        headers = intruder.send("GET", target).headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert not {h for h in headers if h.lower().startswith("access-control")}
        assert "Server" not in headers


# --- other sites ----------------------------------------------------------------------------


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:{other}"])
def test_pages_of_other_sites_are_refused_everywhere(intruder: Intruder, origin: str) -> None:
    session = logged_in(intruder)
    foreign = {"Origin": origin.replace("{other}", str(intruder.port + 1))}
    for method, path, _ in OPERATIONS:
        target = BASE + path.replace("{name}", "chains")
        assert_problem(intruder.send(method, target, headers=intruder.bearer | foreign), 403)
    for method, path in itertools.product(METHODS, PAGES):
        headers = intruder.bearer | session | foreign
        assert_problem(intruder.send(method, path, headers=headers), 403)


@pytest.mark.usefixtures("untouched")
def test_own_pages_are_not_other_sites(intruder: Intruder) -> None:
    for name in ("127.0.0.1", "localhost", "[::1]"):
        own = {"Origin": f"http://{name}:{intruder.port}", "Host": f"{name}:{intruder.port}"}
        assert intruder.send("GET", f"{BASE}/sweeps", headers=intruder.bearer | own).status == 200


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("host", ["evil.example:{port}", "127.0.0.1", "127.0.0.1.nip.io:{port}"])
def test_names_that_are_bent_to_the_service_are_refused_everywhere(
    intruder: Intruder, host: str
) -> None:
    bent = {"Host": host.replace("{port}", str(intruder.port))}
    session = logged_in(intruder)
    for method, path, _ in OPERATIONS:
        target = BASE + path.replace("{name}", "chains")
        assert_problem(intruder.send(method, target, headers=intruder.bearer | bent), 403)
    for method, path in itertools.product(METHODS, PAGES):
        reply = intruder.send(method, path, headers=intruder.bearer | session | bent)
        assert_problem(reply, 403)


@pytest.mark.usefixtures("untouched")
def test_names_that_are_none_are_refused(intruder: Intruder) -> None:
    for host in ("evil@127.0.0.1", "127.0.0.1:80:80", "[", "a b", "", "é", "/"):
        headers = intruder.bearer | {"Host": f"{host}:{intruder.port}".encode("latin-1")}
        assert intruder.send("GET", f"{BASE}/sweeps", headers=headers).status in (400, 403)


@pytest.mark.usefixtures("untouched")
def test_requests_with_no_host_or_two_are_refused(intruder: Intruder) -> None:
    own, bearer = f"Host: 127.0.0.1:{intruder.port}", f"Authorization: {intruder.bearer}"
    for lines in (
        (f"GET {BASE}/sweeps HTTP/1.0", bearer),
        (f"GET {BASE}/sweeps HTTP/1.1", own, "Host: evil.example", bearer),
        (f"GET http://evil.example{BASE}/sweeps HTTP/1.1", "Host: evil.example", bearer),
        (f"GET http://evil.example{BASE}/sweeps HTTP/1.1", own, bearer),
    ):
        answer = intruder.lines(*lines)
        assert answer.startswith((b"HTTP/1.1 40", b"HTTP/1.0 40")), answer
        assert b"chains" not in answer


# --- paths ----------------------------------------------------------------------------------

ESCAPES = (
    "..", "../outside", "../../etc/passwd", "chains/../../outside", "/etc/passwd", "//etc/passwd",
    ".service", ".queue", ".trash", ".", "service.json", "..\\outside", "C:\\x", "~", "~root",
    "chains\x00", "\x00", "chains\n", "chains ", "chains.", "é", "\u2024\u2024", "away", "linked",
    "away/secret", "x" * 101, "chains;x", "*", "{name}",
)  # fmt: skip


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", ESCAPES)
def test_no_name_leads_out_of_the_workspace(intruder: Intruder, name: str) -> None:
    for method, path, told in OPERATIONS:
        if "{name}" not in path:
            continue
        body = {"extend": {"values": {"mass_ratio": [9.0]}}, "prioritize": {"priority": 1}}
        query = {"rows": {"where": "frequency_squared > 0"}, "files": {"format": "csv", "out": "x"},
                 "explanation": {"point": "mass_ratio=0.2"}}  # fmt: skip
        id_ = told["operationId"]
        where = path.replace("{name}", quote(name, safe=""))
        reply = intruder.api(method, where, query.get(id_), body.get(id_))
        assert_problem(reply, 404, 422 if id_ == "model" else 404)
        assert SECRET.encode() not in reply.body


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "path",
    [
        "/sweeps/../../../../etc/passwd", "/sweeps/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/sweeps/..%2foutside", "/sweeps/%252e%252e%252f", "/sweeps/..;/x", "/sweeps//etc/passwd",
        "/sweeps/\\..\\x", "/sweeps/%5c%2e%2e", "/sweeps/chains%00", "/sweeps/chains%0d%0aX:%20y",
        "/sweeps/chains/../chains", "/sweeps/chains/", "/sweeps/chains/secret", "/sweeps/%",
        "/sweeps/%zz", "/sweeps/%c0%ae%c0%ae", "/sweeps/away%2fsecret", "/models/../sweeps",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_workspace(intruder: Intruder, path: str) -> None:
    answer = intruder.lines(
        f"GET {BASE}{path} HTTP/1.1", f"Host: 127.0.0.1:{intruder.port}",
        f"Authorization: Bearer {intruder.token}",
    )  # fmt: skip

    assert re.match(rb"HTTP/1.1 40[04] ", answer), answer
    assert SECRET.encode() not in answer
    assert b"root:" not in answer


@pytest.mark.usefixtures("untouched")
def test_bytes_that_no_request_has_end_the_connection(intruder: Intruder) -> None:
    host = f"Host: 127.0.0.1:{intruder.port}"
    for first in (
        f"GET {BASE}/sweeps/\x00 HTTP/1.1", f"GET {BASE}/sweeps\r\nX: \x00 HTTP/1.1", "\x00\x01",
        f"GET {BASE}/sweeps HTTP/9.9", "GET", f"GET\t{BASE}/sweeps\tHTTP/1.1",
        f"GET {BASE}/sweeps HTTP/1.1\r\nContent-Length: -1",
        f"GET {BASE}/sweeps HTTP/1.1\r\nContent-Length: 1, 2",
        f"POST {BASE}/sweeps HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
        f"POST {BASE}/sweeps HTTP/1.1\r\nTransfer-Encoding: nonsense",
    ):  # fmt: skip
        answer = intruder.lines(first, host)
        assert re.match(rb"$|HTTP/1.1 40[01345] ", answer), (first, answer)


@pytest.mark.usefixtures("untouched")
def test_links_out_of_the_workspace_are_no_sweeps(intruder: Intruder, ground: Path) -> None:
    listed = intruder.api("GET", "/sweeps")

    assert [s["name"] for s in listed.told] == ["chains"]
    assert b"linked" not in intruder.api("GET", "/metrics").body
    assert b"linked" not in intruder.send("GET", "/", headers=logged_in(intruder)).body
    assert_problem(intruder.api("POST", "/sweeps", body=chains("linked", 2, 2)), 409)
    assert_problem(intruder.api("POST", "/sweeps", body=chains("away", 2, 2)), 409)
    assert (ground / "outside" / "secret").read_text() == SECRET


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("form", ["csv", "netcdf", "phonopy"])
@pytest.mark.parametrize(
    "out",
    [
        "../x", "/tmp/intruder", "a/b", "..", ".", "", ".x", "-x", "x\x00", "x\n", "..\\x", "~/x",
        "%2e%2e%2fx", "x" * 200, "x/../../y", "é", "chains/data.zarr", "x y",
    ],
)  # fmt: skip
def test_an_export_has_a_plain_name(intruder: Intruder, form: str, out: str) -> None:
    reply = intruder.api("GET", "/sweeps/chains/export", {"format": form, "out": out})

    assert_problem(reply, 422)
    assert "parameter out" in reply.told["detail"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("out", ["x", "token", "a..b", "x.csv", "con.nc"])
def test_an_export_is_sent_and_leaves_nothing_behind(intruder: Intruder, out: str) -> None:
    form = "netcdf" if out.endswith(".nc") else "csv"
    query = {"format": form, "out": out, "vars": "frequency_squared"}
    reply = intruder.api("GET", "/sweeps/chains/export", query)

    assert reply.status == 200
    with tarfile.open(fileobj=io.BytesIO(reply.body)) as archive:
        members = archive.getmembers()
    names = {m.name for m in members}
    assert all(m.isfile() and ".." not in Path(m.name).parts for m in members)
    assert all(n.startswith(out.removesuffix(".csv")) for n in names)
    assert set(json.loads(reply.headers["Modesweep-Files"])) == names


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("file", ["../x", "/etc/passwd", "a/b", "", "é", "x" * 201, "<b>"])
def test_a_sweep_file_is_called_by_a_plain_name(intruder: Intruder, file: str) -> None:
    for path in ("/plan", "/sweeps"):
        reply = intruder.api("POST", path, {"file": file}, chains("intruder", 2, 2))
        assert_problem(reply, 422)
        assert "parameter file" in reply.told["detail"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "name",
    [
        "../x", "/tmp/intruder", "a/b", ".x", "..", ".service", "service.json", "", "x\x00y", "x\n",
        "x" * 101, "%2e%2e%2fx", "\\x", "é", None, 3, ["x"], {"x": 1},
    ],
)  # fmt: skip
def test_a_sweep_has_a_plain_name(intruder: Intruder, name: Any) -> None:
    content = chains("x", 2, 2) | {"name": name}
    bodies = {"application/json": json.dumps(content), "application/yaml": json.dumps(content)}
    if name is not None:
        bodies["application/toml"] = to_toml(content)
    for (kind, body), path in itertools.product(bodies.items(), ("/plan", "/sweeps")):
        assert_problem(intruder.api("POST", path, body=body, Content_Type=kind), 422)


# --- bodies ---------------------------------------------------------------------------------


def post(intruder: Intruder, length: int) -> list[str]:
    return [f"POST {BASE}/plan HTTP/1.1", f"Host: 127.0.0.1:{intruder.port}",
            f"Authorization: Bearer {intruder.token}", "Content-Type: application/json",
            f"Content-Length: {length}"]  # fmt: skip


@pytest.mark.usefixtures("untouched")
def test_large_bodies_are_not_read(intruder: Intruder) -> None:
    assert b" 400 " in intruder.lines(*post(intruder, LARGEST_BODY + 1))
    assert b" 400 " in intruder.lines(*post(intruder, 10**15))
    chunked = [*post(intruder, 0)[:-1], "Transfer-Encoding: chunked", "Connection: close", "", ""]
    piece = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    answer = intruder.raw("\r\n".join(chunked).encode() + piece * 9 + b"0\r\n\r\n")
    assert re.match(rb"$|HTTP/1.1 400 ", answer)
    assert_problem(intruder.api("POST", "/plan", body="[" + " " * (LARGEST_BODY - 1),
                                Content_Type="application/json"), 422)  # fmt: skip


@pytest.mark.usefixtures("untouched")
def test_large_headers_are_not_read(intruder: Intruder) -> None:
    host = f"Host: 127.0.0.1:{intruder.port}"
    for lines in (
        [f"GET {BASE}/sweeps HTTP/1.1", host, f"X: {'x' * LARGEST_HEADERS}"],
        [f"GET {BASE}/sweeps?{'x' * LARGEST_HEADERS} HTTP/1.1", host],
        [f"GET {BASE}/sweeps HTTP/1.1", host, *[f"X-{i}: y" for i in range(10_000)]],
    ):
        assert re.match(rb"$|HTTP/1.1 4\d\d ", intruder.lines(*lines))


@pytest.mark.usefixtures("untouched")
def test_too_many_parameters_are_refused(intruder: Intruder) -> None:
    many = intruder.api("GET", "/sweeps/chains/query", {f"x{i}": "" for i in range(900)})
    assert_problem(many, 422)
    assert "And 881 more." in many.told["detail"]
    # Tornado itself refuses so many since 6.5
    assert intruder.api("GET", "/sweeps", {f"x{i}": "" for i in range(5000)}).status in (400, 422)
    for query in (
        {"select": ["mass_ratio=1"] * 201, "where": "1"},
        {"where": ["1"] * 900}, {"vars": ["x"] * 101, "where": "1"}, {"where": "x" * 10_001},
        {"where": "1", "limit": 10**7}, {"where": "1", "limit": "9" * 5000},
        {"where": "1", "select": "mass_ratio=" + "[" * 1900}, {"where": "(" * 5000 + "1"},
        {"where": "1", "select": "mass_ratio" + ".a" * 900 + "=1"}, {"where": "-" * 9999 + "1"},
        {"where": "frequency_squared" + " ** 9" * 1000 + " > 0"}, {"where": "1", "unit": "x" * 201},
    ):  # fmt: skip
        assert_problem(intruder.api("GET", "/sweeps/chains/query", query), 422)
    assert_problem(intruder.api("GET", "/sweeps/chains/explain", {"point": ["a=1"] * 51}), 422)
    assert_problem(intruder.api("GET", "/sweeps/chains/query?where=%ff%fe"), 400)


@pytest.mark.usefixtures("untouched")
def test_a_body_that_does_not_come_is_not_waited_for(intruder: Intruder) -> None:
    request = "\r\n".join([*post(intruder, 1000), "", ""]).encode() + b"{"

    # the socket waits far longer than the service does
    assert not re.match(rb"HTTP/1.1 2", intruder.raw(request))


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "kind",
    [
        "", "text/plain", "text/html", "application/x-www-form-urlencoded", "application/json5",
        "application/python-pickle", "application/octet-stream", "application/x-yaml", "json",
        "application/jsonx; charset=utf-8", "multipart/form-data; boundary=x", "é", "*/*",
    ],
)  # fmt: skip
def test_other_kinds_of_bodies_are_refused(intruder: Intruder, kind: str) -> None:
    good = json.dumps(chains("intruder", 2, 2))
    for path in ("/sweeps", "/plan", "/sweeps/chains/extend", "/sweeps/chains/priority"):
        reply = intruder.api("POST", path, body=good, Content_Type=kind.encode("latin-1"))
        # Tornado itself takes apart what calls itself a form
        assert_problem(reply, 415, 400 if "multipart" in kind else 415)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("kind", ["toml", "yaml"])
def test_small_questions_are_asked_in_json_alone(intruder: Intruder, kind: str) -> None:
    for path in ("/sweeps/chains/extend", "/sweeps/chains/priority"):
        reply = intruder.api("POST", path, body="priority = 1", Content_Type=f"application/{kind}")
        assert_problem(reply, 415)


DEEP = 200_000
BOMBS = {
    "json lists": ("json", "[" * DEEP + "]" * DEEP),
    "json tables": ("json", '{"a":' * DEEP),
    "json values": ("json", '{"modesweep":1,"name":"x","model":"chain","fixed":{"atoms":'
                            + "[" * 900 + "]" * 900 + "}}"),
    "json digits": ("json", '{"modesweep":' + "9" * 10_000 + "}"),
    "json numbers": ("json", '{"modesweep":1e999,"name":NaN,"model":-Infinity}'),
    "json twice": ("json", '{"name":"x","name":"y"}'),
    "json halves": ("json", '{"modesweep":1,"name":"\\ud800","model":"\\udfff"}'),
    "json keys": ("json", json.dumps({f"k{i}": 0 for i in range(20_000)})),
    "json outputs": ("json", json.dumps(chains("x", 2, 2) | {"outputs": ["y"] * 50_000})),
    "yaml lists": ("yaml", "[" * 600),
    "yaml tables": ("yaml", "{a: " * 2000),
    "yaml dashes": ("yaml", "- " * 5000),
    "yaml laughs": ("yaml", "a: &a [x,x]\n" + "".join(
        f"{b}: &{b} [*{a},*{a},*{a}]\n" for a, b in itertools.pairwise("abcdefghijkl"))),
    "yaml self": ("yaml", "&a [*a]"),
    "yaml merge": ("yaml", "a: &a {x: 1}\nb: {<<: *a}"),
    "yaml python": ("yaml", "!!python/object/apply:os.system ['touch intruder']"),
    "yaml module": ("yaml", "!!python/module:os"),
    "yaml bool": ("yaml", "modesweep: !!bool nonsense"),
    "yaml int": ("yaml", "modesweep: !!int ''"),
    "yaml float": ("yaml", "modesweep: !!float ''"),
    "yaml time": ("yaml", "modesweep: !!timestamp nonsense"),
    "yaml date": ("yaml", "modesweep: 2001-99-99"),
    "yaml set": ("yaml", "!!set {modesweep, name}"),
    "yaml bytes": ("yaml", "{modesweep: !!binary AAAA, name: x, model: chain}"),
    "yaml several": ("yaml", "a: 1\n---\nb: 2"),
    "toml lists": ("toml", "a = " + "[" * 50_000),
    "toml tables": ("toml", "a = " + "{a=" * 50_000),
    "toml dots": ("toml", "a" + ".a" * 3000 + " = 1"),
    "toml digits": ("toml", "modesweep = " + "9" * 10_000),
    "toml date": ("toml", "modesweep = 2001-01-01\nname = 07:00:00"),
}  # fmt: skip


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("kind", "body"), BOMBS.values(), ids=BOMBS)
def test_bombs_do_not_go_off(intruder: Intruder, kind: str, body: str) -> None:
    paths = ("/sweeps", "/sweeps/chains/extend", "/sweeps/chains/priority")
    for path in paths if kind == "json" else paths[:1]:
        reply = intruder.api("POST", path, body=body, Content_Type=f"application/{kind}")
        assert_problem(reply, 422)
        assert len(reply.body) < 2**16


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_are_not_opened(intruder: Intruder, tmp_path: Path, protocol: int) -> None:
    body = pickle.dumps(Touch(tmp_path / "opened"), protocol)
    for method, path, _ in OPERATIONS:
        for kind in ("json", "toml", "yaml", "python-pickle", "octet-stream"):
            target = path.replace("{name}", "chains")
            headers = {"Content_Type": f"application/{kind}"}
            assert_problem(intruder.api(method, target, body=body, **headers), 415, 422)

    assert not (tmp_path / "opened").exists()
    assert pickle.loads(body) is None
    assert (tmp_path / "opened").exists()  # it would have been


# --- fuzz -----------------------------------------------------------------------------------

WORDS = (
    "", " ", ".", "..", "../../outside", "/etc/passwd", "%2e%2e%2f", "\x00", "\n", "é", "\u202e",
    "😀", "chains", "linked", "mass_ratio", "mass_ratio=0.2", "mass_ratio=[", "mass_ratio={a=1}",
    "mass_ratio=nan", "end_mass_ratio=0.3", "end_mass_ratio=1e999", "=", "a=b=c", "mode=1",
    "frequency_squared", "frequency_squared > 1", "status == 'ok'", "1", "0", "-1", "1e400", "null",
    "true", "false", "THz", "cm-1", "csv", "x.nc", "9" * 400, "x" * 3000, "__class__", "{}", "[]",
    "<script>", "'; drop table block", "${jndi:x}", "frequency_squared > mass_ratio ** 99",
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.sampled_from([2**63, 10**30, -(10**400)]),
    st.floats(), st.sampled_from(WORDS), st.text(max_size=8),
)  # fmt: skip
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*WORDS, "values", "priority", "name", "axes"]), inner,
                        max_size=3),
    ),
    max_leaves=5,
)  # fmt: skip
KEYS = ("modesweep", "name", "model", "outputs", "where", "zip", "fixed", "axes", "run", "junk")
OWN = tuple(f"fuzz-{i}" for i in range(3))
"""Sweeps that requests may make, change and remove."""


@dataclass(frozen=True)
class Request:
    """What is sent."""

    method: str
    target: str
    body: bytes | None
    headers: dict[str, str]
    submits: bool


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Give values that a schema of the document takes, so far as a word can tell."""
    if "anyOf" in schema:
        return st.one_of([fitting(s) for s in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "boolean":
        return st.booleans()
    if kind == "array":
        return st.lists(fitting(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "object":
        given_ = {k: fitting(v) for k, v in schema.get("properties", {}).items()}
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            names = st.sampled_from(["mass_ratio", "end_mass_ratio", "x"])
            return st.dictionaries(names, fitting(more), min_size=1, max_size=2)
        return st.fixed_dictionaries(given_)
    if kind == "string" and "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return st.sampled_from(WORDS) if kind == "string" else SCALARS


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Make a small sweep file, which is whole, or has a key or two of junk."""
    content = chains(draw(st.sampled_from(OWN)), draw(st.integers(1, 3)), 2)
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=2)):
        if draw(st.booleans()):
            content.pop(key, None)
        elif isinstance(content.get(key), dict):
            inner = draw(st.sampled_from([*content[key], "junk", "atoms"]))
            content[key] = content[key] | {inner: draw(JUNK)}
        else:
            content[key] = draw(JUNK)
    return content


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Make a request of what the document says, or of nearly that."""
    method, path, told = draw(st.sampled_from(OPERATIONS))
    if draw(st.integers(0, 19)) == 0:
        method = draw(st.sampled_from(METHODS))
    id_ = told["operationId"]
    query: list[tuple[str, str]] = []
    for p in told["parameters"]:
        if p["in"] == "path":
            path = path.replace("{name}", quote(_name(draw, method, id_), safe=""))
        elif draw(st.integers(0, 9)) < (9 if p["required"] else 5):
            fits = draw(st.integers(0, 9)) < 6
            value = draw(fitting(p["schema"]) if fits else SCALARS)
            query += [
                (p["name"], _text(v)) for v in (value if isinstance(value, list) else [value])
            ]
    if draw(st.integers(0, 19)) == 0:
        query.append((draw(st.sampled_from(WORDS)), _text(draw(SCALARS))))
    headers, body = _body(draw, told)
    target = f"{BASE}{path}?{urlencode(query)}" if query else BASE + path
    return Request(method, target[:50_000], body, headers, id_ == "submit")


def _name(draw: st.DrawFn, method: str, id_: str) -> str:
    """Name a sweep or a model; `chains` is looked at, and never changed."""
    if id_ == "model":
        return draw(st.sampled_from(["chain", "slab", *WORDS]))
    changing = method in ("POST", "DELETE")
    usual = st.sampled_from(OWN) if changing else st.sampled_from(["chains", "chains", *OWN])
    odd = st.sampled_from([w for w in WORDS if w != "chains"])
    return draw(usual if draw(st.integers(0, 9)) < 8 else odd)


def _text(value: Any) -> str:
    return str(value).encode(errors="replace").decode()


def _body(draw: st.DrawFn, told: dict[str, Any]) -> tuple[dict[str, str], bytes | None]:
    kinds = told.get("requestBody", {}).get("content", {})
    if not kinds:
        none = draw(st.integers(0, 9)) < 9
        return {}, None if none else json.dumps(draw(JUNK)).encode()
    kind = draw(st.sampled_from(sorted(kinds)))
    if told["operationId"] in ("submit", "planned"):
        content = draw(documents())
    else:
        content = draw(fitting(kinds[kind]["schema"]) if draw(st.booleans()) else JUNK)
    try:
        text = to_toml(content) if kind.endswith("toml") else json.dumps(content)
    except (AttributeError, TypeError, ValueError):  # what TOML cannot say
        text = json.dumps(content)
    body = text.encode(errors="replace")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=6)) + body[at + draw(st.integers(0, 9)) :]
    if draw(st.integers(0, 19)) == 0:
        kind = draw(st.sampled_from(["text/plain", "application/json", "application/x-www-form"]))
    return {"Content-Type": kind}, body


ANY_NUMBER = settings(derandomize=True, deadline=None, database=None)
STRANGERS = settings(ANY_NUMBER, max_examples=1000 if effort.LONG else 60)
FUZZ = settings(ANY_NUMBER, max_examples=1000 if effort.LONG else 200)
_fuzzed = itertools.count()


@pytest.mark.usefixtures("untouched")
def test_fuzzed_requests_of_strangers_are_all_refused(served: Served) -> None:
    sources = [Intruder(served) for _ in range(5)]

    @STRANGERS
    @given(requests())
    def refused(request: Request) -> None:
        intruder = sources[next(_fuzzed) % len(sources)]
        reply = intruder.send(request.method, request.target, request.body, request.headers)
        if (request.method, urlsplit(request.target).path) != ("GET", f"{BASE}/health"):
            assert_problem(reply, 401)
        elif reply.status != 200 or reply.told != {"status": "ok"}:
            assert_problem(reply, 422)

    refused()


def test_fuzzed_requests_are_answered_or_refused_in_words(served: Served, ground: Path) -> None:
    sources = [Intruder(served) for _ in range(5)]
    before = set(tree(ground))
    submitted: set[str] = set()
    statuses: dict[int, int] = {}

    @FUZZ
    @given(requests())
    def answered(request: Request) -> None:
        intruder = sources[next(_fuzzed) % len(sources)]
        headers = intruder.bearer | request.headers
        reply = intruder.send(request.method, request.target, request.body, headers)
        statuses[reply.status] = statuses.get(reply.status, 0) + 1
        if reply.status >= 400:
            assert_problem(reply, 400, 404, 405, 409, 415, 422)
        elif request.submits and request.method == "POST":
            submitted.add(reply.told["name"])

    answered()

    assert {200, 201, 404, 405, 415, 422} <= set(statuses)
    assert submitted <= set(OWN)
    allowed = re.compile(
        rf"results/({'|'.join(map(re.escape, submitted))})(/.*)?"
        rf"|results/\.queue(/({'|'.join(map(re.escape, submitted))}|chains)\.json.*)?"
        r"|results/\.trash(/.*)?|results/\.stages(/.*)?|results/\.rates\.json.*"
    )
    new = {p for p in tree(ground) if p not in before}
    assert not {p for p in new if not allowed.fullmatch(p)}
    assert before <= set(tree(ground)) | new
    assert (ground / "outside" / "secret").read_text() == SECRET


# --- what the service shows of itself -------------------------------------------------------


def test_every_listening_socket_is_on_loopback(served: Served) -> None:
    assert served.process is not None
    owner = psutil.Process(served.process.pid)
    family = [owner, *owner.children(recursive=True)]
    sockets = [c for p in family for c in _sockets(p) if c.status == psutil.CONN_LISTEN]

    assert len(family) > 2
    assert urlsplit(served.told["url"]).port in {c.laddr.port for c in sockets}
    assert {c.laddr.ip for c in sockets} <= {"127.0.0.1", "::1"}


def _sockets(process: psutil.Process) -> list[Any]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.net_connections(kind="inet")
    return []


def test_what_holds_the_token_is_its_owners_alone(served: Served) -> None:
    workspace = served.workspace

    assert (workspace / "service.json").stat().st_mode & 0o777 == 0o600
    assert (workspace / ".service" / "token").stat().st_mode & 0o777 == 0o600
    assert (workspace / ".service").stat().st_mode & 0o777 == 0o700


def test_the_token_is_said_nowhere(served: Served, ground: Path) -> None:
    """After all of the above, which had it in headers, paths and bodies, at log level debug."""
    token = served.told["token"].encode()
    holds = {
        str(p.relative_to(ground))
        for p in ground.rglob("*")
        if p.is_file() and token in p.read_bytes()
    }

    assert holds == {"results/service.json", "results/.service/token"}
    assert "debug" in served.said or "info" in served.said
    assert "Traceback" not in served.said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_other_machines_are_not_listened_to_in_the_clear(tmp_path: Path, host: str) -> None:
    result = run_here("serve", "--workspace", tmp_path, "--host", host, "--port", 0)

    assert result.returncode == 2
    assert "is reached from other machines" in result.stderr
    assert "Give --tls-cert and --tls-key, or listen on 127.0.0.1" in " ".join(
        result.stderr.split()
    )
    assert list(tmp_path.iterdir()) == []


def test_a_token_that_others_can_read_is_not_served_with(tmp_path: Path) -> None:
    (tmp_path / ".service").mkdir()
    token = tmp_path / ".service" / "token"
    token.write_text("x" * 43)
    token.chmod(0o644)

    result = run_here("serve", "--workspace", tmp_path, "--port", 0, *NO_CLUSTER)

    assert result.returncode == 2
    assert "can be read by others" in " ".join(result.stderr.split())
    assert "x" * 43 not in result.stdout + result.stderr
    assert not (tmp_path / "service.json").exists()


# --- TLS and prefix -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out",
         str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def secured(ground: Path, certificate: tuple[Path, Path]) -> Iterator[Served]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    options = ("--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]))
    finished(ground / "secured", chains("chains", 2, 2))
    service = Served(ground / "secured", (*NO_CLUSTER, "--prefix", "/x/y", *options)).start()
    yield service
    service.stop()


@pytest.fixture
def guest(secured: Served, certificate: tuple[Path, Path]) -> Intruder:
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    return Intruder(secured, "/x/y", trusting)


def test_with_a_certificate_it_speaks_https_alone(guest: Intruder) -> None:
    assert guest.served.told["url"].startswith("https://127.0.0.1:")
    assert guest.api("GET", "/sweeps").told[0]["name"] == "chains"
    host = f"Host: 127.0.0.1:{guest.port}"
    assert guest.lines(f"GET /x/y{BASE}/health HTTP/1.1", host) == b""
    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol|alert|ciphers"):
        Intruder(guest.served, "/x/y", old).api("GET", "/sweeps")


def test_the_prefix_stands_before_everything(guest: Intruder) -> None:
    link = guest.api("POST", "/login-links").told["path"]
    login = guest.send("GET", link)
    told = login.headers["Set-Cookie"]
    page = guest.send("GET", "/x/y/", headers={"Cookie": told.partition(";")[0]})

    assert link.startswith("/x/y/login?code=")
    assert {"Path=/x/y", "Secure", "HttpOnly", "SameSite=Strict"} <= set(re.split("; *", told))
    assert b'href="/x/y/"' in login.body
    assert (page.status, b"chains" in page.body) == (200, True)
    assert guest.api("GET", "/openapi.json").told["servers"] == [{"url": f"/x/y{BASE}"}]
    assert guest.send("GET", "/x/y/health").status == 200
    for path in ("/", "/login", "/health", f"{BASE}/health", f"{BASE}/sweeps", "/x/", "/x/yy/"):
        assert_problem(guest.send("GET", path), 401)
        assert_problem(guest.send("GET", path, headers=guest.bearer), 404)


def test_with_a_certificate_pages_in_the_clear_are_foreign(guest: Intruder) -> None:
    for scheme, status in (("https", 200), ("http", 403)):
        origin = {"Origin": f"{scheme}://localhost:{guest.port}"}
        reply = guest.send("GET", f"/x/y{BASE}/sweeps", headers=guest.bearer | origin)
        assert reply.status == status


# --- rates, last: whoever comes from this address is refused for a while ----------------------


def test_a_flood_is_refused_with_a_time_to_wait(intruder: Intruder) -> None:
    """All in one piece on one connection, as often as a slow machine may need."""
    one = f"GET {BASE}/health HTTP/1.1\r\nHost: 127.0.0.1:{intruder.port}\r\n"
    flood = (f"{one}\r\n" * 2 * int(BURST) + f"{one}Connection: close\r\n\r\n").encode()
    for _ in range(20):
        answers = intruder.raw(flood)
        if b"HTTP/1.1 429 " in answers:
            break

    refusal = answers.partition(b"HTTP/1.1 429 ")[2].partition(b"HTTP/1.1")[0]
    assert b"\r\nRetry-After: 1\r\n" in refusal
    assert b"application/problem+json" in refusal
    assert Intruder(intruder.served).send("GET", f"{BASE}/health").status == 200
