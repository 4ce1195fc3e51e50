"""A program that runs or extends a sweep and kills itself at a scripted moment.

Owner and workers are threads of this one process, so that one kill takes them all, in the
middle of whatever they are at. What the project itself runs is left as it is: the moment is a
call of one of its functions, or of the system's, which is wrapped here.

    python driver.py '{"moment": "a row is committed", "when": "before", "call": 3, ...}'
"""

import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster

import sweep
from sweep import extending, owning, planning, store
from sweep.layout import DATA, extension_folder
from sweep.ledger import Ledger
from sweep.store import BlockWriter, StatusWriter

Moment = tuple[object, str, Callable[..., bool]]


def always(*_: object, **__: object) -> bool:
    return True


def is_chunk(path: Path) -> bool:
    """Say whether a file is one of the results, and no status or coordinate."""
    return any(f"{DATA}/{v}/c/" in str(path) for v in ("square", "powers"))


def named_chunk(path: Path, target: Path) -> bool:
    """A temporary file of the results gets its own name."""
    return path.suffix == ".partial" and is_chunk(target)


def of_chunk(handle: int) -> bool:
    """The temporary file of a chunk is synced."""
    return is_chunk(Path(f"/proc/self/fd/{handle}").readlink())


def of_folder(handle: int) -> bool:
    """A folder of chunks is synced."""
    return is_chunk(Path(f"/proc/self/fd/{handle}").readlink() / "any")


def moments(name: str) -> dict[str, Moment]:
    """Give the moments of a run, and those of an extension."""
    extension = extension_folder(Path()).name
    return {
        "its arrays are made": (store, "create", always),
        "the sweep gets its name": (Path, "replace", lambda p, target: target.name == name),
        "the owner is numbered": (owning, "_raise_generation", always),
        "a chunk is written": (BlockWriter, "write", always),
        "a chunk is synced": (os, "fsync", of_chunk),
        "a chunk gets its name": (Path, "replace", named_chunk),
        "its name is synced": (os, "fsync", of_folder),
        "rows are put": (Ledger, "_put", always),
        "rows are committed": (Ledger, "record", always),
        "the status is written": (StatusWriter, "write", always),
        "it is prepared": (extending, "write_files", always),
        "it is decided": (Path, "replace", lambda p, target: target.name == extension),
        "a file is put in place": (
            Path, "replace", lambda p, target: p.suffix == ".partial" and target.parts[-2:] in
            ((name, "sweep.toml"), (name, "plan.json"), ("status", "zarr.json")),
        ),
        "the journal is closed": (Path, "replace", lambda p, target: p.name == extension),
        "the journal is removed": (
            shutil, "rmtree", lambda p, **_: p.name.startswith(f"{extension}-") and p.is_dir(),
        ),
    }  # fmt: skip


def script(moment: Moment, when: str, call: int) -> None:
    """Have this process killed right before or right after the so-many-th call."""
    owner, name, matches = moment
    function = getattr(owner, name)
    calls = itertools.count(1)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        now = matches(*args, **kwargs) and next(calls) == call
        if now and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)


def main() -> None:
    told = json.loads(sys.argv[1])
    planning.LEAST_SECONDS = 0.0  # many small blocks
    content = told["content"]
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, protocol="tcp",
                     host="127.0.0.1", dashboard_address="127.0.0.1:0",
                     worker_dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        script(moments(content["name"])[told["moment"]], told["when"], told["call"])
        if told["values"]:
            sweep.extend(content["name"], told["values"], workspace=told["workspace"],
                         scheduler=client)  # fmt: skip
        else:
            sweep.run(content, workspace=told["workspace"], scheduler=client)


if __name__ == "__main__":
    main()
