"""How a bundle is cited: authors, license, `CITATION.cff` (Citation File Format 1.2.0)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import metadata
from typing import Any

import yaml
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from models.protocol import Model, Work
from sweep.problems import InputError, nearest

COMMON_LICENSES = ("CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0", "ODbL-1.0", "MIT", "BSD-3-Clause")
ANONYMOUS = {"name": "anonymous"}
MESSAGE = "If you use these results, cite them as below, and modesweep, which computed them."
_AUTHOR = re.compile(r"(?P<name>[^<>]*[^<>\s])\s*(?:<(?P<mail>[^<>\s]+@[^<>\s]+\.[^<>\s]{2,})>)?")
_SOURCE = re.compile(r"(?P<authors>[^(]+) \((?P<year>\d{4})\)")


@dataclass(frozen=True)
class Author:
    """Somebody who answers for a bundle."""

    family: str
    given: str = ""
    """Empty: a group or an institution."""
    mail: str = ""

    @property
    def name(self) -> str:
        """The name as one writes it."""
        return f"{self.given} {self.family}".strip()

    def as_dict(self) -> dict[str, str]:
        """Give it as a citation file has it."""
        person = {"family-names": self.family, "given-names": self.given}
        found = person if self.given else {"name": self.family}
        return {**found, **({"email": self.mail} if self.mail else {})}


@dataclass(frozen=True)
class Imprint:
    """What a bundle says of itself beside its results."""

    title: str
    authors: tuple[Author, ...]
    version: str
    license: str
    """SPDX identifier, or nothing."""
    date: date


def author_of(text: str) -> Author:
    """Read an author: "Given Family <mail>", "Family, Given <mail>", or a group as "{Group}".

    Raises
    ------
    InputError : it is written otherwise
    """
    found = _AUTHOR.fullmatch(text.strip())
    name = " ".join(found["name"].split()) if found and text.isprintable() else ""
    if name.startswith("{") and name.endswith("}"):
        family, given = name[1:-1].strip(), ""
    elif "," in name:
        family, given = (s.strip() for s in name.split(",", 1))
    else:
        given, _, family = name.rpartition(" ")
    if found is None or not family:
        msg = (
            f'--author {text!r} is no author. Write "Given Family <mail@place.org>" or '
            '"Family, Given <mail@place.org>", a group as "{Name of the group}"; the mail may be '
            "left out."
        )
        raise InputError(msg)
    return Author(family, given, found["mail"] or "")


def license_of(text: str) -> str:
    """Read the name of a license, as SPDX has it.

    Raises
    ------
    InputError : SPDX has no such license
    """
    if not text:
        return ""
    try:
        found = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        found = " "
    if " " in found or found.startswith("LicenseRef"):
        msg = (
            f"--license {text!r} is no license of the SPDX list (https://spdx.org/licenses)."
            f"{nearest(text, COMMON_LICENSES)} For data, for example {COMMON_LICENSES[0]} or "
            f"{COMMON_LICENSES[1]}."
        )
        raise InputError(msg)
    return found


def version_of(text: str) -> str:
    """Read the version of a bundle.

    Raises
    ------
    InputError : it has signs that no version and no tag has
    """
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}", text):
        msg = f"--version {text!r} is no version. Give letters, digits, and . + _ -, such as 1.0."
        raise InputError(msg)
    return text


def citation(
    imprint: Imprint, model: Model, versions: Mapping[str, str], abstract: str,
    keywords: Iterable[str],
) -> str:  # fmt: skip
    """Write the `CITATION.cff` of a bundle."""
    content: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": MESSAGE,
        "type": "dataset",
        "title": imprint.title,
        "abstract": abstract,
        "authors": [a.as_dict() for a in imprint.authors] or [ANONYMOUS],
        "version": imprint.version,
        "date-released": imprint.date,
        **({"license": imprint.license} if imprint.license else {}),
        "keywords": list(keywords),
        "references": [modesweep(versions), *map(_reference, works(model))],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def modesweep(versions: Mapping[str, str]) -> dict[str, Any]:
    """Give modesweep as a reference, in the version that computed."""
    about = metadata("modesweep")
    author = str(about["Author"])
    return {
        "type": "software",
        "title": f"modesweep: {str(about['Summary'])[:1].lower()}{str(about['Summary'])[1:]}",
        "authors": [{"name": author}],
        "version": versions.get("modesweep", ""),
    }


def works(model: Model) -> tuple[Work, ...]:
    """Give the publications that a model follows; where it has only their names, those."""
    if model.works:
        return model.works
    found = (_SOURCE.match(piece.strip()) for piece in model.source.split(";"))
    return tuple(
        Work(tuple(re.split(r", | and ", m["authors"])), int(m["year"])) for m in found if m
    )


def _reference(work: Work) -> dict[str, Any]:
    place = {"journal": work.journal, "volume": work.volume, "start": work.page}
    return {
        "type": "article" if work.journal else "generic",
        "title": work.title or in_words(work),
        "authors": [author_of(a).as_dict() for a in work.authors],
        "year": work.year,
        **{name: text for name, text in place.items() if text},
    }


def in_words(work: Work) -> str:
    """Write a publication in a line."""
    place = f"{work.journal} {work.volume}, {work.page}" if work.journal else ""
    names = " and ".join(work.authors)
    return f"{', '.join(t for t in (names, work.title, place) if t)} ({work.year})"
