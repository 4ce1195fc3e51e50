"""modesweep ls"""

from __future__ import annotations

import time

from sweep.cli.common import AsJson, show_json, show_table
from sweep.cli.following import state_text
from sweep.cli.places import Server, TokenFile, Workspace, looking
from sweep.layout import DEFAULT_WORKSPACE
from sweep.overview import Status
from sweep.words import counts_text, readable_seconds


def command(
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List the sweeps with their place in the queue."""
    found = looking(server, token_file, workspace).statuses()
    if as_json:
        show_json([s.as_dict() for s in found])
    elif not found:
        where = server or workspace or DEFAULT_WORKSPACE
        print(f"There are no sweeps in {where}. `modesweep submit FILE` brings one.")
    else:
        columns = ["sweep", "model", "state", "done", "points", "priority", "submitted"]
        show_table("", columns, [_row(s) for s in found])
        for s in found:
            if s.note:
                print(f"{s.name}: {s.note}")


def _row(s: Status) -> list[str]:
    age = "" if s.submitted is None else _ago(s.submitted)
    done = "" if s.state == "damaged" else f"{s.fraction:.0%}"
    return [s.name, s.model, state_text(s), done, counts_text(s.counts), str(s.priority), age]


def _ago(moment: float) -> str:
    return f"{readable_seconds(max(time.time() - moment, 0))} ago"
