"""Who comes in, by the gate alone: token, sessions, codes, names of the service, rates."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from sweep.problems import InputError
from sweep.service import security, serving
from sweep.service.security import (
    BURST,
    CODE_SECONDS,
    MOST_ADDRESSES,
    MOST_CODES,
    RATE,
    SESSION_SECONDS,
    Gate,
    Rates,
    private_folder,
    token_of,
)
from sweep.service.serving import Address

TOKEN = "aB3-" * 10
HOSTS = frozenset({"127.0.0.1:5006", "localhost:5006", "modes.example.org"})


class Clock:
    """The time as the gate sees it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(security, "time", SimpleNamespace(time=clock, monotonic=clock))
    return clock


@pytest.fixture
def gate() -> Gate:
    return Gate(TOKEN, HOSTS, secure=False)


# --- the token ------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "])
def test_the_token_opens(gate: Gate, header: str) -> None:
    assert gate.knows_token(header)


@pytest.mark.parametrize(
    "header",
    [
        "", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"{TOKEN} Bearer",
        f"Bearer {TOKEN}x", f"Bearer {TOKEN.swapcase()}", f"Bearer x{TOKEN[1:]}", "Bearer \xe9",
        f"Bearer {TOKEN} {TOKEN}", f"Bearer {TOKEN}, Bearer {TOKEN}", f"Bearer\t{TOKEN}",
    ],
)  # fmt: skip
def test_what_is_almost_the_token_does_not_open(gate: Gate, header: str) -> None:
    assert not gate.knows_token(header)


def test_a_token_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    private_folder(tmp_path / ".service")
    token = token_of(tmp_path)

    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert token_of(tmp_path) == token
    assert (tmp_path / ".service" / "token").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".service").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_token_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    token_of(tmp_path)
    (tmp_path / ".service" / "token").chmod(mode)

    with pytest.raises(InputError, match="can be read by others. Remove it"):
        token_of(tmp_path)


@pytest.mark.parametrize("held", [b"", b"\n", b"secret\n", b"a" * 31, b"a b" * 20, b"\xff" * 43])
def test_a_file_without_a_token_opens_nothing(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / ".service" / "token"
    path.parent.mkdir()
    path.write_bytes(held)
    path.chmod(0o600)

    with pytest.raises(InputError, match="holds no token. Remove it"):
        token_of(tmp_path)


def test_a_folder_is_made_private_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    private_folder(tmp_path)

    assert os.stat(tmp_path).st_mode & 0o777 == 0o700  # noqa: PTH116


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:5006", "LOCALHOST:5006", "modes.example.org"])
def test_own_names_are_known(gate: Gate, host: str) -> None:
    assert gate.knows_host(host)
    assert gate.knows_origin(f"http://{host}")
    assert gate.knows_origin(f"https://{host}")  # of a proxy


@pytest.mark.parametrize(
    "host",
    [
        "", "127.0.0.1", "127.0.0.1:5007", "evil.example", "evil.example:5006", "127.0.0.1:5006:80",
        "modes.example.org:5006", "modes.example.org.evil.example", "127.0.0.1:5006,evil.example",
        "evil@127.0.0.1:5006", " 127.0.0.1:5006",
    ],
)  # fmt: skip
def test_names_that_are_bent_to_the_service_are_not_known(gate: Gate, host: str) -> None:
    assert not gate.knows_host(host)
    assert not gate.knows_origin(f"http://{host}")


@pytest.mark.parametrize(
    "origin", ["", "null", "127.0.0.1:5006", "file://", "ftp://127.0.0.1:5006", "http://[", "*"]
)
def test_origins_that_are_no_pages_of_ours_are_refused(gate: Gate, origin: str) -> None:
    assert not gate.knows_origin(origin)


def test_a_request_of_no_page_has_no_origin(gate: Gate) -> None:
    assert gate.knows_origin(None)


def test_a_service_with_tls_does_not_take_its_pages_from_the_clear() -> None:
    gate = Gate(TOKEN, HOSTS, secure=True)

    assert gate.knows_origin("https://localhost:5006")
    assert not gate.knows_origin("http://localhost:5006")


# --- browsers -------------------------------------------------------------------------------


def test_a_code_opens_once(gate: Gate) -> None:
    code = gate.login_code()

    assert not gate.takes_code("")
    assert not gate.takes_code(code[:-1])
    assert gate.takes_code(code)
    assert not gate.takes_code(code)


def test_a_code_expires(gate: Gate, clock: Clock) -> None:
    in_time, late = gate.login_code(), gate.login_code()
    clock.now += CODE_SECONDS - 1
    assert gate.takes_code(in_time)
    clock.now += 2
    assert not gate.takes_code(late)


def test_no_more_than_so_many_codes_wait(gate: Gate) -> None:
    codes = [gate.login_code() for _ in range(MOST_CODES + 5)]

    assert [gate.takes_code(c) for c in codes] == [False] * 5 + [True] * MOST_CODES


def test_a_session_expires(gate: Gate, clock: Clock) -> None:
    session = gate.session()

    assert gate.knows_session(session)
    clock.now += SESSION_SECONDS - 1
    assert gate.knows_session(session)
    clock.now += 2
    assert not gate.knows_session(session)


def test_forged_sessions_are_not_known(gate: Gate, clock: Clock) -> None:
    until, _, signature = gate.session().partition(".")
    later = str(int(until) + 1)
    foreign = Gate(TOKEN[::-1], HOSTS, secure=False).session()
    forged = [
        "", ".", until, f"{until}.", f".{signature}", f"{later}.{signature}", f"{until}.{until}",
        f"{until}.{signature}x", f"{until}.{signature[:-1]}", f"{signature}.{until}", foreign,
        f"{until}.{signature}.", f"0{until}.{signature}", f"{until}.\xe9",
    ]  # fmt: skip

    assert gate.knows_session(f"{until}.{signature}")
    assert not any(gate.knows_session(f) for f in forged)


def test_a_session_outlives_the_service_and_not_the_token(gate: Gate) -> None:
    session = gate.session()

    assert Gate(TOKEN, HOSTS, secure=False).knows_session(session)
    assert not Gate(f"{TOKEN}x", HOSTS, secure=False).knows_session(session)


# --- rates ----------------------------------------------------------------------------------


class TestRates:
    def test_a_burst_is_let_in_and_then_so_many_a_second(self, clock: Clock) -> None:
        rates = Rates()
        assert sum(rates.allow("a") for _ in range(1000)) == BURST

        clock.now += 0.5
        assert sum(rates.allow("a") for _ in range(1000)) == RATE / 2

    def test_one_address_does_not_use_up_what_another_has(self, clock: Clock) -> None:
        rates = Rates(rate=1, burst=2)

        assert [rates.allow("a") for _ in range(3)] == [True, True, False]
        assert rates.allow("b")

    def test_a_quiet_address_has_its_burst_again_and_no_more(self, clock: Clock) -> None:
        rates = Rates(rate=1, burst=3)
        for _ in range(10):
            rates.allow("a")
        clock.now += 3600

        assert sum(rates.allow("a") for _ in range(10)) == 3

    def test_asking_while_refused_does_not_prolong_it(self, clock: Clock) -> None:
        rates = Rates(rate=1, burst=1)
        assert rates.allow("a")
        for _ in range(8):
            clock.now += 0.125
            last = rates.allow("a")

        assert last

    def test_a_clock_that_stands_still_or_goes_back_lets_nobody_in(self, clock: Clock) -> None:
        rates = Rates(rate=1, burst=1)
        assert rates.allow("a")
        clock.now -= 5

        assert not rates.allow("a")

    def test_addresses_are_forgotten_the_oldest_first(self, clock: Clock) -> None:
        rates = Rates(rate=1, burst=1)
        for i in range(MOST_ADDRESSES + 1):
            rates.allow(str(i))

        assert len(rates._left) == MOST_ADDRESSES
        assert rates.allow("0")
        assert not rates.allow(str(MOST_ADDRESSES))


# --- where it listens -----------------------------------------------------------------------


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "some.pem"
    path.write_text("no certificate\n")
    return path


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "localhost", "::1"])
def test_loopback_needs_no_tls(host: str) -> None:
    Address(host).check()


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.0.7", "127.1", "::ffff:10.0.0.1", "example.org", "*"]
)
def test_other_addresses_need_tls(host: str, pem: Path) -> None:
    with pytest.raises(InputError, match="from other machines.*Give --tls-cert and --tls-key"):
        Address(host).check()
    Address(host, certificate=pem, key=pem).check()


def test_everything_wrong_with_an_address_is_named_at_once(tmp_path: Path) -> None:
    address = Address("0.0.0.0", prefix="x/../y", key=tmp_path / "none.pem")

    with pytest.raises(InputError) as told:  # noqa: PT012
        address.check()
    for part in ("--prefix 'x/../y' is no path", "belong together", "none.pem is no file that can",
                 "--host 0.0.0.0 is reached from other machines"):  # fmt: skip
        assert part in str(told.value)


@pytest.mark.parametrize("prefix", ["", "/x", "/x/y-1", "/~me/modes.v1"])
def test_prefixes_that_are_paths(prefix: str) -> None:
    Address(prefix=prefix).check()


@pytest.mark.parametrize("prefix", ["x", "/", "/x/", "//x", "/x y", "/x?y", "/(.*)", "/x\n", "/é"])
def test_prefixes_that_are_none(prefix: str) -> None:
    with pytest.raises(InputError, match="is no path such as /modesweep"):
        Address(prefix=prefix).check()


def test_a_host_header_names_loopback_or_what_was_allowed() -> None:
    hosts = Address(names=("Modes.example.org",)).hosts(5006)

    assert hosts == {
        "127.0.0.1:5006", "localhost:5006", "[::1]:5006", "modes.example.org:5006",
        "modes.example.org",
    }  # fmt: skip


def test_an_address_of_ipv6_stands_in_brackets(pem: Path) -> None:
    address = Address("fd00::1", certificate=pem, key=pem)

    assert "[fd00::1]:5006" in address.hosts(5006)
    assert address.url(5006) == "https://[fd00::1]:5006"


def test_clients_leave_out_the_port_that_goes_without_saying(pem: Path) -> None:
    assert "localhost" in Address().hosts(80)
    assert "localhost" in Address(certificate=pem, key=pem).hosts(443)
    assert "localhost" not in Address().hosts(443)
    assert "localhost" not in Address().hosts(5006)


def test_any_address_is_reached_by_the_name_of_the_host(
    pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.socket, "gethostname", lambda: "Node7")
    address = Address("0.0.0.0", prefix="/x", certificate=pem, key=pem)

    assert address.url(5006) == "https://Node7:5006/x"
    assert "node7:5006" in address.hosts(5006)
    assert "node7:5006" not in Address().hosts(5006)


@pytest.mark.parametrize("what", ["text", "folder"])
def test_a_certificate_that_is_none_is_refused(tmp_path: Path, pem: Path, what: str) -> None:
    path = pem if what == "text" else tmp_path

    with pytest.raises(InputError, match="cannot be used: .* Give PEM files"):
        Address(certificate=path, key=path).tls()
