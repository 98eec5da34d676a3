"""A study as the rules see it: its config, what planning found, its trainings and their files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from brainage import planning
from brainage.core.config import complete
from brainage.core.files import InputError, write_text
from brainage.core.layout import FILES, Layout

SAVED = Path(".snakemake") / "brainage"


class Study:
    """What follows from a config, before any job.

    Parameters
    ----------
    config
        As read from YAML.
    sources
        The files that it was read from, for messages.
    reuse
        Take the plan that was saved for this config: jobs on a cluster read what the main process
        found.

    Attributes
    ----------
    config
        Whole and checked; its sites are named ``dataset/site``, its groups are those compared.
    plan
        As :func:`brainage.planning.plan`.
    results, layout
        Folder of the results, and its files.
    simulated, experiments, cells, baselines
        Names of simulated data sets, of experiments, of cells of the grid (experiments on a part
        of the training people), and of predictors without an encoder.
    grid
        The cells and the experiments that they are of.
    regions
        Table of regional volumes: the user's own, or that of a warp onto the labelled template;
        None without either.
    channels
        Images of a scan that some experiment sees.

    Raises
    ------
    InputError
        A fault of the config or of a table, a folder of results that cannot be written, or a clone
        in a folder with braces.
    """

    def __init__(self, config: dict[str, Any], sources: Sequence[Any], reuse: bool = False) -> None:
        _require_no_braces(Path(__file__).parents[2])
        self.config = complete(config, sources)
        self.results: str = self.config["results"]
        self.layout = Layout(Path(self.results))
        _require_writable(Path(self.results))
        self.plan = _plan(self.config, reuse)
        self.config["statistics"]["groups"] = self.plan["groups"]
        for key in ("external_sites", "test_sites"):
            self.config["splits"][key] = self.plan[key]
        datasets, experiments = self.config["datasets"], self.config["experiments"]
        self.simulated = [name for name, data in datasets.items() if data["kind"] == "simulated"]
        self.experiments, self.runs = list(experiments), self.config["runs"]
        self.cells = [name for name, run in self.runs.items() if run["of"] != name]
        whole = dict.fromkeys(self.runs[name]["of"] for name in self.cells)
        self.grid = [*whole, *self.cells]
        self.channels = sorted({name for own in experiments.values() for name in own["channels"]})
        imaging = self.config["imaging"]
        self.regions: str | None = self.config["probing"]["regions"]
        if self.regions is None and imaging["registration"] == "syn" and not imaging["template"]:
            self.regions = self.file("regions")
        self.baselines = ["ridge_voxels", *(["ridge_regions"] if self.regions else []), "median"]
        self._unwritten: dict[str, str] = {}

    def file(self, name: str, **names: object) -> str:
        """Return the path of a file of the layout; a wildcard that is not named stays."""
        path = f"{self.results}/{FILES[name]}"
        return path.format(**names) if names else path

    def files(self, *names: str) -> dict[str, str]:
        """Return the paths of files by their names in the layout, wildcards left in."""
        return {name: self.file(name) for name in names}

    def trainings(self, names: Iterable[str]) -> list[str]:
        """Return every training of some experiments, cells or baselines."""
        splits = self.config["splits"]
        folds = splits["folds"] if splits["scheme"] == "folds" else 1
        first = self.runs[self.experiments[0]]["seeds"][:1]
        return [
            f"{name}/fold-{fold}_seed-{seed}"
            for name in names
            for fold in range(folds)
            for seed in (first if name in self.baselines else self.runs[name]["seeds"])
        ]

    def of_trainings(self, name: str, names: Iterable[str]) -> list[str]:
        """Return the same file of every training of some experiments, cells or baselines."""
        return [self.file(name, training=training) for training in self.trainings(names)]

    def gathered(self, table: str) -> list[str]:
        """Return whose tables are put together: experiments, of predictions baselines too."""
        return self.experiments + (self.baselines if table == "predictions" else [])

    def pattern(self, names: Iterable[str]) -> str:
        """Return a regular expression of the trainings of some experiments or baselines."""
        return f"(?:{'|'.join(map(re.escape, names))})" + r"/fold-\d+_seed-\d+"

    def learning(self, training: str) -> dict[str, Any]:
        """Return the section ``learning`` as a training's experiment has it."""
        experiment = self.runs[training.partition("/")[0]]["of"]
        own: dict[str, Any] = self.config["experiments"][experiment]
        return own

    def images(self, dataset: str, chunk: str) -> list[str]:
        """Return the raw images of a chunk; of simulated ones the table that lists them."""
        if dataset in self.simulated:
            return [self.file("simulated_images", dataset=dataset, chunk=chunk)]
        folder = as_input(self.config["datasets"][dataset]["path"])
        scans = self.plan["chunks"][dataset][chunk]["scans"]
        return [as_input(f"{folder}/{t1w}") for _, t1w in scans]

    def imaging(self, dataset: str, chunk: str) -> dict[str, Any]:
        """Return the settings of imaging, with the scans of a chunk and those excluded of them."""
        scans, folder = None, str(self.layout.folder("simulated", dataset=dataset))
        if dataset not in self.simulated:
            scans = self.plan["chunks"][dataset][chunk]["scans"]
            folder = self.config["datasets"][dataset]["path"]
        mine = {scan for scan, _ in scans or ()}
        excluded = self.plan["exclude"].items()
        own = self.config["imaging"].items()
        return {
            "imaging": {k: v for k, v in own if k not in ("chunk_size", "exclude")},
            "folder": folder,
            "scans": scans,
            "exclude": {scan: why for scan, why in excluded if scans is None or scan in mine},
        }

    def tables_of(self, dataset: str) -> list[str]:
        """Return the tables that a data set's reader reads, of a simulated one its images' too."""
        if dataset not in self.simulated:
            return [as_input(path) for path in self.plan["tables"][dataset]]
        chunks = self.plan["chunks"][dataset]
        images = [path for chunk in chunks for path in self.images(dataset, chunk)]
        return [self.file("participants", dataset=dataset), *images]

    def measures(self) -> list[str]:
        """Return the tables of measures of all chunks."""
        return [
            self.file("measures", dataset=dataset, chunk=chunk)
            for dataset, chunks in self.plan["chunks"].items()
            for chunk in chunks
        ]

    def settings(self, step: str, *sections: str, **more: Any) -> str:
        """Return the path of a step's settings, whose name carries the hash of their content.

        The path is the parameter that runs the step again. The file is written by
        :meth:`write_settings`, when work starts and never by a dry run, and is never written over:
        planning another config changes nothing that a running job reads.

        Parameters
        ----------
        step
            Name of the step.
        sections
            Sections of the config that it takes.
        more
            What else it takes.
        """
        content = {**{section: self.config[section] for section in sections}, **more}
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        path = f"{self.results}/config/{step}-{digest}.json"
        self._unwritten[path] = text
        return path

    def write_settings(self) -> None:
        """Write the settings that were asked for since, but for those that are there."""
        while self._unwritten:
            path, text = self._unwritten.popitem()
            if not Path(path).is_file():
                write_text(path, text)


def as_input(path: str) -> str:
    """Return a path of the user's as Snakemake can have it as an input.

    Snakemake takes braces for wildcards, and knows no way to say otherwise: what has them in its
    path is reached by a link without, which is named after its place.
    """
    if not set(path) & set("{}"):
        return path
    target = Path(path).absolute()
    link = SAVED / "links" / hashlib.sha256(str(target).encode()).hexdigest()[:16]
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(target)
    return str(link)


def _plan(config: dict[str, Any], reuse: bool) -> dict[str, Any]:
    key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    saved = SAVED / f"plan-{key}.json"
    if reuse and saved.is_file():
        plan: dict[str, Any] = json.loads(saved.read_text(encoding="utf-8"))
        return plan
    plan = planning.plan(config)
    write_text(saved, json.dumps(plan))
    return plan


def _require_no_braces(clone: Path) -> None:
    if set(str(clone)) & set("{}"):
        raise InputError(
            f"{clone}: the path of this clone has braces, which Snakemake takes for a wildcard; "
            "move it"
        )


def _require_writable(results: Path) -> None:
    place = results.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise InputError(
            f"results: {place} is not a folder that can be written; choose another in the config"
        )
