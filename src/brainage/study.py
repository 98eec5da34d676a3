"""A study as the rules see it: its config, what planning found, its trainings and their files."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from brainage import planning
from brainage.core.choices import modules
from brainage.core.config import complete
from brainage.core.files import InputError, disk_fault, write_text
from brainage.core.layout import FILES, Layout
from brainage.core.locks import only_writer
from brainage.core.versions import keep_hashes, save_hashes
from brainage.records import require_recorded

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
        self._reuse = reuse
        self.config, self.plan = _planned(config, sources, reuse)
        self.results: str = self.config["results"]
        self.layout = Layout(Path(self.results))
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
        self._unwritten: dict[str, Any] = {}  # settings that no file holds yet
        self.at_work = reuse  # a job of a run that has begun
        self.workflow: Any = None
        self._compared = False

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

    def modules(self, training: str, *kinds: str) -> list[str]:
        """Return the modules of a training's loss and encoder: their neighbours change nothing."""
        own = self.learning(training)
        chosen = {"losses": own["loss"], "encoders": own["encoder"]["name"]}
        return [modules(f"brainage.learning.{kind}")[chosen[kind]] for kind in kinds]

    def images(self, dataset: str, chunk: str) -> list[str]:
        """Return the table that lists the images of a simulated chunk.

        Of other data sets nothing: images and tables are no inputs, whose dates would count, but
        parameters by what is in them.
        """
        simulated = dataset in self.simulated
        return [self.file("simulated_images", dataset=dataset, chunk=chunk)] if simulated else []

    def imaging(self, dataset: str, chunk: str) -> dict[str, Any]:
        """Return the settings of imaging, with the scans of a chunk and those excluded of them."""
        scans, folder = None, str(self.layout.folder("simulated", dataset=dataset))
        excluded = self.plan["exclude"]
        if dataset not in self.simulated:
            scans = self.plan["chunks"][dataset][chunk]["scans"]
            folder = self.config["datasets"][dataset]["path"]
            excluded = {scan: excluded[scan] for scan, _ in scans if scan in excluded}
        own = self.config["imaging"].items()
        return {
            "imaging": {k: v for k, v in own if k not in ("chunk_size", "exclude")},
            "template": self.contents("imaging"),
            "folder": folder,
            "scans": scans,
            "exclude": excluded,
        }

    def made_regions(self, training: str) -> list[str]:
        """Return the table of regional volumes that a baseline reads, where a rule makes it."""
        made = self.file("regions")
        return [made] if "ridge_regions" in training and self.regions == made else []

    def contents(self, section: str) -> dict[str, str]:
        """Return the hashes of the files that a section of the config names, by key."""
        found = self.plan["contents"].items()
        return {key: value for key, value in found if key.startswith(f"{section}.")}

    def tables_of(self, dataset: str) -> list[str]:
        """Return the tables of a simulated data set, which its reader reads; of others none."""
        if dataset not in self.simulated:
            return []
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
        # Without indentation, which takes ten times as long and is for people's eyes.
        text = json.dumps(content, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        path = f"{self.results}/config/{step}-{digest}.json"
        self._unwritten[path] = content
        return path

    def start(self) -> None:
        """Begin to work: keep other runs off these results until this process ends.

        Raises
        ------
        MachineFault
            Where another run is at work on them.
        """
        if not self._reuse:  # the main process holds it for its jobs on a cluster
            held = contextlib.ExitStack()
            lock = self.layout.folder("locks") / "run.lock"
            held.enter_context(only_writer(lock, f"results: {self.results}"))
            atexit.register(held.close)
        self.at_work = True
        self.write_settings()

    def results_folder(self, _wildcards: Any) -> str:
        """Return the folder of the results, for a job; at the first one all jobs are known."""
        if self.workflow is not None and not self._compared and self.workflow.executor_plugin:
            self._compared = True
            with told_once():
                require_recorded(self.workflow, self.layout)
        return self.results

    def write_settings(self) -> None:
        """Write the settings that were asked for since, but for those that are there."""
        save_hashes()
        while self._unwritten:
            path, content = self._unwritten.popitem()
            if not Path(path).is_file():
                text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
                write_text(path, f"{text}\n")


@contextlib.contextmanager
def told_once() -> Iterator[None]:
    """End the process at a mistake with the one message that says what to do.

    Snakemake would hide it in a stack of its own.
    """
    try:
        yield
    except InputError as error:
        print(f"brainage: {error}", file=sys.stderr, flush=True)
        os._exit(2)


def open_study(config: dict[str, Any], workflow: Any) -> Study:
    """Return the study of Snakemake's `workflow`, or end with the one message that says why not."""
    main = workflow.is_main_process
    with told_once():
        study = Study(config, workflow.configfiles, reuse=not main)
    keep_hashes(SAVED / "code.json", save=main)
    if main:
        study.workflow = workflow
        for remark in study.plan["remarks"]:
            print(f"brainage: {remark}", file=sys.stderr)
    return study


def _planned(
    config: dict[str, Any], sources: Sequence[Any], reuse: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Complete a config and plan its run, or take both as they were saved for the same config."""
    # As it was read: a date, which YAML knows and JSON doesn't, is refused with its key below.
    key = hashlib.sha256(json.dumps(config, default=str).encode()).hexdigest()[:16]
    saved = SAVED / f"plan-{key}.json"
    if reuse and saved.is_file():
        found = json.loads(saved.read_text(encoding="utf-8"))
        return found["config"], found["plan"]
    whole = complete(config, sources)
    # Before the plan is saved: of a folder that cannot be written nothing is.
    _require_writable(Path(whole["results"]))
    try:
        plan = planning.plan(whole)
    except OSError as error:
        raise InputError(
            disk_fault(error) or f"{error}; see whether its disk is there and run it again"
        ) from error
    write_text(saved, json.dumps({"config": whole, "plan": plan}))
    return whole, plan


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
