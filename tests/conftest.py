"""One thread of linear algebra, and models of another package for all who sweep them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import threadpoolctl
from distributed import Client, LocalCluster

from tests import effort, kept_processes

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # for what is loaded from here on, worker processes too
threadpoolctl.threadpool_limits(1)  # and for numpy, which a plugin of pytest has loaded already

PLUGIN = Path(__file__).parent / "plugin"


HEAVY = (
    "docs/test_readme.py", "sweep/test_extending.py", "service/test_faults_of_service.py",
    "faults/test_resume.py", "service/test_intruders.py", "service/test_chaos.py",
    "service/test_clients.py",
    "cli/test_commands.py", "faults/test_damaged_disk.py", "sweep/test_verifying.py",
    "faults/test_owners.py", "sweep/test_range_index.py", "contracts/test_models.py",
    "sweep/test_exporting.py", "sweep/test_querying.py", "sweep/test_differing.py",
    "faults/test_killed_workers.py", "faults/test_cluster.py", "faults/test_killed_owner.py",
    "faults/test_same_bytes.py", "sweep/test_store.py", "examples/test_examples.py",
)  # fmt: skip
"""The files that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that no worker is left with one of them at the end."""
    here = Path(__file__).parent
    order = {here / name: i for i, name in enumerate(HEAVY)}
    items.sort(key=lambda item: order.get(item.path, len(HEAVY)))


def pytest_configure(config: pytest.Config) -> None:
    """Say whether this is the quick form; hear Ctrl-C, so that what is started here does, too.

    Whatever a shell starts in the background ignores it, and so do the processes below.
    """
    effort.LONG = "not long" not in config.option.markexpr
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package of trial models as a stranger's would be."""
    target = tmp_path_factory.mktemp("plugin")
    source = tmp_path_factory.mktemp("source")
    for file in PLUGIN.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
               "--no-build-isolation", "--target", str(target), str(source)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return target


@contextmanager
def found(folder: Path) -> Iterator[None]:
    """Let the models of a folder be found, here and in what is started from here."""
    from models import registry

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        registry.forget()
        yield
    registry.forget()


@pytest.fixture(scope="module")
def plugin(plugin_folder: Path) -> Iterator[Path]:
    """Have the trial models for the tests of a module, and no longer."""
    with found(plugin_folder):
        yield plugin_folder


@pytest.fixture(scope="session")
def client(plugin_folder: Path) -> Iterator[Client]:
    """One embedded cluster of two workers for all tests that need just some cluster."""
    from sweep.cluster import connect

    with ExitStack() as stack:
        with found(plugin_folder):
            one = stack.enter_context(connect(None, 2, dashboard=False))
        if not effort.LONG:
            one.run(kept_processes.keep)
        yield one


@pytest.fixture
def on_demand() -> Iterator[LocalCluster]:
    """A cluster that has no workers unless there are tasks."""
    with LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
    ) as one:  # fmt: skip
        yield one
