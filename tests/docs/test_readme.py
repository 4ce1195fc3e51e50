"""Everything that README.md and six pages of docs/ say can be typed is typed here.

How a document marks its blocks:

* `<!-- file: name -->` before a block: it is written to that file; a further block of the
  same name is added to it.
* bash blocks run line by line, in order, in one folder; `# exit code 2` at the end of a
  line says what to expect, if not 0. In the quick form a plain `modesweep` is called in this
  process, and what it runs goes to the cluster of all tests.
* python blocks run as scripts, in order, in the same folder; in the quick form in this
  process, unless they need one of their own.
* `<!-- checked -->` before a text block: each of its lines is a line of what the last block
  printed. Numbers may differ by rounding; `...` stands for anything.
* `<!-- not run: reason -->` before a block: it is left out.

`make` is not called; its targets are looked up. `pip install .` works without a network.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from distributed import Client

from tests import effort
from tests.commands import run_here

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md", pytest.param("docs/daily-work.md", marks=pytest.mark.long),
    pytest.param("docs/write-a-model.md", marks=pytest.mark.long),
    pytest.param("docs/impurities.md", marks=pytest.mark.long),
    pytest.param("docs/service.md", marks=pytest.mark.long),
    pytest.param("docs/pages.md", marks=pytest.mark.long),
    pytest.param("docs/scaling.md", marks=pytest.mark.long),
)  # fmt: skip
BLOCK = re.compile(r"^(?:<!-- ([^\n]*?) -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT_CODE = re.compile(r"\s+#\s*exit code (\d+)(?:, or (\d+))?[^#]*$")
LEFT_OUT = (
    "eval ", "make ", "git clone", "pip install", "dask ", "modesweep run argon.toml --scheduler",
    "modesweep serve &", "modesweep submit argon.toml", "modesweep watch argon-adsorbed",
    "ssh ", "curl ", "modesweep ls --server",
    "modesweep serve", "modesweep submit", "modesweep watch",
)  # fmt: skip
"""Lines that a block marked as not run may hold."""
QUOTED = re.compile(r"'[^']*'")
SHELL = re.compile(r"[|&;<>]\s|--workers")
"""Lines with these words want a shell, or workers of their own."""
NUMBER = re.compile(r"[-+]?\d+\.\d*(?:[eE][-+]?\d+)?")
SECONDS = 60
SCRIPT = f"""#!{sys.executable} -P
from sweep.cli.main import main

if __name__ == "__main__":  # worker processes read this again
    main()
"""


@dataclass(frozen=True)
class Block:
    mark: str
    language: str
    text: str


@dataclass
class Desk:
    """A folder where a reader types, with `modesweep` on the path."""

    folder: Path
    scheduler: str = ""
    """Where lines may run that need no process of their own; empty: each has one."""
    printed: str = ""
    written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        command = self.folder / "bin" / "modesweep"
        command.parent.mkdir()
        command.write_text(SCRIPT)
        command.chmod(0o755)

    def environment(self) -> dict[str, str]:
        path = [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        return os.environ | {
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": str(self.folder / "plugins"),
            "COLUMNS": "200",
        }

    def write(self, name: str, text: str) -> None:
        with (self.folder / name).open("a" if name in self.written else "w") as file:
            file.write(f"\n\n{text}" if name in self.written else text)
        self.written.add(name)

    def type_lines(self, text: str) -> None:
        self.printed = ""
        for line in lines_of(text):
            expected = {0}
            if match := EXIT_CODE.search(line):
                expected = {int(code) for code in match.groups() if code}
                line = line[: match.start()]
            if line == "pip install .":
                line = (
                    f"{sys.executable} -m pip install --quiet --no-index --no-deps "
                    "--no-build-isolation --target plugins ."
                )
            if (
                self.scheduler
                and line.startswith("modesweep ")
                and not SHELL.search(QUOTED.sub("", line))
            ):
                self.call_here(line, expected)
            else:
                self.call(["bash", "-c", line], expected, line)

    def run_script(self, text: str) -> None:
        self.printed = ""
        script = self.folder / "block.py"
        script.write_text(text)
        if self.scheduler and "__main__" not in text:
            self.run_here(script)
        else:
            self.call([sys.executable, script.name], {0}, text)

    def run_here(self, script: Path) -> None:
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
            patch.chdir(self.folder)
            runpy.run_path(str(script))
        self.note(0, out.getvalue(), {0}, script.name)

    def call(self, command: list[str], expected: set[int], shown: str) -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment(), timeout=SECONDS,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=one_core,
        )  # fmt: skip
        self.note(done.returncode, done.stdout, expected, shown)

    def call_here(self, line: str, expected: set[int]) -> None:
        _, *words = shlex.split(line)
        if words[0] == "run":
            words += ["--scheduler", self.scheduler]
        done = run_here(*words, cwd=self.folder, COLUMNS="200")
        self.note(done.returncode, done.stdout + done.stderr, expected, line)

    def note(self, code: int, printed: str, expected: set[int], shown: str) -> None:
        assert code in expected, f"{shown}\n{printed}"
        assert "Warning" not in printed, printed
        self.printed += printed


def one_core() -> None:
    """Be a reader's machine of one core: by default there is one worker for each, and each costs
    the imports of two processes."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def lines_of(text: str) -> Iterator[str]:
    """Commands of a block, without comments; a backslash joins lines."""
    for line in text.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+#(?! exit code).*$", "", line).strip()
        if command and not command.startswith("#"):
            yield command


def blocks(document: str) -> list[Block]:
    text = (ROOT / document).read_text()
    found = [Block(m[1] or "", m[2], m[3]) for m in BLOCK.finditer(text)]
    assert len(found) == text.count("\n```") / 2, "a block is not closed, or has no language"
    return found


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def says(printed: str, expected: str) -> bool:
    """Look for a line, numbers up to rounding."""
    words = expected.split()
    return any(same(words, line.split()) for line in printed.splitlines())


def same(expected: list[str], found: list[str]) -> bool:
    pattern = "".join(
        ".*" if piece == "..." else re.escape(NUMBER.sub("#", piece))
        for piece in re.split(r"(\.\.\.)", " ".join(expected))
    )
    if not re.fullmatch(pattern.replace(r"\#", "#"), NUMBER.sub("#", " ".join(found))):
        return False
    if "..." in " ".join(expected):
        return True
    pairs = zip(NUMBER.findall(" ".join(expected)), NUMBER.findall(" ".join(found)), strict=True)
    return all(float(a) == pytest.approx(float(b), rel=1e-5, abs=1e-7) for a, b in pairs)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder where nothing is left running, whatever a document has started there."""
    yield tmp_path
    for told in tmp_path.glob("*/service.json"):
        os.kill(json.loads(told.read_text())["pid"], signal.SIGTERM)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_says_works(document: str, folder: Path, client: Client) -> None:
    own_models = "pip install ." in (ROOT / document).read_text()  # found by new processes only
    here = not effort.LONG and not own_models
    desk = Desk(folder, client.scheduler.address if here else "")
    for block in blocks(document):
        if block.mark.startswith("not run:"):
            assert all(line.startswith(LEFT_OUT) for line in lines_of(block.text)), block.text
        elif block.mark.startswith("file: "):
            desk.write(block.mark.removeprefix("file: "), block.text)
        elif block.language == "bash" and "make " in block.text:
            names = {line.split()[1] for line in lines_of(block.text)}
            assert names <= targets(), block.text
        elif block.language == "bash":
            desk.type_lines(block.text)
        elif block.language == "python":
            desk.run_script(block.text)
        elif block.mark == "checked":
            missing = [x for x in block.text.splitlines() if not says(desk.printed, x)]
            assert not missing, "\n".join(["not printed:", *missing, "but:", desk.printed])


PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(
    str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").glob("*.md"))
))  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`make ([a-z-]+)`", text))
    for block in re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        named |= set(re.findall(r"^make ([a-z-]+)", block, re.MULTILINE))

    assert named <= targets()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    folder = (ROOT / page).parent
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    gone = [x for x in links if "://" not in x and not (folder / x).exists()]

    assert not gone


@pytest.mark.parametrize("folder", ["models", "sweep", "dashboards"])
def test_every_file_of_the_house_is_in_the_table(folder: str) -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    files = [p.name for p in (ROOT / folder).glob("*.py") if p.name != "__init__.py"]

    assert not [name for name in files if name not in text]
