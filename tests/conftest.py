"""One thread of linear algebra, and models of another package for all who sweep them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import threadpoolctl
from distributed import Client

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # for what is loaded from here on, worker processes too
threadpoolctl.threadpool_limits(1)  # and for numpy, which a plugin of pytest has loaded already

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the package of trial models as a stranger's would be, and let it be found."""
    from models import registry

    target = tmp_path_factory.mktemp("plugin")
    source = tmp_path_factory.mktemp("source")
    for file in PLUGIN.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
               "--no-build-isolation", "--target", str(target), str(source)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(target), *([before] if before else [])])
    sys.path.insert(0, str(target))
    registry._found.cache_clear()
    yield target
    sys.path.remove(str(target))
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    registry._found.cache_clear()


@pytest.fixture(scope="session")
def client(plugin: Path) -> Iterator[Client]:
    """One embedded cluster of two workers for all tests that need just some cluster."""
    from sweep.cluster import connect

    with connect(None, 2, dashboard=False) as client:
        yield client
