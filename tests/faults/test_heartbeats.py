"""Routines of scipy hold the interpreter for seconds; no heartbeat is missed all the same."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, Scheduler
from distributed import scheduler as scheduling

import sweep
from models.band_matrices import eigenvalues
from sweep import cluster
from sweep.cluster import connect
from tests.faults.tools import document, wait

TTL = 2.5
"""Seconds after which a worker that does not report counts as dead; looked at as often."""
HALF_WIDTH = 29
"""Of the complex band of fcc (111) at the usual cutoff: 3 * 9 + 2."""


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """One worker, on a scheduler that gives it up `TTL` seconds after its last heartbeat.

    A scheduler waits for ten heartbeats at least, so they are asked for more often than usual.
    """
    monkeypatch.setitem(cluster.CONFIG, "distributed.scheduler.worker-ttl", f"{TTL} s")
    monkeypatch.setattr(scheduling, "heartbeat_interval", lambda workers: TTL / 12)
    with connect(None, 1, dashboard=False) as client:
        ttl = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.worker_ttl)
        assert ttl == TTL
        yield client


def given_up(dask_scheduler: Scheduler) -> int:
    """Count the workers that were given up because their heartbeat stopped."""
    events = [message for _, message in dask_scheduler.get_events("scheduler")]
    return sum(m.get("action") == "worker-ttl-timed-out" for m in events if isinstance(m, dict))


def band(layers: int) -> np.ndarray:
    """A Hermitian band matrix of the size of a slab without symmetry."""
    rng = np.random.default_rng(1)
    parts = rng.standard_normal((2, 3 * layers, HALF_WIDTH + 1))
    both = (parts[0] + 1j * parts[1]).T
    both[0] = both[0].real
    return both


def layers_that_take(seconds: float) -> int:
    """Find a slab whose reduction takes so long on this machine; it grows with the square."""
    matrix, took = band(400), []
    for _ in range(2):  # the second one finds the routine loaded
        started = time.perf_counter()
        eigenvalues(matrix)
        took.append(time.perf_counter() - started)
    return int(400 * np.sqrt(seconds / min(took)))


@pytest.mark.long
def test_a_reduction_longer_than_the_patience_of_the_scheduler_misses_no_heartbeat(
    tmp_path: Path, strict: Client
) -> None:
    """One call of LAPACK's band solver, which keeps the interpreter's lock for all its time,
    takes more than twice as long as the scheduler waits. It does not notice, since the call is
    made in the numerics process and the worker only watches it. Made in the worker's own process
    the same call has the worker given up and its task begun again: that is the next test.
    """
    pids = client_pids(strict)
    layers = layers_that_take(2.6 * TTL)
    content = document(
        "thick", "slab", outputs=["frequency", "n_negative"], axes={"material": ["Ar", "Xe"]},
        fixed={"layers": layers, "solver": "banded", "k_list": [[0.1, 0.2]], "relaxed": False,
               "adlayer": "one side", "adlayer_mass_ratio": 2.0},
    )  # fmt: skip
    result = sweep.run(content, workspace=tmp_path, scheduler=strict)
    data = result.open()

    assert result.counts == {"ok": 2}
    assert data.seconds.max() > 2 * TTL, "else this proves nothing"
    assert data.attempts.values.tolist() == [1, 1]
    assert np.isfinite(data.frequency).all()
    assert strict.run_on_scheduler(given_up) == 0
    assert client_pids(strict) == pids


def client_pids(client: Client) -> dict[str, int]:
    """Process numbers of the workers, by address."""
    return dict(client.run(os.getpid))


def has_another(client: Client, before: dict[str, int]) -> bool:
    """Say whether a worker has come in place of one; one that goes closes its connection."""
    try:
        return bool(set(client_pids(client).values()) - set(before.values()))
    except OSError:
        return False


@pytest.mark.long
def test_the_same_reduction_in_a_worker_has_it_given_up(strict: Client) -> None:
    """The control: the scheduler of the test above is as strict as it says."""
    layers = layers_that_take(2.6 * TTL)
    before = client_pids(strict)
    future = strict.submit(lambda n: float(eigenvalues(band(n))[0]), layers, retries=0)

    wait(lambda: strict.run_on_scheduler(given_up) > 0, "the worker to be given up")
    future.cancel()
    wait(lambda: has_another(strict, before), "a new worker")
