"""The config, the study that it describes, and the few helpers that rules share."""

import shlex
import sys

sys.path.insert(0, f"{workflow.basedir}/src")
sys.dont_write_bytecode = True  # a dry run writes nothing outside .snakemake

from brainage.core.choices import modules
from brainage.core.files import MachineFault
from brainage.core.versions import locked_versions, module_hash, step_hash
from brainage.reporting.figures import FIGURES, write_captions
from brainage.reporting.tables import tables_of
from brainage.resources import Needs
from brainage.study import SAVED, open_study

STUDY = open_study(config, workflow)

# One source serves a virtual environment, conda, which drops PYTHONPATH, and a cluster.
shell.prefix(
    f"set -euo pipefail; brainage() {{{{ PYTHONPATH={shlex.quote(sys.path[0])} "
    'python -m brainage "$@"; }}; '
)

config = STUDY.config
files, trainings, RESULTS = STUDY.files, STUDY.trainings, STUDY.results
THREADS = config["threads"]
NEEDS = Needs(STUDY, workflow)
MAIN = config["report"]["main_experiment"]
if workflow.is_main_process:
    write_captions(SAVED / "captions")


def log_of(name):
    """Path of a log."""
    return f"{RESULTS}/logs/{name}.log"


def line(step, of=None, threads=1):
    """The words of a command, in their order; ``of`` is what it works on, with its wildcards."""
    step = f"--threads {threads} {step}" if threads > 1 else step
    return {"step": step, "results": STUDY.results_folder, "name": of or []}


def settings(step, *sections, **more):
    """Settings of a step, a file; no dry run and no run that is refused writes it."""
    path = STUDY.settings(step, *sections, **more)
    if STUDY.at_work:
        STUDY.write_settings()
    return path


onstart:
    try:
        STUDY.start()
    except MachineFault as error:
        raise WorkflowError(f"brainage: {error}")


def choice_modules(*packages):
    """The modules of packages of choices, such as learning.losses."""
    return sorted({m for name in packages for m in modules(f"brainage.{name}").values()})


def experiment(wildcards):
    """The experiment or cell that a training is of."""
    return wildcards.training.partition("/")[0]


def dataset(wildcards):
    """A data set's entry in the config."""
    return config["datasets"][wildcards.dataset]


def reader_code(wildcards):
    """Code of a data set's own reader; a simulated one is a BIDS folder."""
    kind = "bids" if wildcards.dataset in STUDY.simulated else dataset(wildcards)["kind"]
    return step_hash("datasets.read_dataset", [modules("brainage.datasets.readers")[kind]])


def shown(path, caption, category, label):
    """A file that Snakemake's own report shows; figures bring their captions."""
    folder = (SAVED / "captions").absolute() if caption in FIGURES else "../report"
    return report(
        path, caption=f"{folder}/{caption}.rst", category=category, labels={"figure": label}
    )


STORE = files("brains", "store_index", "store_info")
STORE |= files("grey_matter") if "grey_matter" in STUDY.channels else {}
EMBEDDINGS = files("embeddings", "embedding_index", "encoder_description")


wildcard_constraints:
    dataset="[A-Za-z0-9-]+",
    chunk=r"\d+",
    training=STUDY.pattern(STUDY.runs),
