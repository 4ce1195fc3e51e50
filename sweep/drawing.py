"""The way up to what draws: pages, reports, plots. It stands above this package.

Whatever draws registers with the entry point group "modesweep.drawing"; nothing here imports it.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from sweep.problems import MachineError

GROUP = "modesweep.drawing"


def drawn_by(name: str) -> Any:
    """Load what draws something: "pages", "plot", "views", "report" or "notebook".

    Raises
    ------
    MachineError : the installation lacks it
    """
    for entry in entry_points(group=GROUP, name=name):
        return entry.load()
    msg = (
        f"This installation of modesweep has nothing that draws {name}. Install it again: "
        "pip install --force-reinstall modesweep."
    )
    raise MachineError(msg)
