"""Pages from templates: one style, everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainage import __version__
from brainage.core import files
from brainage.reporting import words

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

RESEARCH_USE = "For research use, not for diagnosis."
NOT_READ = "The images were not read for tumours, bleeding, stroke or other findings."


@cache
def environment() -> jinja2.Environment:
    """Return the templates, with autoescape on and an error for any name that is not defined."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("brainage.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["number"] = words.number
    made.filters["p"] = words.p_value
    made.filters["name"] = words.with_exponent
    made.filters["cell"] = words.cell
    made.filters["capital"] = words.capital
    made.filters["compact"] = compact_json
    made.globals.update(
        research_use=RESEARCH_USE, not_read=NOT_READ, version=__version__, missing=words.missing
    )
    return made


def compact_json(content: Any) -> Markup:
    """Return `content` as JSON for a script element, with nothing in it that could end one."""
    from markupsafe import Markup

    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def write_page(template: str, out: Path, **content: Any) -> None:
    """Fill a template and write it, whole or not at all."""
    files.write_text(out, environment().get_template(template).render(**content))


def copy_file(source: Path, target: Path) -> None:
    """Copy a file beside a page.

    The page itself is written last, and whole: where it is there, its files are. So nothing is
    forced to the disk here, which would take minutes with thousands of pictures.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def copy_table(source: Path, target: Path) -> None:
    """Copy a table beside a page, so that a spreadsheet takes no text in it for a formula.

    Text that begins with ``=``, ``+``, ``-`` or ``@`` gets an apostrophe before it; numbers stay.
    """
    text = source.read_text(encoding="utf-8")
    lines = ["\t".join(map(_no_formula, line.split("\t"))) for line in text.split("\n")]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines), encoding="utf-8", newline="\n")


def _no_formula(cell: str) -> str:
    quote = cell[:1] if cell.startswith('"') else ""
    text = cell.removeprefix(quote)
    if not text.startswith(("=", "+", "-", "@")):
        return cell
    try:
        float(text)
    except ValueError:
        return f"{quote}'{text}"
    return cell
