"""Preloaded into workers: they take no more blocks some time before their lifetime ends.

Dask's own end of a lifetime hands the block in hand to another worker at once, half done. To
that one it looks like a block whose worker has died, and a point to which that happens more
often than `retries` is lost. Here the block in hand is finished first.
"""

from __future__ import annotations

import asyncio

import click
from dask.utils import parse_timedelta
from distributed import Worker
from distributed.core import Status

LOOK_SECONDS = 0.2


@click.command()
@click.option("--grace", default="5m", help="How long before the end of its lifetime.")
def dask_setup(worker: Worker, grace: str) -> None:
    """Wait in the worker for the time to leave."""
    if worker.lifetime:
        after = max(worker.lifetime - parse_timedelta(grace), 0)
        worker.loop.call_later(after, leave, worker)


async def leave(worker: Worker) -> None:
    """Finish what is in hand, then close."""
    worker.memory_manager.memory_pause_fraction = False  # else it may have it go on again
    worker.status = Status.paused
    while worker.state.executing_count:
        await asyncio.sleep(LOOK_SECONDS)
    await worker.close_gracefully(reason="modesweep-leaves")
