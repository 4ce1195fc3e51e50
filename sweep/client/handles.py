"""`sweep.connect`: a service and its sweeps as objects. Nothing waits unless it is asked to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sweep.client.finding import of_workspace, settings, to_server
from sweep.client.tables import table_of
from sweep.client.verbs import ServedFailure, Verbs
from sweep.explaining import Explanation
from sweep.layout import DEFAULT_WORKSPACE
from sweep.overview import Status, follow
from sweep.problems import InputError, UnreachableError
from sweep.values import seconds as read_seconds


def connect(
    url: str | None = None,
    *,
    token: str | None = None,
    token_file: str | Path | None = None,
    workspace: str | Path | None = None,
) -> ConnectedService:
    """Connect to a service.

    Parameters
    ----------
    url : such as http://127.0.0.1:5006; None: that of `workspace`, or of the environment
        (MODESWEEP_SERVER), or of the configuration file, or of ./results
    token, token_file : what it wants to see; None: as for `url`
    workspace : folder of this machine whose service is meant

    Raises
    ------
    InputError : no token, or no service is known
    UnreachableError : it does not answer
    """
    path = None if token_file is None else Path(token_file)
    url = url or (None if workspace else settings().server)
    if url is not None:
        connection = to_server(url, path, token)
    else:
        place = Path(workspace or DEFAULT_WORKSPACE)
        found = of_workspace(place)
        if found is None:
            msg = (
                f"{place} has no service that runs here. Start one by `modesweep serve "
                f"--workspace {place}`, or give the address of another."
            )
            raise UnreachableError(msg)
        connection = found
    verbs = Verbs(connection)
    verbs.about()
    return ConnectedService(verbs)


class ConnectedService:
    """A service. Its verbs are those of the command line."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    @property
    def url(self) -> str:
        """Where it is."""
        return self._verbs.connection.url

    def about(self) -> dict[str, Any]:
        """Tell of the service: versions, cluster, workspace."""
        return self._verbs.about()

    def login_link(self) -> str:
        """Give a link that opens the pages in one browser, once, for ten minutes."""
        return self._verbs.login_link()

    def models(self) -> list[dict[str, Any]]:
        """Name its models."""
        return self._verbs.models()

    def submit(self, file: str | Path | Mapping[str, Any]) -> ServedSweep:
        """Submit a sweep file, or a dict of its shape; the same again is the same sweep.

        Raises
        ------
        InputError : the file cannot be run, or another sweep has its name
        """
        status, _ = self._verbs.submit(file)
        return ServedSweep(status.name, self._verbs)

    def sweeps(self) -> list[Status]:
        """Say how far all sweeps are."""
        return self._verbs.statuses()

    def sweep(self, name: str) -> ServedSweep:
        """Give a sweep that is there."""
        return ServedSweep(self._verbs.status(name).name, self._verbs)

    def __repr__(self) -> str:
        return f"<modesweep service at {self.url}>"


class ServedSweep:
    """A sweep of a service."""

    def __init__(self, name: str, verbs: Verbs) -> None:
        self.name = name
        self._verbs = verbs

    def status(self) -> Status:
        """Say how far it is."""
        return self._verbs.status(self.name)

    def wait(self, timeout: float | str | None = None, until: float = 1.0) -> Status:
        """Wait until it ends, or until a share of its points needs no more work.

        Parameters
        ----------
        timeout : seconds, or a text such as "2h"; None: as long as it takes
        until : share of the points, 0 to 1

        Raises
        ------
        TimeoutError : it was not so far in time
        UnreachableError : the service was away for longer than 30 s
        """
        if not 0 < until <= 1:
            msg = f"until must be above 0, and at most 1; it is {until}."
            raise InputError(msg)
        limit = None if timeout is None else read_seconds(timeout)
        started = time.monotonic()
        for status in follow(self.status, limit):
            enough = until < 1 and status.fraction >= until
            if status.ended or status.state == "cancelled" or enough:
                return status
        msg = f"{self.name} was not done after {time.monotonic() - started:.0f} s. It goes on."
        raise TimeoutError(msg)

    def errors(self) -> list[ServedFailure]:
        """List the points that failed or were lost."""
        return self._verbs.errors(self.name)

    def explain(self, **point: Any) -> Explanation:
        """Say why a point is as it is; axes are given by name."""
        return self._verbs.explain(self.name, point)

    def query(
        self, expression: str, *, select: Mapping[str, Any] | None = None,
        variables: Sequence[str] = (), unit: str | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Find modes and points by a condition. See `sweep.query`."""
        return table_of(*self._verbs.rows(self.name, expression, select or {}, variables, unit))

    def export(
        self, out: str | Path, *, format: str, select: Mapping[str, Any] | None = None,
        variables: Sequence[str] = (), unit: str | None = None, force: bool = False,
    ) -> list[Path]:  # fmt: skip
        """Write results here for other programs. See `sweep.export`."""
        files = self._verbs.export(
            self.name, Path(out), format=format, select=select or {}, variables=variables,
            unit=unit, force=force,
        )  # fmt: skip
        return [f.path for f in files]

    def pause(self) -> Status:
        """Let what has begun finish, and begin nothing more."""
        return self._verbs.pause(self.name)

    def resume(self) -> Status:
        """Go on."""
        return self._verbs.resume(self.name)

    def cancel(self) -> Status:
        """Stop at once; what is finished is kept."""
        return self._verbs.cancel(self.name)

    def retry(self) -> Status:
        """Have failed and lost points computed again."""
        return self._verbs.retry(self.name)

    def extend(self, **values: Sequence[Any]) -> Status:
        """Add values to axes, given by name, and have the new points computed."""
        return self._verbs.extend(self.name, values)

    def priority(self, priority: int) -> Status:
        """Give it another share of the cluster; each step doubles it."""
        return self._verbs.prioritize(self.name, priority)

    def remove(self) -> Path | None:
        """Cancel it and move it to the trash of the service."""
        return self._verbs.remove(self.name)

    def __repr__(self) -> str:
        return f"<sweep {self.name} at {self._verbs.connection.url}>"
