"""The config, the study that it describes, and the few helpers that rules share."""

import os
import shlex
import shutil
import sys

sys.path.insert(0, f"{workflow.basedir}/src")
sys.dont_write_bytecode = True  # a dry run writes nothing outside .snakemake

from brainage.core.choices import modules
from brainage.core.files import InputError
from brainage.core.versions import locked_versions, module_hash, step_hash
from brainage.reporting.figures import FIGURES, write_captions
from brainage.reporting.tables import tables_of
from brainage.study import SAVED, Study, as_input

try:
    STUDY = Study(config, workflow.configfiles, reuse=not workflow.is_main_process)
except InputError as error:
    # The one message that says what to do, not a stack of Snakemake's.
    print(f"brainage: {error}", file=sys.stderr)
    os._exit(2)

# One source serves a virtual environment, conda, which drops PYTHONPATH, and a cluster.
shell.prefix(
    f"set -euo pipefail; brainage() {{{{ PYTHONPATH={shlex.quote(sys.path[0])} "
    'python -m brainage "$@"; }}; '
)

config = STUDY.config
files, trainings, RESULTS = STUDY.files, STUDY.trainings, STUDY.results
THREADS = config["threads"]
MAIN = config["report"]["main_experiment"]
if workflow.is_main_process:
    write_captions(SAVED / "captions")
    for remark in STUDY.plan["remarks"]:
        print(f"brainage: {remark}", file=sys.stderr)


def log_of(name):
    """Path of a log."""
    return f"{RESULTS}/logs/{name}.log"


def line(step, of=None, threads=1):
    """The words of a command, in their order; ``of`` is what it works on, with its wildcards."""
    step = f"--threads {threads} {step}" if threads > 1 else step
    return {"step": step, "results": lambda wildcards: RESULTS, "name": of or []}


def settings(step, *sections, **more):
    """Settings of a step, a file; written when work starts, never by a dry run."""
    path = STUDY.settings(step, *sections, **more)
    if workflow.executor_plugin and not workflow.dryrun:
        STUDY.write_settings()
    return path


onstart:
    STUDY.write_settings()


def choice_modules(package):
    """The modules of a package of choices, such as learning.losses."""
    return sorted(set(modules(f"brainage.{package}").values()))


def experiment(wildcards):
    """The experiment or cell that a training is of."""
    return wildcards.training.partition("/")[0]


def gpus(wildcards):
    """GPUs of a training: where there are none, as many may run at once as there are cores."""
    own = STUDY.learning(wildcards.training)
    none_here = workflow.local_exec and not shutil.which("nvidia-smi")
    return 0 if own["device"] == "cpu" or own["device"] == "auto" and none_here else own["devices"]


def dataset(wildcards):
    """A data set's entry in the config."""
    return config["datasets"][wildcards.dataset]


def reader_code(wildcards):
    """Code of a data set's own reader; a simulated one is a BIDS folder."""
    kind = "bids" if wildcards.dataset in STUDY.simulated else dataset(wildcards)["kind"]
    return step_hash("datasets.read_dataset", [modules("brainage.datasets.readers")[kind]])


def parts(wildcards, *kinds):
    """Modules of the loss and the encoder of a training: its neighbours change nothing."""
    own = STUDY.learning(wildcards.training)
    chosen = {"losses": own["loss"], "encoders": own["encoder"]["name"]}
    return [modules(f"brainage.learning.{kind}")[chosen[kind]] for kind in kinds]


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
