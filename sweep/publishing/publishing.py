"""Publish: a finished sweep as a bundle that can be cited and checked.

README.md            what it is, and how to open it
CITATION.cff         how to cite it
LICENSE              the name of its license, if one was given
sweep.toml           the sweep as submitted
data.zarr/           its results, with consolidated metadata; or data.icechunk/
figures/             its views, each with its numbers
report.html          all of them in one page
verification.json    a sample that was computed again
versions.json        what computed it
checksums.sha256     of every file
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweep.comparison.verifying import Told, Verification
from sweep.layout import DATA, DEFAULT_WORKSPACE, sweep_file
from sweep.publishing.citation import Imprint, author_of, citation, license_of, version_of
from sweep.publishing.contents import (
    Figure,
    Source,
    chunks,
    draw,
    source_of,
    verification_of,
    verified,
    versions_of,
    write_head,
    write_report,
)
from sweep.publishing.places import SWEEP, Place, place_of
from sweep.publishing.repository import check_installed, write_repository
from sweep.publishing.texts import abstract_of, keywords_of, license_text, readme, title_of
from sweep.publishing.zarr_files import consolidate

REPOSITORY = "data.icechunk"
FIGURES = "figures"


@dataclass(frozen=True)
class Published:
    """A bundle that is whole."""

    name: str
    to: str
    """Folder or address."""
    version: str
    files: int
    bytes: int
    verification: Verification
    notes: tuple[str, ...]
    """What is missing in it, and how to add it."""

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, for JSON."""
        found = self.verification
        return {
            "name": self.name, "to": self.to, "version": self.version, "files": self.files,
            "bytes": self.bytes, "points": found.points, "verified": found.sampled,
            "notes": list(self.notes),
        }  # fmt: skip


def publish(
    sweep: str | Path,
    to: str | Path,
    *,
    authors: Sequence[str] = (),
    title: str = "",
    version: str = "1.0",
    license: str = "",
    sample: str | int = "1%",
    icechunk: bool = False,
    incomplete: bool = False,
    workers: int | None = None,
    workspace: str | Path = DEFAULT_WORKSPACE,
    told: Told | None = None,
    stage: Callable[[str], None] = lambda _: None,
) -> Published:
    """Publish a finished sweep as a bundle that can be cited and checked; it is only read.

    Parameters
    ----------
    sweep : name in the workspace, or folder
    to : a folder that is empty or does not exist, or an address: s3://, gs://, az://, file://
        or memory://, with credentials in the environment
    authors : "Given Family <mail>" each
    title : of the bundle; default: name of the sweep and what its model is
    version : of the bundle
    license : SPDX identifier, such as CC-BY-4.0
    sample : share of the points that have a result ("1%"), or their number, computed again
    icechunk : write the results into an icechunk repository, with one commit and a tag
    incomplete : publish a sweep with failed points, too
    workers : numerics processes of the verification; default: one for each core
    told : is told how many calculations are verified, of how many
    stage : is told what is done next

    Raises
    ------
    InputError : something that cannot be, or is not installed
    RefusedError : a sweep that has not ended, or a place that holds something else
    DeviationError : the sample, or a file, is not what it should be; nothing is published
    """
    named = tuple(author_of(a) for a in authors)
    number, terms = version_of(version), license_of(license)
    if icechunk:
        check_installed()
    source = source_of(sweep, workspace, incomplete=incomplete)
    today = datetime.now(UTC).date()
    imprint = Imprint(title_of(source, title), named, number, terms, today)
    with place_of(to, source.folder) as place:
        stage("verifying")
        found = verified(source, sample, workers, told)
        _write(place, source, imprint, found, stage, repository=icechunk)
        return Published(
            source.name, place.to, number, place.files, place.bytes, found,
            tuple(_notes(imprint)),
        )  # fmt: skip


def _write(
    place: Place, source: Source, imprint: Imprint, found: Verification,
    stage: Callable[[str], None], *, repository: bool,
) -> None:  # fmt: skip
    place.put(SWEEP, sweep_file(source.folder).read_bytes())
    stage("copying")
    _put_data(place, source, imprint, repository=repository)
    stage("drawing")
    figures = draw(source, place.room / FIGURES)
    if any(f.picture for f in figures):
        place.put_folder(FIGURES, place.room / FIGURES)
    place.put("report.html", write_report(source, place.room).read_bytes())
    _put_texts(place, source, imprint, found, figures, repository=repository)
    source.check_unchanged()
    place.finish()


def _put_data(place: Place, source: Source, imprint: Imprint, *, repository: bool) -> None:
    head = write_head(source, place.room)
    if repository:
        made = place.room / REPOSITORY
        about = {"sweep": source.name, "version": imprint.version}
        write_repository(
            made, head, chunks(source), f"{imprint.title}, version {imprint.version}",
            f"v{imprint.version}", about,
        )  # fmt: skip
        place.put_folder(REPOSITORY, made)
        return
    consolidate(head)
    place.put_folder(DATA, head)
    for name, content in chunks(source):
        place.put(f"{DATA}/{name}", content)


def _put_texts(
    place: Place, source: Source, imprint: Imprint, found: Verification,
    figures: Sequence[Figure], *, repository: bool,
) -> None:  # fmt: skip
    made_with = ("xarray", "bokeh", *(("icechunk",) if repository else ()))
    versions = versions_of(source, made_with)
    computed = versions["computed"]["versions"]
    words = {
        "verification.json": _json(verification_of(source, found)),
        "versions.json": _json(versions),
        "CITATION.cff": citation(
            imprint, source.plan.model, computed, abstract_of(source), keywords_of(source)
        ),
        "README.md": readme(source, imprint, found, figures, repository=repository),
        **({"LICENSE": license_text(imprint)} if imprint.license else {}),
    }
    for name, text in words.items():
        place.put(name, text.encode())


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _notes(imprint: Imprint) -> list[str]:
    notes = []
    if not imprint.authors:
        notes.append("CITATION.cff names nobody: give --author for each author")
    if not imprint.license:
        notes.append("no license: others may not know what they may do with it; give --license")
    return notes
