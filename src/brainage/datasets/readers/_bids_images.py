"""Which T1w images a BIDS folder has, whose they are, and which of them cannot be used and why."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from brainage.core.files import InputError
from brainage.datasets.readers._bidsignore import NAME as BIDSIGNORE
from brainage.datasets.readers._bidsignore import Ignored

_ENDING = re.compile(r"T1w(\.nii(?:\.gz)?)")
_LABEL = re.compile(r"([A-Za-z]+)-([^_]+)")
# BIDS numbers these: run-1 and run-01 are the same.
_NUMBERED = ("run", "echo", "inv", "chunk")
# The keys of `entities` in the config, and what BIDS writes in the names of files.
_KEYS = {
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "task": "task",
    "echo": "echo",
    "inversion": "inv",
    "processing": "proc",
    "part": "part",
    "chunk": "chunk",
    "extension": "extension",
}
IGNORED = f"listed in {BIDSIGNORE}"
_CLOSED = "folder that may not be read"
Entities = dict[str, str | int]


class Image(NamedTuple):
    """One T1w image of a BIDS folder.

    Attributes
    ----------
    participant_id, session_id
        Whose it is, by its folder.
    run
        As its name has it (run-Z).
    t1w
        Its path relative to the folder of the data set.
    entities
        Everything else that its name says (acq, ce, echo and so on), and the file's extension.
    set_aside
        Why it cannot be used; None where it can. A folder that may not be read, of a person, of a
        session or of images, stands for the images that may be in it.
    """

    participant_id: str
    session_id: str | None
    run: str | None
    t1w: str
    entities: Entities
    set_aside: str | None = None

    @property
    def session(self) -> tuple[str, str | None]:
        """Person and session."""
        return self.participant_id, self.session_id

    @property
    def run_number(self) -> int:
        """Number of the run; without one an image is before the first."""
        return int(self.run.removeprefix("run-")) if self.run else -1


def find_images(folder: Path, dataset: str, wanted: Mapping[str, Any] | None = None) -> list[Image]:
    """List the T1w images of a BIDS folder.

    Parameters
    ----------
    folder
        The data set's folder, the one that holds ``participants.tsv``.
    dataset
        Its name in the config.
    wanted
        ``entities`` of the data set in the config: which images are meant.

    Returns
    -------
    list of Image
        Sorted by path, also those that cannot be used, with the reason. Derivatives inside the
        folder are not looked at.

    Raises
    ------
    InputError
        The folder is not there, cannot be read, has no T1w image, or none of those that are
        wanted.
    """
    if not folder.is_dir():
        raise InputError(
            f"data set {dataset!r}: there is no folder {folder} (key datasets.{dataset}.path)"
        )
    if not (folder / "dataset_description.json").is_file():
        raise InputError(
            f"{folder / 'dataset_description.json'}: there is no such file; BIDS asks for it "
            '(at least: {"Name": "...", "BIDSVersion": "1.10.0"})'
        )
    images = sorted(_images(folder, Ignored(folder)), key=lambda image: image.t1w)
    if all(image.set_aside == IGNORED for image in images):
        ignored = f" ({len(images)} are {IGNORED})" if images else ""
        raise InputError(
            f"{folder}: no image named sub-*/[ses-*/]anat/*_T1w.nii[.gz] in it{ignored}"
        )
    if all((image.set_aside or "").startswith(_CLOSED) for image in images):
        raise InputError(
            f"data set {dataset!r}: none of its {len(images)} folders of images may be read "
            f"(permission denied); that of {images[0].participant_id} is {folder / images[0].t1w}"
        )
    return _without_doubt(_chosen(images, dataset, wanted or {}), dataset)


def _images(folder: Path, ignored: Ignored) -> Iterator[Image]:
    for person in _folders(folder, "sub-"):
        try:
            sessions = _folders(folder / person.name, "ses-")
        except PermissionError:
            yield _closed(Image(person.name, None, None, person.name, {}))
            continue
        places = [None, *(session.name for session in sessions)]
        for session in places:
            try:
                yield from _anatomical(folder, person.name, session, ignored)
            except PermissionError:
                place = "/".join(part for part in (person.name, session, "anat") if part)
                # Beside sessions nothing says that there is one.
                if session is not None or not sessions:
                    yield _closed(Image(person.name, session, None, place, {}))


def _closed(image: Image) -> Image:
    return image._replace(set_aside=f"{_CLOSED}: {image.t1w} (permission denied)")


def _folders(place: Path, prefix: str) -> list[os.DirEntry[str]]:
    with os.scandir(place) as entries:
        return [entry for entry in entries if entry.name.startswith(prefix) and _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.EACCES:
            return True  # a link to where nobody may look
        if error.errno != errno.ELOOP:
            raise
        return False  # a link that leads back to itself


def _anatomical(
    folder: Path, person: str, session: str | None, ignored: Ignored
) -> Iterator[Image]:
    place = "/".join(part for part in (person, session, "anat") if part)
    try:
        with os.scandir(folder / place) as entries:
            names = [entry.name for entry in entries]
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return
    for name in names:
        path = f"{place}/{name}"
        # A name that begins with a dot is a file of the system, as macOS leaves them.
        if name.startswith(".") or _ENDING.search(name) is None or not name.endswith(_SUFFIXES):
            continue
        image = _read_name(name, Image(person, session, None, path, {}))
        yield image._replace(set_aside=IGNORED) if path in ignored else image


_SUFFIXES = ("T1w.nii", "T1w.nii.gz")


def _read_name(name: str, image: Image) -> Image:
    """Read the entities of a name that lies in the folder of a person and session."""
    *parts, suffix = name.split("_")
    labels = [_LABEL.fullmatch(part) for part in parts]
    ending = _ENDING.fullmatch(suffix)
    if ending is None or not labels or not all(labels):
        return image._replace(set_aside=f"name that is not one of BIDS: {image.t1w}")
    found: Entities = {match[1]: match[2] for match in labels if match}
    for key in _NUMBERED:
        if key not in found:
            continue
        number = str(found[key])
        if not (number.isascii() and number.isdigit()):
            return image._replace(
                set_aside=f"name that is not one of BIDS: {image.t1w} ({key}- takes a number)"
            )
        found[key] = int(number)
    run = next((match[0] for match in labels if match and match[1] == "run"), None)
    whose = [f"{key}-{found.pop(key)}" if key in found else None for key in ("sub", "ses")]
    found.pop("run", None)
    image = image._replace(run=run, entities={**found, "extension": ending[1]})
    if whose != [image.participant_id, image.session_id]:
        return image._replace(
            set_aside="file name and folder disagree on person or session: "
            f"{image.t1w}; move or rename the file"
        )
    return image


def _chosen(images: list[Image], dataset: str, wanted: Mapping[str, Any]) -> list[Image]:
    """Set aside what is no plain T1w image, and what the config does not want."""
    given = {_KEYS[key]: _values(_KEYS[key], value) for key, value in wanted.items()}
    chosen = [_plain(image, given) for image in images]
    usable = [image for image in chosen if image.set_aside is None]
    found = [_matching(image, given, dataset) for image in usable]
    if usable and all(image.set_aside for image in found):
        there = sorted({_told(image, given) for image in usable})
        keys = ", ".join(f"{key}: {value}" for key, value in wanted.items())
        raise InputError(
            f"config: datasets.{dataset}.entities: no image has {keys}; there are: "
            f"{', '.join(there)}"
        )
    by_path = {image.t1w: image for image in found}
    return [by_path.get(image.t1w, image) for image in chosen]


def _values(key: str, value: Any) -> list[str | int | None]:
    values = value if isinstance(value, list) else [value]
    # In a config a label that looks like a number is one: {acquisition: 3}.
    return [v if v is None else int(v) if key in _NUMBERED and str(v).isdigit() else str(v)
            for v in values]  # fmt: skip


def _plain(image: Image, given: Mapping[str, Any]) -> Image:
    if image.set_aside is not None:
        return image
    if "ce" in image.entities and "ce" not in given:
        return image._replace(set_aside=f"contrast-enhanced image: ce-{image.entities['ce']}")
    part = image.entities.get("part", "mag")
    if part != "mag":
        return image._replace(set_aside=f"not the magnitude of a complex image: part-{part}")
    return image


def _matching(image: Image, given: Mapping[str, Any], dataset: str) -> Image:
    if all(image.entities.get(key) in values for key, values in given.items()):
        return image
    told = _told(image, given)
    return image._replace(set_aside=f"not among datasets.{dataset}.entities: {told}")


def _told(image: Image, given: Mapping[str, Any]) -> str:
    """Say what an image has of some entities, as names of files do."""
    parts = []
    for key in given:
        value = image.entities.get(key)
        parts.append(f"no {key}-" if value is None else _written(key, value))
    return " ".join(parts)


def _written(key: str, value: str | int) -> str:
    return str(value) if key == "extension" else f"{key}-{value}"


def _without_doubt(images: list[Image], dataset: str) -> list[Image]:
    """Set a session aside in which several images, other than runs, could be meant."""
    sessions: dict[tuple[str, str | None], list[Image]] = {}
    for image in images:
        if image.set_aside is None:
            sessions.setdefault(image.session, []).append(image)
    doubts: dict[str, str] = {}
    for session in sessions.values():
        reason = _doubt(session, dataset)
        if reason is not None:
            doubts |= {image.t1w: reason for image in session}
    return [image._replace(set_aside=doubts.get(image.t1w, image.set_aside)) for image in images]


def _doubt(session: list[Image], dataset: str) -> str | None:
    """Return which images of a session could be meant, and how to choose; None for one or runs."""
    kinds = {_kind(image) for image in session}
    runs = {image.run_number for image in session}
    if len(kinds) == 1 and len(runs) == len(session):
        return None
    names = " and ".join(image.t1w.rpartition("/")[2] for image in session[:4])
    more = f" and {len(session) - 4} more" if len(session) > 4 else ""
    advice = _advice(session, dataset)
    return f"several T1w images of one session: {names}{more}; {advice}"


def _kind(image: Image) -> tuple[tuple[str, str], ...]:
    kept = {key: value for key, value in image.entities.items() if key != "extension"}
    return tuple(sorted((key, str(value)) for key, value in kept.items()))


def _advice(session: list[Image], dataset: str) -> str:
    """Say by which entity of the config one of them can be chosen."""
    for key, short in _KEYS.items():
        values = list(dict.fromkeys(image.entities.get(short) for image in session))
        if len(values) > 1:
            value = next(value for value in values if value is not None)
            return f"keep one, or choose with datasets.{dataset}.entities: {{{key}: {value}}}"
    return "keep one"
