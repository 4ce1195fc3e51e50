"""The process that numerics run in: the libraries of linear algebra that it loads."""

import ast
import subprocess
import sys

import pytest

from sweep.child import environment
from sweep.process import NumericsProcess

FIRST = {
    "nothing": "from sweep import child",
    "special functions": "import scipy.special\nfrom sweep import child",
    "a band matrix": "import numpy as np\nfrom sweep import child\n"
    "from models.band_matrices import beyond_edge, eigenvalues\n"
    "eigenvalues(np.ones((2, 5)))\nbeyond_edge(np.eye(2, 40), 0.5, 1, True)",
}


def said(code: str) -> tuple[str, int]:
    """Give what a process says of its BLAS after it has run some code."""
    command = [sys.executable, "-P", "-c", f"{code}\nprint(child.blas())"]
    done = subprocess.run(command, env=environment(), text=True, capture_output=True, check=True)
    found: tuple[str, int] = ast.literal_eval(done.stdout)
    return found


@pytest.fixture(scope="module")
def kernel() -> str:
    process = NumericsProcess()
    try:
        process._started()
        return process.kernel
    finally:
        process.close()


@pytest.mark.parametrize("before", FIRST)
def test_the_kernel_has_one_name_whatever_was_loaded_before(before: str, kernel: str) -> None:
    """scipy brings a BLAS of its own, at its first use. A resume compares these names."""
    assert kernel != "unknown"
    assert said(FIRST[before]) == (kernel, 1)


def test_every_blas_that_models_load_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says so before the process starts, so it holds for what comes later too."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    code = FIRST["a band matrix"] + "\nimport threadpoolctl\n"
    listed = "[p['num_threads'] for p in threadpoolctl.threadpool_info()]"
    command = [sys.executable, "-P", "-c", f"{code}print({listed})"]
    done = subprocess.run(command, env=environment(), text=True, capture_output=True, check=True)

    assert set(ast.literal_eval(done.stdout)) == {1}
