"""The folder of results, and all text of a config: what would do harm is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from brainage.core.config_messages import line_of
from brainage.core.files import InputError
from brainage.core.layout import FILES, FOLDERS

# A line break ends a row of a table and of a log; a lone surrogate stands for a byte that cannot
# be written as UTF-8.
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What the workflow makes in the folder of results.
_MADE = sorted({path.partition("/")[0] for path in (*FILES.values(), *FOLDERS.values())})


def refuse_control_characters(config: dict[str, Any], sources: list[str | Path]) -> None:
    """Refuse a name or a text of more than one line, or with bytes that are no text.

    Raises
    ------
    InputError
        With the key of the first.
    """
    for path, text in _texts(config, []):
        if _NOT_TEXT.search(text):
            key = ".".join(ascii(part) if _NOT_TEXT.search(part) else part for part in path)
            raise InputError(
                f"{line_of(path, sources)}{key}: {text!a} contains a line break or another "
                "control character, or bytes that are not UTF-8; write it without, on one line"
            )


def _texts(value: Any, path: list[str]) -> Iterator[tuple[list[str], str]]:
    """Yield every key and text of a config, with its path."""
    if isinstance(value, str):
        yield path, value
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, sub in pairs:
        if isinstance(key, str):
            yield [*path, key], key
        yield from _texts(sub, [*path, str(key)])


def results_folder(config: dict[str, Any], sources: list[str | Path]) -> str:
    """Return the folder of results in its shortest spelling.

    Parameters
    ----------
    config
        Whole, with the folder of every data set.
    sources
        The files that it was read from, for the message.

    Raises
    ------
    InputError
        It is empty or the root of the disk, it would be read as an option or a wildcard, or it
        lies inside a data set, but for a folder of its own among the derivatives.
    """
    results = config["results"]
    what = _fault(results) or _inside_a_data_set(Path(results), config["datasets"])
    if what:
        raise InputError(f"{line_of(['results'], sources)}results: {what}")
    return str(Path(results))


def _fault(results: str) -> str | None:
    if not results.strip():
        return "it is empty; give a folder, such as results"
    if results[0] in "-~":
        why = "which commands take for an option" if results[0] == "-" else "which is not expanded"
        return f"{results!r} begins with {results[0]!r}, {why}; give another, or the whole path"
    if set(results) & set("{}"):
        return f"{results!r} has braces, which Snakemake takes for a wildcard; give another folder"
    place = Path(results).resolve()
    if place == place.parent:
        return f"{results!r} is the root of the disk; give a folder of its own"
    return None


def _inside_a_data_set(results: Path, datasets: dict[str, Any]) -> str | None:
    for name, data in datasets.items():
        if data["kind"] == "simulated":
            continue
        folder = Path(data["path"]).resolve()
        for place in (results, *(results / made for made in _MADE)):
            inside = [place.resolve(), *place.resolve().parents]
            if folder in inside and folder / "derivatives" not in inside[1:]:
                return (
                    f"{place} is, or lies inside, the folder of the data set {name}; give a folder "
                    f"outside it, or one of its own in {folder / 'derivatives'}"
                )
    return None
