"""The config, the list of scans, and the few helpers that rules share."""

import hashlib
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

SOURCE = f"{workflow.basedir}/src"
sys.path.insert(0, SOURCE)
sys.dont_write_bytecode = True  # a dry run writes nothing outside .snakemake

from brainage import planning
from brainage.core.choices import modules
from brainage.core.config import complete
from brainage.core.files import InputError, write_text
from brainage.core.layout import FILES
from brainage.core.versions import locked_versions, module_hash, step_hash
from brainage.reporting.figures import FIGURES, write_captions

# One source serves a virtual environment, conda, which drops PYTHONPATH, and a cluster.
shell.prefix(
    "set -euo pipefail; "
    f'brainage() {{{{ PYTHONPATH={shlex.quote(SOURCE)} python -m brainage "$@"; }}}}; '
)


def _stop(error):
    """End with the one message that says what to do, not with a stack of Snakemake's."""
    print(f"brainage: {error}", file=sys.stderr)
    os._exit(2)


def _saved_plan(config):
    """The plan, made in the main process only: jobs on a cluster read what it saved."""
    key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    saved = Path(".snakemake") / "brainage" / f"plan-{key}.json"
    if not workflow.is_main_process and saved.is_file():
        return json.loads(saved.read_text())
    plan = planning.plan(config)
    write_text(saved, json.dumps(plan))
    return plan


try:
    config = complete(config, workflow.configfiles)
    PLAN = _saved_plan(config)
except InputError as error:
    _stop(error)

_place = Path(config["results"]).absolute()
while not _place.exists():
    _place = _place.parent
if not _place.is_dir() or not os.access(_place, os.W_OK):
    _stop(f"results: {_place} is not a folder that can be written; choose another in the config")
CAPTIONS = Path(".snakemake/brainage/captions").absolute()
if workflow.is_main_process:
    write_captions(CAPTIONS)
    for remark in PLAN["remarks"]:
        print(f"brainage: {remark}", file=sys.stderr)

config["statistics"]["groups"] = PLAN["groups"]
config["splits"] |= {key: PLAN[key] for key in ("external_sites", "test_sites")}
RESULTS = config["results"]
THREADS = config["threads"]
CHUNKS = PLAN["chunks"]
SIMULATED = [name for name, data in config["datasets"].items() if data["kind"] == "simulated"]
EXPERIMENTS = list(config["experiments"])
MAIN = config["report"]["main_experiment"]
RUNS = config["runs"]
# Cells of the grid: experiments on a part of the training people.
CELLS = [name for name, run in RUNS.items() if run["of"] != name]
GRID = CELLS and [*dict.fromkeys(RUNS[name]["of"] for name in CELLS), *CELLS]
FOLDS = list(range(config["splits"]["folds"])) if config["splits"]["scheme"] == "folds" else [0]
# Volumes of regions: the user's own, or those that a warp onto the labelled template gives.
REGIONS = config["probing"]["regions"]
_warped = config["imaging"]["registration"] == "syn" and not config["imaging"]["template"]
if REGIONS is None and _warped:
    REGIONS = f"{RESULTS}/{FILES['regions']}"
BASELINES = ["ridge_voxels", *(["ridge_regions"] if REGIONS else []), "median"]
CHANNELS = sorted({name for own in config["experiments"].values() for name in own["channels"]})


def results(path):
    """Path below the folder of results."""
    return f"{RESULTS}/{path}"


def files(*names):
    """Files of the results by the names that the layout gives them."""
    return {name: results(FILES[name]) for name in names}


def trainings_of(names):
    """Every training of some experiments, cells or baselines."""
    first = RUNS[EXPERIMENTS[0]]["seeds"][:1]
    return [
        f"{name}/fold-{fold}_seed-{seed}"
        for name in names
        for fold in FOLDS
        for seed in (first if name in BASELINES else RUNS[name]["seeds"])
    ]


def of_trainings(name, trainings):
    """The same file of some trainings."""
    return [results(FILES[name].format(training=training)) for training in trainings]


def choice_modules(package):
    """The modules of a package of choices, such as learning.losses."""
    return sorted(set(modules(f"brainage.{package}").values()))


_SETTINGS = {}


def settings(step, *sections, **more):
    """Settings of a step: a file whose name carries the hash of its content.

    Its path is the parameter that runs the step again. The file is written when work starts, never
    by a dry run, and never written over: planning another config changes nothing that a running
    job reads.
    """
    content = {**{section: config[section] for section in sections}, **more}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    path = results(f"config/{step}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json")
    _SETTINGS[path] = text
    if workflow.executor_plugin and not workflow.dryrun:  # work has started
        _write_settings()
    return path


def _write_settings():
    while _SETTINGS:
        path, text = _SETTINGS.popitem()
        if not Path(path).is_file():
            write_text(path, text)


onstart:
    _write_settings()


def experiment(wildcards):
    """The experiment or cell that a training is of."""
    return wildcards.training.partition("/")[0]


def learning(name):
    """The section learning as an experiment, or the one that a cell is of, has it."""
    return config["experiments"][RUNS[name]["of"]]


def gpus(wildcards):
    """GPUs of a training: where there are none, as many may run at once as there are cores."""
    own = learning(experiment(wildcards))
    none_here = workflow.local_exec and not shutil.which("nvidia-smi")
    if own["device"] == "cpu" or (own["device"] == "auto" and none_here):
        return 0
    return own["devices"]


STORE = files(
    "brains", "store_index", "store_info", *(["grey_matter"] if CHANNELS != ["brain"] else [])
)
EMBEDDINGS = files("embeddings", "embedding_index", "encoder_description")
# The tables that figures and pages are made from.
TABLES = {
    **files("scans", "splits", "qc", "predictions", "site_probe", "diagnosis_scores"),
    **files("reference", "gaps", "accuracy", "groups", "roc", "roc_curves"),
    **files("slopes", "person_slopes"),
    **(files("grid_accuracy", "grid_sites", "grid_diagnosis") if CELLS else {}),
    "history": of_trainings("training_history", trainings_of(EXPERIMENTS)),
    "encoders": of_trainings("encoder_description", trainings_of(EXPERIMENTS)),
    # Nothing but the report's truth section reads it.
    "truth": [results(FILES["truth"].format(dataset=name)) for name in SIMULATED],
}
REPORT = settings(
    "report",
    *config,
    trainings={name: trainings_of([name]) for name in EXPERIMENTS},
    simulated=SIMULATED,
    locked=locked_versions(),
)


def one_of(names):
    """Pattern of the trainings of some experiments, cells or baselines."""
    return "(?:" + "|".join(re.escape(name) for name in names) + r")/fold-\d+_seed-\d+"


wildcard_constraints:
    dataset="[A-Za-z0-9-]+",
    chunk=r"\d+",
    training=one_of(RUNS),
