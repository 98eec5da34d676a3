"""Every figure of the reports: which there are, drawing them, and reading their words back.

:data:`FIGURES` is read at planning, from the declarations of the sections; pandas and matplotlib
are loaded when a figure is drawn.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from brainage.core.files import InputError, write_text
from brainage.reporting import style
from brainage.reporting.section import Figure, sections
from brainage.reporting.tables import Inputs, Settings, Tables

_SECTION_OF: dict[str, ModuleType] = {
    figure.name: section for section in sections().values() for figure in section.CHOICE.figures
}
FIGURES: dict[str, Figure] = {
    figure.name: figure for section in sections().values() for figure in section.CHOICE.figures
}


def write_captions(folder: Path) -> None:
    """Write ``<name>.rst`` for each figure, for Snakemake's report; what is there already stays."""
    for figure in FIGURES.values():
        path, text = Path(folder) / f"{figure.name}.rst", f"{figure.caption}\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def draw(name: str, inputs: Inputs, out: Path, settings: Settings) -> None:
    """Draw one figure as SVG, the same bytes each time.

    Parameters
    ----------
    name
        A key of :data:`FIGURES`.
    inputs
        Name of a table -> its path or paths; the figure reads those it needs. A table that is
        not given counts as empty.
    out
        Path of the SVG. Where the tables hold nothing to draw, it says why instead.
    settings
        The whole config.

    Raises
    ------
    InputError
        For an unknown name, or a table that breaks its contract.
    """
    _save(name, Tables(inputs), Path(out), settings)


def draw_all(inputs: Inputs, folder: Path, settings: Settings) -> list[Path]:
    """Draw every figure as ``folder/<name>.svg``; return the paths."""
    tables = Tables(inputs)
    paths = [Path(folder) / f"{name}.svg" for name in FIGURES]
    for name, path in zip(FIGURES, paths, strict=True):
        _save(name, tables, path, settings)
    return paths


def _save(name: str, tables: Tables, out: Path, settings: Settings) -> None:
    if name not in FIGURES:
        raise InputError(f"there is no figure {name!r}; there are: {', '.join(FIGURES)}")
    title = FIGURES[name].label
    with style.look():
        found = getattr(_SECTION_OF[name], f"draw_{name}")(tables, settings)
        if isinstance(found, str):
            text = f"{title}: not available because {found.rstrip('.')}."
            style.save(style.sentence(text), out, title, text, available=False)
        else:
            style.save(found.figure, out, title, found.text)


def read_words(path: Path) -> tuple[bool, str]:
    """Return from an SVG drawn here whether it is a figure, and what it shows in words."""
    import xml.etree.ElementTree as tree

    space = {"dc": "http://purl.org/dc/elements/1.1/"}
    root = tree.parse(path).getroot()
    found = root.find(".//dc:description", space)
    keywords = [e.text for subject in root.iterfind(".//dc:subject", space) for e in subject.iter()]
    text = (found.text or "") if found is not None else ""
    return style.NOT_AVAILABLE not in keywords, text
