"""Which service a command speaks to, and with which token."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.client.connection import Connection
from sweep.layout import service_file, service_folder
from sweep.problems import InputError
from sweep.service.lock import is_served

KEYS = ("server", "token_file", "ca_file")


@dataclass(frozen=True)
class Settings:
    """What the environment and the configuration file say."""

    server: str | None = None
    token: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None


def config_file() -> Path:
    """The configuration file of a user."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "modesweep" / "config.toml"


def settings() -> Settings:
    """Read the configuration file, and the environment, which comes first.

    Raises
    ------
    InputError : the file cannot be read, or has other keys
    """
    told = {key: os.environ.get(f"MODESWEEP_{key.upper()}") for key in KEYS}
    found = {**_configured(), **{key: value for key, value in told.items() if value}}
    token_file, ca_file = found.get("token_file"), found.get("ca_file")
    return Settings(
        found.get("server"), os.environ.get("MODESWEEP_TOKEN"),
        Path(token_file).expanduser() if token_file else None,
        Path(ca_file).expanduser() if ca_file else None,
    )  # fmt: skip


def _configured() -> dict[str, Any]:
    path = config_file()
    try:
        found = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}. Mend it, or remove it."
        raise InputError(msg) from None
    wrong = [k for k, v in found.items() if k not in KEYS or not isinstance(v, str)]
    if wrong:
        msg = f"{path}: {', '.join(wrong)} cannot be set there. Keys, all texts: {', '.join(KEYS)}."
        raise InputError(msg)
    return found


def to_server(url: str, token_file: Path | None = None, token: str | None = None) -> Connection:
    """Give the way to a service at an address.

    Parameters
    ----------
    token_file : holds its token; None: the environment or the configuration says

    Raises
    ------
    InputError : there is no token, or no file of that name
    """
    known = settings()
    token = token or (known.token if token_file is None else None)
    path = token_file or known.token_file
    if token is None and path is not None:
        try:
            token = path.read_text().strip()
        except OSError as error:
            msg = f"The token file {path} cannot be read: {error.strerror}. Copy it from the "
            msg += "service: .service/token in its workspace."
            raise InputError(msg) from None
    if token is None:
        msg = (
            f"There is no token for {url}. Copy .service/token from the workspace of the service "
            "and give --token-file, or set MODESWEEP_TOKEN_FILE or MODESWEEP_TOKEN."
        )
        raise InputError(msg)
    return Connection(url, token, known.ca_file)


def of_workspace(workspace: Path) -> Connection | None:
    """Give the way to the service of a workspace of this host; None if it has none."""
    if not is_served(workspace):
        return None
    try:
        told = json.loads(service_file(workspace).read_text())
        return Connection(told["url"], told["token"], _own_certificate(workspace))
    except (OSError, ValueError, KeyError):
        return None  # it is starting, or stopping


def _own_certificate(workspace: Path) -> Path | None:
    """The certificate of a service of this host, if it has left it for its clients."""
    path = service_folder(workspace) / "certificate.pem"
    return path if path.exists() else settings().ca_file
