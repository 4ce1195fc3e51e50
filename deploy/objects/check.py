"""The smoke check of arrays in an object store: python -m deploy.objects.check"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import numpy as np
import xarray
from numpy.typing import NDArray

import sweep
from deploy.checks import (
    MODESWEEP,
    Report,
    beyond_loopback,
    family,
    run,
    service_of,
    started,
    until,
)
from deploy.objects.s3 import KEYS, S3, served
from sweep import documents

SLAB = """\
modesweep = 1
name = "smoke"
model = "slab"
outputs = ["frequency", "surface_weight"]

[fixed]
k_points = 60
relaxed = false

[axes]
layers = [61, 71, 81, 91]
adlayer = ["one side", "both sides"]
adlayer_mass_ratio = { linspace = [0.2, 1.8, 6] }
"""


def main() -> None:
    """Look at everything."""
    report = Report("arrays in an object store")
    os.environ.update(KEYS)
    with tempfile.TemporaryDirectory() as scratch, served() as s3:
        folder = Path(scratch)
        (folder / "smoke.toml").write_text(SLAB)
        plain = run(MODESWEEP, "run", folder / "smoke.toml", "--workspace", folder / "plain")
        report.that("a sweep into a folder ends well", plain[0] == 0, plain[1])
        interrupted(report, folder, s3)
        compared(report, folder)
    report.end()


def interrupted(report: Report, folder: Path, s3: S3) -> None:
    """Run the sweep under services that are killed, and a store that refuses."""
    workspace = folder / "results"
    workspace.mkdir()
    (workspace / "arrays.toml").write_text(documents.to_toml(s3.settings("lab")))
    code, said = run(MODESWEEP, "doctor", "--workspace", workspace)
    report.that("doctor can put and get an object", code == 0 and "put and get" in said, said)
    serve = [MODESWEEP, "serve", "--workspace", workspace, "--workers", "1", "--port", "0"]
    with started(serve, folder / "first.log") as process:
        told = service_of(workspace)
        outside = beyond_loopback(family(process.pid))
        report.that("everything listens on loopback alone", not outside, str(outside))
        code, said = run(MODESWEEP, "submit", folder / "smoke.toml", "--workspace", workspace)
        report.that("it is submitted", code == 0, said)
        until(lambda: done(workspace) >= 3, "the first blocks")
        os.kill(told["pid"], signal.SIGKILL)
    state = sweep.status("smoke", workspace)
    report.that("the service is killed in the middle", state.blocks_done < state.blocks, str(state))
    (workspace / "service.json").unlink(missing_ok=True)
    s3.refuse(403)
    with started(serve, folder / "second.log"):
        service_of(workspace)
        note = until(lambda: waits(workspace), "the sweep to wait")
        report.that("it waits for a store that refuses, and says so", "refuses" in note, note)
        s3.heal()
        code, said = run(
            MODESWEEP, "watch", "smoke", "--workspace", workspace, "--timeout", "240", seconds=300
        )
        report.that("it goes on and ends well", code == 0, said)


def done(workspace: Path) -> int:
    """Count the blocks that are done."""
    try:
        return sweep.status("smoke", workspace).blocks_done
    except sweep.StoreError:
        return 0


def waits(workspace: Path) -> str:
    """Say why the sweep waits; nothing if it does not."""
    status = sweep.status("smoke", workspace)
    return (status.note or "waiting") if status.state == "waiting" else ""


def compared(report: Report, folder: Path) -> None:
    """Compare with the sweep that lies in a folder."""
    here = sweep.open("smoke", folder / "plain").load()
    there = sweep.open("smoke", folder / "results").load()
    names = [n for n in here.variables if n not in ("seconds", "attempts")]
    same = [n for n in names if raw(here, n) == raw(there, n)]
    report.that(f"{len(names)} arrays have the bytes of those in a folder", same == names)
    report.that("no array lies in the workspace", not (folder / "results/smoke/data.zarr").exists())
    code, said = run(MODESWEEP, "verify", folder / "results" / "smoke", "--sample", "5%")
    report.that("all objects are as they were written", code == 0, said)


def raw(dataset: xarray.Dataset, name: object) -> bytes:
    """Give the bytes of an array; words as they are read."""
    values: NDArray[np.generic] = dataset[name].values
    return repr(values.tolist()).encode() if values.dtype.kind in "OU" else values.tobytes()


if __name__ == "__main__":
    main()
