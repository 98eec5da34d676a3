"""A small training on the toy brains, and what it leaves."""

from brainage.core.config import defaults
from brainage.core.contracts.learning import HISTORY
from brainage.core.layout import Layout
from brainage.core.tables import read_table
from brainage.core.training import Training
from brainage.learning import pretrain

TOY = Training("toy", 0, 1)
LEARNING = {**defaults("learning"), "checkpoint_every": 0}
SMALL = {
    **LEARNING,
    "encoder": {"name": "small", "width": 0.25},
    "epochs": 4,
    "batch_people": 5,
    "projection_dim": 8,
    "device": "cpu",
}
OUTPUTS = ("encoder", "encoder_description", "training_history")


def results(toy, folder, without=""):
    """Results of their own with the toy's tables and store, where they have none."""
    files = Layout(folder)
    names = {"scans", "splits", "qc"} - {without}
    for theirs, own in [
        *((toy.files.file(name), files.file(name)) for name in sorted(names)),
        (toy.files.folder("store"), files.folder("store")),
    ]:
        if not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            own.symlink_to(theirs)
    return files


def run(toy, folder, code="c", training=TOY, **settings):
    """Train in a folder of results; returns the bytes of what is left."""
    files = results(toy, folder)
    pretrain.pretrain(files, training, {**SMALL, **settings}, threads=1, code=code)
    return [output(folder, name, training).read_bytes() for name in OUTPUTS]


def output(folder, name, training=TOY):
    return Layout(folder).file(name, training=training)


def read_history(folder):
    return read_table(output(folder, "training_history"), HISTORY)
