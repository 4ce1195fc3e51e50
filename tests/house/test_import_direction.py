"""Imports run one way, physics knows no service, and heavy packages live in few files."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSE = {  # a trailing dot opens a whole package, without it one module
    "models": ("models.",),
    "sweep": (
        "sweep.", "models.protocol", "models.registry", "models.errors", "models.evaluate",
        "models.units",
    ),
    "dashboards": ("dashboards.", "sweep"),
}  # fmt: skip
ONLY_IN = {
    "dask": ("sweep/cluster.py", "sweep/service/link.py"),
    "distributed": (
        "sweep/cluster.py",
        "sweep/graph.py",
        "sweep/driving.py",
        "sweep/runner.py",
        "sweep/service/link.py",
        "sweep/service/carrying.py",
    ),
    "tornado": (
        "sweep/service/guarding.py",
        "sweep/service/handlers.py",
        "sweep/service/pages.py",
        "sweep/service/serving.py",
    ),
    "zarr": ("sweep/store.py", "sweep/publishing/zarr_files.py"),
    "icechunk": ("sweep/publishing/repository.py",),
    "xarray": (
        "sweep/queries/querying.py",
        "sweep/result.py",
        "sweep/exports/exportable.py",
        "sweep/exports/phonopy.py",
        "dashboards/",
    ),
    "pandas": (
        "sweep/queries/querying.py",
        "sweep/exports/csv_tables.py",
        "sweep/cli/query.py",
        "sweep/client/tables.py",
        "sweep/client/handles.py",
    ),
    "obstore": ("sweep/objects.py", "sweep/publishing/places.py"),
    "h5netcdf": ("sweep/exports/netcdf.py",),
    "h5py": ("sweep/exports/netcdf.py", "sweep/exports/phonopy.py"),
    "bokeh": ("dashboards/",),
    "rich": ("sweep/progress.py", "sweep/cli/"),
    "typer": ("sweep/cli/",),
}
NOT_IN_PHYSICS = (
    "dask", "distributed", "tornado", "zarr", "xarray", "pandas", "bokeh", "rich", "typer", "h5py",
    "h5netcdf",
)  # fmt: skip
FILES = [p for folder in HOUSE for p in sorted(ROOT.glob(f"{folder}/**/*.py"))]


def imported_names(path: Path) -> Iterator[tuple[str, bool]]:
    """Give what a file imports, and whether it does so inside a function."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(f)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            # `from models import registry` names the module models.registry
            if module in HOUSE:
                yield from ((f"{module}.{a.name}", id(node) in inside) for a in node.names)
            else:
                yield module, id(node) in inside


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    own = place.partition("/")[0]
    for name, _ in imported_names(path):
        top = name.partition(".")[0]
        if top in HOUSE and name not in HOUSE:
            allowed = HOUSE[own]
            public = own == "dashboards" and top == "sweep" and name.count(".") == 1
            assert public or any(
                name.startswith(a) if a.endswith(".") else name == a for a in allowed
            ), f"{place} imports {name}"
        if top in ONLY_IN:
            assert place.startswith(ONLY_IN[top]), f"{place} imports {name}"
        if own == "models":
            assert top not in NOT_IN_PHYSICS, f"{place} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_import_hides_in_a_function(path: Path) -> None:
    """Some load by name: the table of `sweep` and the commands of the command line; and what a
    command that only looks seldom needs, for which it would wait half a second: scipy's solvers,
    all rows of a ledger, the client of a service."""
    hidden = [name for name, inside in imported_names(path) if inside]
    dynamic = "import_module(" in path.read_text()

    assert not hidden
    assert not dynamic or path.relative_to(ROOT).as_posix() in (
        "sweep/__init__.py", "sweep/cli/main.py", "sweep/cli/places.py", "sweep/overview.py",
        "models/band_matrices.py",
    )  # fmt: skip


def test_dashboards_use_only_what_sweep_exports() -> None:
    import sweep

    for path in ROOT.glob("dashboards/**/*.py"):
        for name, _ in imported_names(path):
            if name.startswith("sweep."):
                assert name.partition(".")[2] in sweep.__all__, f"{path.name} imports {name}"


HOLDS_THE_INTERPRETER = ("models/band_matrices.py",)
"""Files that may call scipy.linalg: only there are band solvers. All numerics run in the child
process of a worker, which has nothing else to do meanwhile; its environment gives scipy's own
BLAS one thread as it does numpy's."""


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_band_solvers_hold_the_interpreter(path: Path) -> None:
    """scipy's eigh keeps the lock for its whole run, and brings a second BLAS beside numpy's."""
    names = [name for name, _ in imported_names(path)]
    text = path.read_text()
    by_name = re.search(r'import_module\(f?"scipy', text) is not None
    called = any(name.startswith("scipy.linalg") for name in names) or by_name
    assert not called or path.relative_to(ROOT).as_posix() in HOLDS_THE_INTERPRETER


HEAVY = ("distributed", "dask", "bokeh", "xarray")


@pytest.mark.parametrize(
    ("command", "heavy"),
    [*((c, HEAVY) for c in ("errors", "models", "plan")),
     *((c, (*HEAVY, "numpy", "pydantic")) for c in ("ls", "status", "watch"))],
)  # fmt: skip
def test_reading_commands_load_what_they_need(command: str, heavy: tuple[str, ...]) -> None:
    code = (
        f"import sys; import sweep.cli.{command}; print([m for m in {heavy} if m in sys.modules])"
    )

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"
