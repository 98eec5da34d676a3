"""A small training on the toy brains, and what it leaves."""

from brainage.core.config import defaults
from brainage.core.contracts.learning import HISTORY
from brainage.core.tables import read_table
from brainage.learning import pretrain

LEARNING = {**defaults("learning"), "checkpoint_every": 0}
SMALL = {
    **LEARNING,
    "encoder": {"name": "small", "width": 0.25},
    "epochs": 4,
    "batch_people": 5,
    "projection_dim": 8,
    "device": "cpu",
}
OUTPUTS = (pretrain.WEIGHTS, pretrain.DESCRIPTION, pretrain.HISTORY)


def run(toy, folder, code_hash="c", splits=None, **settings):
    pretrain.pretrain(
        toy.store, toy.scans, splits or toy.splits, folder / "out", folder / "checkpoints",
        {**SMALL, **settings}, "toy", 0, 1, 1, code_hash,
    )  # fmt: skip
    return [(folder / "out" / name).read_bytes() for name in OUTPUTS]


def read_history(folder):
    return read_table(folder / "out" / pretrain.HISTORY, HISTORY)
