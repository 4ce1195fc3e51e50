"""Whether an encrypted scheduler can be spoken to: certificates are looked at before they are used.

Dask says of a file that is not there only that one is not, and a peer that trusts nobody hangs up
without a word. So each file is opened here, and shown to an authority as a scheduler would.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OPEN = ("tcp", "ws")
"""Protocols that anybody on the way can read and change."""
SETTINGS = "DASK_DISTRIBUTED__COMM__TLS__"
CA, CERTIFICATE, KEY = (f"{SETTINGS}{x}" for x in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY"))


@dataclass(frozen=True)
class Identity:
    """What a client shows, and whom it trusts, by Dask's settings."""

    authority: str | None
    certificate: str | None
    key: str | None

    def faults(self) -> list[str]:
        """Say which files cannot be used, and why."""
        if "\n" in f"{self.authority}{self.certificate}{self.key}":  # what is in them, not where
            return []
        named = ((CA, self.authority), (CERTIFICATE, self.certificate), (KEY, self.key))
        found = [f"{name} is not set" for name, path in named if not path and name != KEY]
        found += [f"{name}={path} cannot be read: {why}" for name, path in named
                  if path and (why := _unreadable(path))]  # fmt: skip
        return found or list(self._unfit())

    def refusal(self) -> str:
        """Say why a scheduler of the same authority would refuse the certificate; '' if not."""
        if self.faults() or not (self.authority and self.certificate):
            return ""
        scheduler = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        scheduler.verify_mode = ssl.CERT_REQUIRED
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        try:
            scheduler.load_verify_locations(self.authority)
            for context in (scheduler, client):
                context.load_cert_chain(self.certificate, self.key)
        except OSError:  # given as text, or gone meanwhile
            return ""
        why = _verdict(scheduler, client)
        where = f"{CERTIFICATE}={self.certificate} is refused by {CA}={self.authority}"
        return f"{where}: {why}" if why else ""

    def _unfit(self) -> Iterator[str]:
        """Load the files, which can all be read."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_verify_locations(self.authority)
        except ssl.SSLError:
            yield f"{CA}={self.authority} holds no certificate (PEM)"
        own, key = str(self.certificate), self.key or self.certificate
        try:
            # without a word for the passphrase a terminal would be asked for it
            context.load_cert_chain(own, self.key, password=lambda: "")
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                yield f"{KEY}={key} is not the key of {CERTIFICATE}={own}"
            else:
                yield (f"{CERTIFICATE}={own} and {KEY}={key} are not a certificate and its key "
                       "(PEM, without a passphrase)")  # fmt: skip


def _unreadable(path: str) -> str:
    try:
        with Path(path).open("rb"):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _verdict(scheduler: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """Let two ends speak in memory; say why the first would refuse the second, '' if not."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = scheduler.wrap_bio(up, down, server_side=True)
    here = client.wrap_bio(down, up)
    for _ in range(4):
        for end in (here, there):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return str(error.verify_message)
            except ssl.SSLError:  # no matter of certificates: the scheduler has the word
                return ""
    return ""


def exposed(scheme: str, host: str) -> bool:
    """Say whether what is sent there crosses a network as it is."""
    if scheme not in OPEN or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
