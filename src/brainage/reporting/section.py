"""What a section of the study's page is made of.

A section is one module of :mod:`brainage.reporting.sections`. It has

* ``CHOICE``, a :class:`Section`: its heading, its place on the page and its figures;
* ``reason(tables, settings)``: why the data do not allow it, in words, or None;
* ``blocks(report)``: what stands under the heading, in order;
* for each figure ``draw_<name>(tables, settings)``: a picture, or why there is none.

Nothing else has to know of it. Planning reads the declarations, so that a section imports pandas
and matplotlib inside its functions only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from brainage.core.choices import Choice, module, names
from brainage.reporting import words
from brainage.reporting.tables import Settings, Tables

if TYPE_CHECKING:
    import pandas as pd

SECTIONS = "brainage.reporting.sections"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a section.

    Attributes
    ----------
    name
        Its file is ``<name>.svg``, and ``draw_<name>`` of the section draws it.
    category
        Under which Snakemake's report lists it.
    label
        Its title.
    caption
        What it shows and how to read it, in sentences.
    needs
        The tables that it is drawn from.
    """

    name: str
    category: str
    label: str
    caption: str
    needs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Section(Choice):
    """A section: `label` is its heading, `sentence` what it shows.

    Attributes
    ----------
    order
        Its place: sections stand in rising order.
    short
        Its name in the list of contents.
    figures
        Its figures.
    tell_off
        Whether the page says why where the section is switched off.
    """

    order: int
    short: str
    figures: tuple[Figure, ...] = ()
    tell_off: bool = True


@dataclass(frozen=True)
class Software:
    """What the results were made with, and what to beware of in that.

    Attributes
    ----------
    versions
        Name and version, as text, of each package.
    warnings
        Mixtures of versions, and versions that are not the locked ones, in sentences.
    """

    versions: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """What the sections are made from.

    Attributes
    ----------
    tables, settings
        All tables, and the whole config.
    remarks
        What the index had to say of the tables.
    people_pages
        Number of pages of single persons beside this one.
    software
        What the results were made with.
    """

    tables: Tables
    settings: Settings
    remarks: Sequence[str] = ()
    people_pages: int = 0
    software: Software = field(default_factory=Software)


@dataclass
class Printed:
    """A table as text. `numbers` are columns set flush right, `main` rows set bold."""

    kind: ClassVar[str] = "table"
    caption: str
    head: list[str]
    rows: list[list[str]]
    numbers: set[int] = field(default_factory=set)
    main: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def without_empty(self) -> Printed:
        """Leave out the columns that no row fills."""
        kept = [
            i for i in range(len(self.head)) if any(row[i] != words.MISSING for row in self.rows)
        ]
        if not self.rows:
            return self
        numbers = {place for place, i in enumerate(kept) if i in self.numbers}
        rows = [[row[i] for i in kept] for row in self.rows]
        return Printed(
            self.caption, [self.head[i] for i in kept], rows, numbers, self.main, self.notes
        )


@dataclass(frozen=True)
class Text:
    """A paragraph; `style` is nothing, ``strong`` or ``small``."""

    kind: ClassVar[str] = "text"
    text: str
    style: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list with the words before it."""

    kind: ClassVar[str] = "bullets"
    before: str
    items: Sequence[str]


@dataclass(frozen=True)
class Link:
    """A link to a page beside this one."""

    kind: ClassVar[str] = "link"
    text: str
    address: str


@dataclass(frozen=True)
class Shown:
    """The place of a figure, by its name; nothing where it is not available."""

    kind: ClassVar[str] = "figure"
    name: str


@dataclass(frozen=True)
class Downloads:
    """Links to tables, by their names, as far as they are there."""

    kind: ClassVar[str] = "downloads"
    names: tuple[str, ...]


Block = Printed | Text | Bullets | Link | Shown | Downloads


def sections() -> dict[str, ModuleType]:
    """Return the modules of all sections by name, in the order of the page."""
    found = {name: module(SECTIONS, name) for name in names(SECTIONS)}
    return dict(sorted(found.items(), key=lambda item: item[1].CHOICE.order))


def notes_of(rows: pd.DataFrame, *columns: str) -> list[str]:
    """Return each text of these columns once, as a sentence.

    Of notes that differ only in their count of people, the one with the most is said.
    """
    found: dict[str, tuple[int, str]] = {}
    for column in columns:
        for text in rows[column].dropna().unique():
            said = str(text).rstrip(". ")
            counted = re.match(r"\d+", said)
            count = int(counted[0]) if counted else 0
            kind = f"{column} {said[counted.end() :] if counted else said}"
            sentence = f"Model: {said}." if column == "model" else f"{words.capital(said)}."
            if kind not in found or count > found[kind][0]:
                found[kind] = (count, sentence)
    return [sentence for _, sentence in found.values()]


def reason_of(rows: pd.DataFrame, otherwise: str) -> str:
    """Return the reasons that the statistics gave why there is no estimate, or `otherwise`."""
    notes = [str(note).rstrip(". ") for note in rows["note"].dropna().unique()]
    return "; ".join(notes[:3]) if notes else otherwise
