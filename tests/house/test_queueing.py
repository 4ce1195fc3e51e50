"""The simulation of large clusters keeps what no queue may break."""

import pytest

from benchmarks.queueing import Case, Costs, Store, simulate, window
from sweep.steering import LEAST_WINDOW, MOST_OUTSTANDING, WINDOW, Line

FREE = Costs(0.0, 0.0, 0.0, 0.0, 0.0)
COSTS = Costs(0.001, 0.003, 0.002, 0.0015, 0.02)


def test_every_block_is_done_once_and_all_work_is_accounted_for() -> None:
    case = Case(7, 0.5, 500, bytes=1e6)
    run = simulate(case, COSTS, Store(bytes_per_second=1e8))

    assert len(run.finished) == case.blocks
    assert run.finished == sorted(run.finished)
    assert run.numerics == pytest.approx(250, rel=0.05)
    share = run.rate / case.blocks
    assert run.use["scheduler"] / share == pytest.approx(500 * 0.0015)
    assert run.use["owner"] / share == pytest.approx(500 * (0.001 + 0.003 + 0.002 + 0.0005))
    assert run.use["store"] / share == pytest.approx(500 * 0.01)
    assert run.numerics / case.workers < run.seconds


@pytest.mark.parametrize(
    ("costs", "store", "rate", "limit"),
    [(Costs(0, 0, 0, 0.003, 0), Store(), 1 / 0.003, "scheduler"),
     (Costs(0.002, 0.003, 0, 0, 0), Store(), 1 / 0.005, "owner"),
     (FREE, Store(bytes_per_second=1e8), 100.0, "store"),
     (FREE, Store(files_per_second=50), 50.0, "store")],
    ids=["scheduler", "owner", "bytes", "files"],
)  # fmt: skip
def test_one_server_saturates_at_its_rate(
    costs: Costs, store: Store, rate: float, limit: str
) -> None:
    run = simulate(Case(500, 0.3, 4000, bytes=1e6), costs, store)

    assert run.rate == pytest.approx(rate, rel=0.02)
    assert run.limit == limit


def test_few_workers_are_what_limits_and_pay_their_overhead() -> None:
    run = simulate(Case(3, 1.0, 300, spread=0), Costs(0, 0, 0, 0, 0.25))

    assert run.rate == pytest.approx(3 / 1.25, rel=0.02)
    assert run.efficiency == pytest.approx(0.8, rel=0.02)
    assert run.limit == "workers"


def test_a_window_smaller_than_the_cluster_leaves_workers_idle() -> None:
    run = simulate(Case(400, 1.0, 4000, most=100), FREE)

    assert run.most == 100
    assert run.efficiency == pytest.approx(0.25, rel=0.05)
    assert run.limit == "window"


@pytest.mark.parametrize("workers", [1, 100, 1000, 3000])
def test_the_window_is_that_of_a_sweep_and_keeps_all_workers_busy(workers: int) -> None:
    run = simulate(Case(workers, 10.0, 6 * workers), FREE)

    assert run.most <= window(workers)
    assert run.efficiency > 0.95


@pytest.mark.parametrize("slots", [1, 250, 500, 5000])
@pytest.mark.parametrize("sweeps", [1, 3, 40])
def test_orders_are_bounded_by_the_slots(slots: int, sweeps: int) -> None:
    line = Line()
    for _ in range(sweeps):
        line.join(0)

    everything = line.most(slots) * sweeps
    assert everything <= max(MOST_OUTSTANDING, LEAST_WINDOW * slots)
    assert line.most(slots) <= WINDOW * slots
    if slots >= 250:
        assert everything > min(LEAST_WINDOW * slots, MOST_OUTSTANDING) - sweeps
