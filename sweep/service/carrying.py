"""One sweep, carried to its end: over lost schedulers, full disks and other owners."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from distributed import Client

from sweep import beginning
from sweep.cluster import check_workers
from sweep.driving import Driver
from sweep.graph import CONNECTION_LOST
from sweep.locating import complete
from sweep.overview import Status
from sweep.planning import Plan
from sweep.problems import InputError, MachineError, ObjectsError, OwnedError, UnreachableError
from sweep.reading import stored_plan
from sweep.runner import create, make_room, owned, remove_leftovers
from sweep.service.desk import Desk
from sweep.service.link import Link
from sweep.service.reporting import Reporter
from sweep.state import SweepState
from sweep.steering import Share, Steering
from sweep.sweep_file import read

SAME_CODE = uuid.uuid4().hex
"""The models' code as it was when the service started."""
TRY_SECONDS = 5.0
"""How often something is tried again that may mend itself."""
PROBE_BYTES = 4 * 2**20
"""A disk that takes so much has room again."""
log = logging.getLogger("modesweep.service")
FULL = (errno.ENOSPC, errno.EDQUOT)


class Carrier(threading.Thread):
    """Carries one sweep in a thread of its own.

    Parameters
    ----------
    name : of the sweep
    desk : what is wanted of it
    link : the cluster
    share : its share of the cluster
    left : called at the end, in this thread
    """

    def __init__(
        self, name: str, desk: Desk, link: Link, share: Share, left: Callable[[Carrier], None]
    ) -> None:
        super().__init__(daemon=True, name=f"sweep {name}")
        self.sweep = name
        self.steering = Steering()
        self.share = share
        self._desk = desk
        self._link = link
        self._left = left
        self._folder = desk.workspace / name
        self._why = ""
        """Why it waits, also where a full disk takes no note of it."""
        self._said = ""
        self._state: SweepState | None = None

    @property
    def waiting(self) -> Status | None:
        """How far the sweep was when it began to wait; None unless it waits."""
        why, state, wish = self._why, self._state, self._desk.wish(self.sweep)
        if not why or wish.wanted != "run":
            return None
        return Status(
            self.sweep, self._folder, wish.model, wish.counts if state is None else state.counts(),
            *((0, 0) if state is None else state.blocks()), running=False, seconds_left=None,
            state="waiting", priority=wish.priority, submitted=wish.submitted, note=why,
        )  # fmt: skip

    def run(self) -> None:
        """Carry the sweep until it is done, or a pause or stop comes."""
        try:
            while not self.steering.paused and not self._step():
                self.steering.wait(TRY_SECONDS)
        except Exception:
            log.exception("the sweep cannot go on", extra={"sweep": self.sweep})
            self.steering.wait(TRY_SECONDS)  # before the next carrier tries it again
        finally:
            self.share.leave()
            self._left(self)

    def _step(self) -> bool:
        """Go as far as it goes; say whether there is nothing more to try."""
        client = self._link.client(self.steering)
        if client is None:
            return True
        try:
            return self._carried(client)
        except OwnedError as error:  # a command may be at it
            self._note(str(error))
            return False
        except InputError as error:
            return self._halted(error)
        except OSError as error:  # full disks, lost schedulers, workers that are of no use
            return self._troubled(error, client)
        except Exception as error:
            if self._link.answers(client):
                log.exception("a fault of modesweep", extra={"sweep": self.sweep})
                return self._halted(error)
            return self._troubled(ConnectionError(str(error)), client)

    def _carried(self, client: Client) -> bool:
        self._begin(client)
        complete(self._folder)
        with owned(self._folder) as (owner, ledger), self._reporter() as reporter:
            pending = self._desk.wish(self.sweep).pending
            for what in pending:
                if "retry" in what:
                    ledger.try_again()
                else:
                    make_room(self._folder, what["extend"], reporter)
            plan = stored_plan(self._folder)
            # several sweeps take turns on a worker: they share its numerics process, but what
            # is tried again may have been mended meanwhile
            again = any("retry" in what for what in pending)
            code = uuid.uuid4().hex if again else SAME_CODE
            driver = Driver(plan, self._folder, ledger, owner, reporter, code)
            self._why = self._said = ""
            self._state = driver.state
            driver.start()
            self._desk.settled(self.sweep, len(pending))
            try:
                if not driver.complete:
                    remove_leftovers(self._folder)
                    slots = check_workers(client, self._desk.workspace, plan)
                    driver.drive(client, slots, None, self.steering, self.share)
            finally:
                driver.stop()
            self._desk.note(self.sweep, "")
            return True

    def _begin(self, client: Client) -> None:
        """Create the folder of a sweep that was only submitted."""
        document = self._desk.wish(self.sweep).document
        if document is None:
            return
        if not beginning.exists(self._folder):
            nominal = Plan(read(document))
            check_workers(client, self._desk.workspace, nominal)
            create(nominal, self._folder, client)
        self._desk.begun(self.sweep)

    def _reporter(self) -> contextlib.closing[Reporter]:
        return contextlib.closing(
            Reporter(self.sweep, self._folder, lambda text: self._desk.note(self.sweep, text))
        )

    def _halted(self, error: Exception) -> bool:
        """Pause with the reason; the user goes on when it is mended."""
        self._desk.pause(self.sweep, str(error) or type(error).__name__)
        return True

    def _troubled(self, error: OSError, client: Client) -> bool:
        """Wait for what may mend itself."""
        if isinstance(error, UnreachableError):
            self._note(str(error))
        elif isinstance(error, CONNECTION_LOST) or not self._link.answers(client):
            self._link.lost(client)
            self._note("The scheduler is gone. What is finished is safe; it goes on with the next.")
        elif isinstance(error, ObjectsError):
            self._note(f"{error} It is tried again every few seconds.")
            self.steering.wait(TRY_SECONDS)
        elif isinstance(error, MachineError) or error.errno in FULL:
            self._note(f"The disk refuses: {error}. It goes on when there is room.")
            self._wait_for_room()
        else:
            return self._halted(error)
        return False

    def _note(self, text: str) -> None:
        """Leave word, as far as the disk takes it."""
        self._why = text
        with contextlib.suppress(OSError):
            self._desk.note(self.sweep, text)
        if text != self._said:
            self._said = text
            log.warning("%s", text, extra={"sweep": self.sweep})

    def _wait_for_room(self) -> None:
        while not self.steering.wait(TRY_SECONDS) and not _has_room(self._desk.workspace):
            pass


def _has_room(workspace: Path) -> bool:
    """Say whether a disk takes a few megabytes."""
    probe = workspace / f".room-{os.getpid()}-{threading.get_ident()}"
    try:
        if shutil.disk_usage(workspace).free < PROBE_BYTES:
            return False
        with probe.open("wb") as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return True
