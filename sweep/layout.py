"""What lies where in a workspace, and what the numbers of the status array mean.

<workspace>/<name>/
    sweep.toml       as submitted, frozen
    plan.json        how it was cut, frozen
    generation       raised by each owner; a block of an older one is dropped
    owner.lock       held by the owner for life
    ledger.sqlite    what is finished, failed, tried
    data.zarr/       the results, unless they lie in an object store:
    arrays.toml      where they lie then
    .in_hand/        the points that workers are at
    .extension/      more values for the axes, decided but not yet in place
<workspace>/arrays.toml            where sweeps that begin here keep their results, if elsewhere
<workspace>/.stages/<key>.npz      results of shared stages
<workspace>/.rates.json            how fast stages are on this machine
<workspace>/.queue/<name>.json     what is wanted of a sweep: to run, pause or be cancelled
<workspace>/.service/              the lock and the token of the service
<workspace>/service.json           where a running service is, and its token
<workspace>/.trash/                sweeps that were removed
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from sweep.problems import NoSweepError, nearest

STATUS = ("todo", "running", "ok", "failed", "unstable", "lost", "skipped")
TODO, RUNNING, OK, FAILED, UNSTABLE, LOST, SKIPPED = range(7)
FORMAT = 2
"""Of a sweep on the disk. What earlier versions wrote is read by `sweep.upgrading`."""
DEFAULT_WORKSPACE = Path("results")
NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""What a sweep may be called, which is also what its folder is called."""
STAGES = ".stages"
QUEUE = ".queue"
DATA = "data.zarr"
ARRAYS = "arrays.toml"


def fill_of(dtype: str) -> object:
    """Give the missing value of a dtype."""
    return {
        "float64": math.nan, "complex128": complex(math.nan, math.nan),
        "uint8": 255, "int32": -1, "str": "",
    }[dtype]  # fmt: skip


def sweep_file(folder: Path) -> Path:
    """The sweep file as submitted."""
    return folder / "sweep.toml"


def plan_file(folder: Path) -> Path:
    """The frozen cutting."""
    return folder / "plan.json"


def generation_file(folder: Path) -> Path:
    """The number of the owner in charge."""
    return folder / "generation"


def lock_file(folder: Path) -> Path:
    """The lock of the owner."""
    return folder / "owner.lock"


def ledger_file(folder: Path) -> Path:
    """The ledger."""
    return folder / "ledger.sqlite"


def in_hand_file(folder: Path, region: str, cell: Sequence[int], part: str = "") -> Path:
    """What a worker notes of the block that it is at."""
    return folder / ".in_hand" / f"{region}.{'.'.join(map(str, cell))}{part}"


def extension_folder(folder: Path) -> Path:
    """An extension that is decided."""
    return folder / ".extension"


def rates_file(workspace: Path) -> Path:
    """How fast stages are on this machine."""
    return workspace / ".rates.json"


def wish_file(workspace: Path, name: str) -> Path:
    """What is wanted of a sweep."""
    return workspace / QUEUE / f"{name}.json"


def service_folder(workspace: Path) -> Path:
    """Where a service keeps what is its own."""
    return workspace / ".service"


def service_file(workspace: Path) -> Path:
    """Where a running service is, and its token."""
    return workspace / "service.json"


def trash_folder(workspace: Path) -> Path:
    """Sweeps that were removed."""
    return workspace / ".trash"


def is_sweep(folder: Path) -> bool:
    """Say whether a folder is that of a sweep that has begun."""
    return (folder / DATA).is_dir() or ((folder / ARRAYS).exists() and plan_file(folder).exists())


def stage_file(folder: Path, key: str) -> Path:
    """A kept result of a shared stage, in the workspace of a sweep."""
    return folder.parent / STAGES / key[:2] / f"{key}.npz"


def find(sweep: str | Path, workspace: str | Path = DEFAULT_WORKSPACE) -> Path:
    """Find the folder of a sweep by its name in a workspace, or by its path.

    Raises
    ------
    NoSweepError : there is none; names what is there
    """
    for folder in (Path(workspace) / sweep, Path(sweep)):
        if is_sweep(folder):
            return folder
    if "/" not in str(sweep) and wish_file(Path(workspace), str(sweep)).exists():
        raise NoSweepError(not_begun(str(sweep)))
    there = [folder.name for folder in sweeps_in(Path(workspace))]
    raise NoSweepError(no_sweep(str(sweep), Path(workspace), there))


def not_begun(name: str) -> str:
    """Say that a sweep was submitted, and has no folder."""
    return (
        f"{name} has no results: it has not begun yet, or its folder is gone. `modesweep ls` shows "
        "its place in the queue; `modesweep remove` takes it out."
    )


def no_sweep(sweep: str, workspace: Path, there: Sequence[str]) -> str:
    """Say that there is no sweep of a name, or at a path, and which there are."""
    path = ", nor a folder of that path" if "/" in sweep else ""
    return (
        f"There is no sweep {sweep!r} in {workspace}{path}.{nearest(sweep, there)} "
        f"Sweeps there: {', '.join(there) or 'none'}."
    )


def sweeps_in(workspace: Path) -> list[Path]:
    """Give the folders of the sweeps in a workspace, sorted."""
    found = (p.parent for name in (DATA, ARRAYS) for p in workspace.glob(f"[!.]*/{name}"))
    return sorted({folder for folder in found if is_sweep(folder)})
