"""The config, the list of scans, and the few helpers that rules share."""

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

# One source serves a virtual environment, conda and a cluster: the clone's own.
os.environ.update(PYTHONPATH=f"{workflow.basedir}/src")
sys.path.insert(0, f"{workflow.basedir}/src")
sys.dont_write_bytecode = True  # a dry run writes nothing outside .snakemake

from brainage.core.code_hash import room_hash
from brainage.cohort.chunks import chunk_scans
from brainage.core.config import complete
from brainage.core.files import InputError


def _stop(error):
    """End with the one message that says what to do, not with a stack of Snakemake's."""
    print(f"brainage: {error}", file=sys.stderr)
    os._exit(2)


try:
    config = complete(config, workflow.configfiles)
except InputError as error:
    _stop(error)

_place = Path(config["results"]).absolute()
while not _place.exists():
    _place = _place.parent
if not _place.is_dir() or not os.access(_place, os.W_OK):
    _stop(f"results: {_place} is not a folder that can be written; choose another in the config")

THREADS = config["threads"]
SIMULATED = [name for name, data in config["datasets"].items() if data["kind"] == "simulated"]
EXPERIMENTS = list(config["experiments"])
# Volumes of regions: the user's own, or those that a warp onto the labelled template gives.
REGIONS = config["probing"]["regions"]
if (
    REGIONS is None
    and config["imaging"]["registration"] == "syn"
    and not config["imaging"]["template"]
):
    REGIONS = f"{config['results']}/imaging/regions.tsv"
BASELINES = ["ridge_voxels", *(["ridge_regions"] if REGIONS else []), "mean"]
MAIN = config["report"]["main_experiment"]
RUNS = config["runs"]
# Cells of the grid: experiments on a part of the training people.
CELLS = [name for name, run in RUNS.items() if run["of"] != name]
GRID = CELLS and [*dict.fromkeys(RUNS[name]["of"] for name in CELLS), *CELLS]
FOLDS = list(range(config["splits"]["folds"])) if config["splits"]["scheme"] == "folds" else [0]


def results(path):
    """Path below the folder of results."""
    return f"{config['results']}/{path}"


def settings(*sections, **more):
    """Sections of the config as one line of JSON, for a command's --settings."""
    chosen = {section: config[section] for section in sections}
    return json.dumps({**chosen, **more}, ensure_ascii=False)


def _list_scans():
    """Scans by chunk: made in the main process only, jobs on a cluster read what it saved."""
    key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    saved = Path(".snakemake") / "brainage" / f"scans-{key}.json"
    if not workflow.is_main_process and saved.is_file():
        return json.loads(saved.read_text())
    chunks = chunk_scans(config)
    saved.parent.mkdir(parents=True, exist_ok=True)
    beside = saved.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(chunks))
    beside.replace(saved)
    return chunks


try:
    LISTING = _list_scans()
except InputError as error:
    _stop(error)

CHUNKS = LISTING["chunks"]
config["statistics"]["groups"] = LISTING["groups"]
if workflow.is_main_process:
    for remark in LISTING["remarks"]:
        print(f"brainage: {remark}", file=sys.stderr)


def code(*rooms):
    """Hash of what the code of a rule's room does: real changes run it again, comments do not."""
    return " ".join(room_hash(room) for room in rooms)


def simulation(wildcards):
    """Settings of a simulated data set."""
    return json.dumps(config["datasets"][wildcards.dataset]["simulation"])


def chunk_images(wildcards):
    """The raw images of a chunk; of simulated ones the table that says that they are there."""
    if config["datasets"][wildcards.dataset]["kind"] == "simulated":
        return results(f"simulated/{wildcards.dataset}_images/{wildcards.chunk}.tsv")
    return [path for _, path in CHUNKS[wildcards.dataset][wildcards.chunk]["scans"]]


def chunk_scans_by_id(wildcards):
    """The scans of a chunk as scan_id=path."""
    scans = CHUNKS[wildcards.dataset][wildcards.chunk]["scans"]
    return [f"{scan_id}={path}" for scan_id, path in scans]


def chunk_people(wildcards):
    """The people of a chunk."""
    return CHUNKS[wildcards.dataset][wildcards.chunk]["people"]


def tables_of(names, table):
    """The same table of every training run of some experiments, cells or baselines."""
    first = RUNS[EXPERIMENTS[0]]["seeds"][:1]
    return [
        results(f"probing/{name}/fold-{fold}_seed-{seed}/{table}.tsv")
        for name in names
        for fold in FOLDS
        for seed in (first if name in BASELINES else RUNS[name]["seeds"])
    ]


def all_runs(wildcards):
    """The same table of every experiment; of predictions also the baselines'."""
    names = EXPERIMENTS + (BASELINES if wildcards.table == "predictions" else [])
    return tables_of(names, wildcards.table)


def learning(wildcards):
    """The section learning as an experiment, or the one that a cell is of, has it."""
    return config["experiments"][RUNS[wildcards.experiment]["of"]]


def gpus(wildcards):
    """GPUs of a training run: where there are none, as many may run at once as there are cores."""
    own = learning(wildcards)
    none_here = workflow.local_exec and not shutil.which("nvidia-smi")
    if own["device"] == "cpu" or (own["device"] == "auto" and none_here):
        return 0
    return own["devices"]


# Files that several rules share, by the name that their commands call them.
RUN = "fold-{fold}_seed-{seed}"
STORE = {
    "brains": results("learning/store/brains.npy"),
    "rows": results("learning/store/index.tsv"),
    "box": results("learning/store/store.json"),
}
CHANNELS = sorted({name for own in config["experiments"].values() for name in own["channels"]})
if "grey_matter" in CHANNELS:
    STORE["grey_matter"] = results("learning/store/grey_matter.npy")
ENCODER = {
    "weights": results(f"learning/{{experiment}}/{RUN}/encoder.safetensors"),
    "description": results(f"learning/{{experiment}}/{RUN}/encoder.json"),
}
EMBEDDINGS = {
    "embeddings": results(f"learning/{{experiment}}/{RUN}/embeddings.npy"),
    "rows": results(f"learning/{{experiment}}/{RUN}/embeddings.tsv"),
    "description": ENCODER["description"],
}


GRID_TABLES = ("grid_accuracy", "grid_sites", "grid_diagnosis")

# The tables that figures and pages are made from, by the name of their contract.
TABLES = {
    "scans": results("cohort/scans.tsv"),
    "splits": results("cohort/splits.tsv"),
    "qc": results("imaging/qc.tsv"),
    "predictions": results("probing/predictions.tsv"),
    "site_probe": results("probing/site_probe.tsv"),
    "diagnosis_scores": results("probing/diagnosis_scores.tsv"),
    **{
        name: results(f"statistics/{name}.tsv")
        for name in (
            *("reference", "gaps", "accuracy", "groups", "roc", "roc_curves"),
            *("slopes", "person_slopes"),
        )
    },
    "history": [
        results(f"learning/{experiment}/fold-{fold}_seed-{seed}/history.tsv")
        for experiment in EXPERIMENTS
        for fold in FOLDS
        for seed in RUNS[experiment]["seeds"]
    ],
    **({name: results(f"statistics/{name}.tsv") for name in GRID_TABLES} if CELLS else {}),
    # Nothing but the report's truth section reads it.
    "truth": [results(f"simulated/{name}_truth.tsv") for name in SIMULATED],
}


def named_tables(wildcards):
    """The tables as name=path."""
    return [
        f"{name}={path}"
        for name, paths in TABLES.items()
        for path in ([paths] if isinstance(paths, str) else paths)
    ]


wildcard_constraints:
    dataset="[A-Za-z0-9-]+",
    chunk=r"\d+",
    experiment="|".join(re.escape(name) for name in [*RUNS, *BASELINES]),
    fold=r"\d+",
    seed=r"\d+",
