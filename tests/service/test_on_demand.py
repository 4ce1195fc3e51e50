"""A service on a cluster that has no workers while there is nothing to do."""

import sys
from pathlib import Path

import pytest
from distributed import LocalCluster

from tests.faults.tools import document, wait
from tests.service.tools import Served

pytestmark = pytest.mark.usefixtures("plugin")

IMPATIENT = [
    sys.executable, "-P", "-c", "from sweep import cluster; cluster.WAIT_SECONDS = 1; "
    "from sweep.cli.main import main; main()",
]  # fmt: skip
"""The command, but workers are waited for no longer than a second."""


@pytest.mark.long
def test_sweeps_wait_for_workers_that_are_started_on_demand_and_end_when_idle(
    tmp_path: Path, on_demand: LocalCluster
) -> None:
    options = ("--scheduler", on_demand.scheduler_address)
    served = Served(tmp_path / "results", options, command=IMPATIENT).start()
    try:
        served.submit(document("first", axes={"x": {"arange": [30]}}))
        assert "no workers" in served.wait_for("first", "waiting")["note"]
        on_demand.adapt(minimum=0, maximum=2, interval="100ms", wait_count=100)
        assert served.wait_for("first", "complete")["counts"] == {"ok": 29, "unstable": 1}
        wait(lambda: not on_demand.scheduler.workers, "the end of idle workers")
        served.submit(document("second", axes={"x": {"arange": [20]}}))
        assert served.wait_for("second", "complete")["note"] == ""
    finally:
        served.stop()
