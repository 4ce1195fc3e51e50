"""What a bundle says of itself: its README and what is told of it in a citation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sweep.comparison.verifying import Verification
from sweep.layout import DATA, STATUS, fill_of
from sweep.publishing.citation import Author, Imprint, in_words, modesweep, works
from sweep.publishing.contents import PNG, Figure, Source
from sweep.publishing.places import CHECKSUMS
from sweep.values import as_text, unit_of

MOST_VALUES = 12
STATUS_MEANINGS = {
    "ok": "has a result",
    "unstable": "has a result: the crystal is unstable there (a negative squared frequency)",
    "failed": "has no result: its calculation failed",
    "lost": "has no result: what computed it died again and again",
    "skipped": "is not wanted: `where` in the sweep file leaves it out",
}
OPEN = """\
import xarray

data = xarray.open_zarr("data.zarr")
print(data)
"""
OPEN_REMOTE = """\
import xarray, zarr
from obstore.store import from_url

store = zarr.storage.ObjectStore(from_url("s3://BUCKET/FOLDER/data.zarr"), read_only=True)
data = xarray.open_zarr(store)
"""
OPEN_REMOTE_REPOSITORY = """\
storage = icechunk.s3_storage(bucket="BUCKET", prefix="FOLDER/data.icechunk", from_env=True)
repository = icechunk.Repository.open(storage)
"""
OPEN_REPOSITORY = """\
import icechunk, xarray

repository = icechunk.Repository.open(icechunk.local_filesystem_storage("data.icechunk"))
data = xarray.open_zarr(repository.readonly_session(tag="TAG").store, consolidated=False)
"""


def title_of(source: Source, asked: str) -> str:
    """Give the title of a bundle: what was asked for, or the sweep and what its model is."""
    about = source.plan.model.title
    return " ".join(asked.split()) or f"{source.name}: {about[:1].lower()}{about[1:]}"


def abstract_of(source: Source) -> str:
    """Say in a sentence or two what was computed."""
    plan = source.plan
    axes = ", ".join(_axes(source)) or "no axis"
    return (
        f"A parameter sweep of the model {plan.model.name} of modesweep over {axes}: "
        f"{_counted(source.results, 'point')} with {', '.join(plan.sweep.outputs)}. "
        f"{plan.model.title}; formulas: {plan.model.source}."
    )


def keywords_of(source: Source) -> list[str]:
    """Give what a bundle is found by."""
    return ["lattice dynamics", "parameter sweep", source.plan.model.name, "modesweep", "zarr"]


def license_text(imprint: Imprint) -> str:
    """Name the license."""
    names = ", ".join(a.name for a in imprint.authors) or "their authors"
    return (
        f"SPDX-License-Identifier: {imprint.license}\n\n"
        f"{imprint.title}\n{names}, {imprint.date.year}\n\n"
        f"The text of the license: https://spdx.org/licenses/{imprint.license}.html\n"
    )


def readme(
    source: Source, imprint: Imprint, found: Verification, figures: Sequence[Figure], *,
    repository: bool,
) -> str:  # fmt: skip
    """Write the README of a bundle."""
    parts = [
        _head(source, imprint), _open(source, imprint, repository=repository),
        _files(imprint, figures, repository=repository), _points(source),
        _model(source), _variables(source), _figures(figures), _trust(source, found),
        _cite(source, imprint),
    ]  # fmt: skip
    return "\n\n".join(p.strip() for p in parts if p) + "\n"


def _head(source: Source, imprint: Imprint) -> str:
    names = ", ".join(a.name for a in imprint.authors)
    by = f" by {names}" if names else ""
    lines = [
        f"# {imprint.title}",
        f"Version {imprint.version}, {imprint.date.isoformat()}{by}."
        + (f" License: {imprint.license}." if imprint.license else ""),
        abstract_of(source),
    ]
    if source.failed:
        lines.append(
            f"**Incomplete:** {source.failed:,} of {source.failed + source.results:,} points have "
            "no result (see Points). Their values are missing (NaN)."
        )
    return "\n\n".join(lines)


def _open(source: Source, imprint: Imprint, *, repository: bool) -> str:
    if repository:
        code = OPEN_REPOSITORY.replace("TAG", f"v{imprint.version}")
        text = (
            "The results are an [icechunk](https://icechunk.io) repository with one commit and "
            f"the tag `v{imprint.version}`. With `pip install xarray icechunk`, in this folder:\n\n"
            f"```python\n{code}```\n\n"
            "From an object store that this bundle lies in:\n\n"
            f"```python\n{OPEN_REMOTE_REPOSITORY}```"
        )
    else:
        text = (
            "The results are a Zarr v3 group. With `pip install xarray zarr`, in this folder:\n\n"
            f"```python\n{OPEN}```\n\n"
            "From an object store that this bundle lies in (`pip install obstore`, too):\n\n"
            f"```python\n{OPEN_REMOTE}```"
        )
    if source.grown:
        order = ", ".join(f'"{n}"' for n in source.grown)
        text += (
            f"\n\nThe sweep was extended: new values of {', '.join(source.grown)} stand after the "
            f"older ones. `data.sortby([{order}])` brings them into order."
        )
    return f"## Open it\n\n{text}"


def _files(imprint: Imprint, figures: Sequence[Figure], *, repository: bool) -> str:
    data = "data.icechunk/" if repository else f"{DATA}/"
    rows = [
        (f"`{data}`", "the results: every variable with its axes, units and meaning"),
        ("`sweep.toml`", "the sweep as submitted; `modesweep run sweep.toml` computes it again"),
        ("`report.html`", "all figures in one page, which needs no network"),
        ("`verification.json`", "the sample that was computed again, and how it compared"),
        ("`versions.json`", "what computed it: versions, linear algebra, model and revision"),
        ("`CITATION.cff`", "how to cite it ([Citation File Format]"
         "(https://citation-file-format.github.io))"),
        (f"`{CHECKSUMS}`", "SHA-256 of every file"),
    ]  # fmt: skip
    if any(f.picture for f in figures):
        rows.insert(1, ("`figures/`", "views of the results, each with its numbers as CSV"))
    if imprint.license:
        rows.append(("`LICENSE`", "the name of its license"))
    return (
        f"## What is in it\n\n{_table(('file', 'holds'), rows)}\n\n"
        f"Whether all of it has arrived as it was published:\n\n"
        f"```bash\nsha256sum -c --quiet {CHECKSUMS}\n```"
    )


def _points(source: Source) -> str:
    rows = [
        (f"`{word}`", f"{n:,}", STATUS_MEANINGS.get(word, "")) for word, n in source.counts.items()
    ]
    text = f"## Points\n\n{_table(('status', 'points', 'such a point'), rows, '-:-')}"
    axes = [_axis(source, name) for name in _axes(source)]
    if axes:
        text += f"\n\nAxes, the dims of `status`:\n\n{_table(_AXIS, axes)}"
    together = [d.values for d in source.plan.sweep.dims if len(d.values) > 1]
    for names in together:
        text += f"\n\n{', '.join(names)} move together, along the dim `{next(iter(names))}`."
    if source.plan.sweep.where is not None:
        text += f"\n\nWanted are the points where `{source.plan.sweep.where.text}`."
    return text


_AXIS = ("axis", "unit", "values", "meaning")


def _axes(source: Source) -> list[str]:
    return [axis for d in source.plan.sweep.dims for axis in d.values]


def _axis(source: Source, name: str) -> tuple[str, ...]:
    field = source.plan.model.parameters.model_fields[name]
    values = source.plan.sweep.coordinates[name].tolist()
    return f"`{name}`", _unit(unit_of(field)), _values(values), field.description or ""


def _values(values: Sequence[Any]) -> str:
    words = [f"{v:.6g}" if isinstance(v, float) else as_text(v) for v in values]
    if len(words) <= MOST_VALUES:
        return ", ".join(words)
    return f"{', '.join(words[:4])}, ..., {words[-1]} ({len(words):,} values)"


def _model(source: Source) -> str:
    model, sweep = source.plan.model, source.plan.sweep
    given = sweep.document.get("fixed", {})
    swept = _axes(source)
    rest = {n: v for n, v in sweep.fixed.items() if n not in given and n not in swept}
    parts = [
        f"## Model\n\n`{model.name}`, revision {source.attributes['revision']}: {model.title}. "
        f"Formulas: {model.source}."
    ]
    if given:
        parts.append(f"The same for all points:\n\n{_parameters(source, given)}")
    if rest:
        parts.append(
            f"<details>\n<summary>{_counted(len(rest), 'parameter')} at the model's default"
            f"</summary>\n\n{_parameters(source, rest)}\n\n</details>"
        )
    return "\n\n".join(parts)


def _parameters(source: Source, values: Mapping[str, Any]) -> str:
    fields = source.plan.model.parameters.model_fields
    rows = [
        (f"`{n}`", _setting(v), _unit(unit_of(fields[n])), fields[n].description or "")
        for n, v in values.items()
    ]
    return _table(("parameter", "value", "unit", "meaning"), rows)


def _setting(value: Any) -> str:
    if value in ([], (), None):
        return "none"
    return as_text(value)


def _variables(source: Source) -> str:
    rows = []
    for name, array in source.plan.arrays.items():
        meaning = array.variable.long_name
        if array.variable.flags:
            flags = ", ".join(f"{i} {word}" for i, word in enumerate(array.variable.flags))
            meaning += f" ({flags}; {fill_of('uint8')} not there)"
        rows.append((f"`{name}`", ", ".join(array.dims) or "none", _unit(array.unit), meaning))
    axes = ", ".join(d.name for d in source.plan.sweep.dims) or "none"
    words = ", ".join(f"{i} {word}" for i, word in enumerate(STATUS))
    rows += [
        ("`status`", axes, "", f"state of the point ({words})"),
        ("`attempts`, `seconds`", axes, ", s", "how often and how long the point was computed"),
    ]
    dims = [
        (f"`{d.name}`", f"{source.plan.lengths[d.name]:,}", _unit(_dim_unit(source, d.unit)),
         d.long_name)
        for d in source.plan.model.dims
        if any(d.name in a.variable.dims for a in source.plan.arrays.values())
    ]  # fmt: skip
    text = f"## Variables\n\n{_table(('variable', 'dims', 'unit', 'meaning'), rows)}"
    if dims:
        text += (
            "\n\nDims that are no axes; where a point has fewer places, the rest is missing:"
            f"\n\n{_table(('dim', 'length', 'unit', 'counts'), dims)}"
        )
    return text


def _dim_unit(source: Source, unit: str) -> str:
    sweep = source.plan.sweep
    return source.plan.model.unit_of(unit, sweep.point([0] * len(sweep.dims)))


def _figures(figures: Sequence[Figure]) -> str:
    drawn = [f for f in figures if f.picture]
    if not drawn:
        return ""
    text = "## Figures\n\n" + "\n\n".join(map(_figure, drawn))
    if any(f.picture.endswith(".html") for f in drawn):
        text += (
            "\n\nWhere they were published there was no browser to take pictures with: these "
            "pages show the figures in yours, without a network."
        )
    return text


def _figure(figure: Figure) -> str:
    title = f"{figure.title[:1].upper()}{figure.title[1:]}"
    picture = f"figures/{figure.picture}"
    image = f"![{title}]({picture})\n\n" if picture.endswith(PNG) else ""
    files = [picture, f"figures/{figure.table}"]
    links = ", ".join(f"[{f.rpartition('/')[2]}]({f})" for f in files)
    shows = f"; {figure.shows}" if figure.shows else ""
    return f"{image}**{title}**{shows} ({links})."


def _trust(source: Source, found: Verification) -> str:
    computed = dict(source.attributes["versions"])
    same = sum(c.identical == c.points for c in found.variables)
    moved = [c for c in found.variables if c.identical != c.points]
    sentences = [
        f"Before it was published, all {found.check.files:,} files of the sweep were compared "
        "with the checksums that were taken when they were written, and "
        f"{found.sampled:,} of its {_counted(found.points, 'point')}, drawn at random, "
        f"{'was' if found.sampled == 1 else 'were'} computed again. "
        + ("All" if not moved else f"{same} of {len(found.variables)}")
        + " variables agree byte for byte"
    ]
    if moved:
        worst = max(moved, key=lambda c: c.relative / (c.tolerance or 1))
        sentences[0] += (
            f", the others within their tolerance: at most {worst.relative:.1e} in "
            f"`{worst.variable.name}`, where {worst.tolerance:.1e} is allowed"
        )
    sentences[0] += "."
    sentences.append(
        f"Computed by modesweep {computed.pop('modesweep', '?')} with "
        f"{', '.join(f'{n} {v}' for n, v in computed.items())}; linear algebra: "
        f"{', '.join(source.kernels)}; begun {source.attributes['created']}."
    )
    stored, installed = found.revisions
    if stored != installed:
        sentences.append(
            f"The sample was computed by revision {installed} of the model, the sweep by "
            f"revision {stored}."
        )
    return "## How far it can be trusted\n\n" + "\n\n".join(sentences)


def _cite(source: Source, imprint: Imprint) -> str:
    computed = dict(source.attributes["versions"])
    own = modesweep(computed)
    names = _listed(imprint.authors) or "The authors"
    rows = [
        f"{names} ({imprint.date.year}). {imprint.title} (version {imprint.version}) [data set].",
        f"{own['authors'][0]['name']}. {own['title']} (version {own['version']}) [software].",
        *(f"{in_words(w)}." for w in works(source.plan.model)),
    ]
    listed = "\n".join(f"- {r}" for r in rows)
    return (
        "## Cite it\n\n`CITATION.cff` says how, also for the program and for what its formulas "
        f"are taken from:\n\n{listed}"
    )


def _listed(authors: Iterable[Author]) -> str:
    return "; ".join(f"{a.family}, {a.given}" if a.given else a.family for a in authors)


def _unit(unit: str) -> str:
    return "" if unit in ("", "1") else unit


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    marks = ["--:" if align[i : i + 1] == ":" else "---" for i in range(len(head))]
    return "\n".join(_lines(head, marks, rows))


def _lines(
    head: Sequence[str], marks: Sequence[str], rows: Iterable[Sequence[str]]
) -> Iterator[str]:
    for row in (head, marks, *rows):
        yield f"| {' | '.join(_cell(c) for c in row)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
