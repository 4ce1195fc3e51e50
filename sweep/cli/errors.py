"""modesweep errors"""

from __future__ import annotations

from collections.abc import Sequence

from sweep.cli.common import AsJson, SweepName, show_json
from sweep.cli.places import Failure, Server, TokenFile, Workspace, looking
from sweep.messages import grouped

MOST_POINTS = 10


def command(
    sweep: SweepName,
    workspace: Workspace = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the points that failed, grouped by error, with a traceback of each group."""
    found = looking(server, token_file, workspace, sweep).errors(sweep)
    if as_json:
        show_json([p.as_dict() for p in found])
    elif not found:
        print("No point has failed.")
    else:
        for (kind, message), points in grouped(found).items():
            _show(kind, message, points)


def _show(kind: str, message: str, points: Sequence[Failure]) -> None:
    needed_by = sum(p.points for p in points)
    shared = "" if needed_by == len(points) else f" that {needed_by:,} points need"
    what = "point" if not shared else "calculation"
    count = f"{len(points):,} {what}{'' if len(points) == 1 else 's'}{shared}"
    print(f"{count}, {kind} in stage {points[0].stage}: {message}")
    for p in points[:MOST_POINTS]:
        at = " ".join(f"{axis}={value}" for axis, value in p.point.items()) or "the only point"
        print(f"  {at}  (attempts: {p.attempts})")
    if len(points) > MOST_POINTS:
        print(f"  and {len(points) - MOST_POINTS} more (--json lists all)")
    print(f"  repeat it: {points[0].command}")
    if points[0].traceback:
        print("  " + points[0].traceback.rstrip().replace("\n", "\n  "))
    print()
