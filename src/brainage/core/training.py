"""The name of one training: an experiment, a fold of people and a seed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from brainage.core.files import InputError

_NAME = re.compile(r"(?P<experiment>[^/]+)/fold-(?P<fold>\d+)_seed-(?P<seed>\d+)")


@dataclass(frozen=True)
class Training:
    """One training, such as ``lexp/fold-0_seed-1``; a baseline has such a name as well.

    Attributes
    ----------
    experiment
        Name of the experiment in the config, of a cell of the grid, or of a baseline.
    fold
        Fold of people, from 0.
    seed
        Seed of the training.
    """

    experiment: str
    fold: int
    seed: int

    @classmethod
    def parse(cls, name: str) -> Training:
        """Read a name; raise InputError where it is none."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(
                f"{name!r} is not the name of a training, such as EXPERIMENT/fold-0_seed-1"
            )
        return cls(match["experiment"], int(match["fold"]), int(match["seed"]))

    def __str__(self) -> str:
        return f"{self.experiment}/fold-{self.fold}_seed-{self.seed}"

    @property
    def words(self) -> str:
        """How messages name it."""
        return f"experiment {self.experiment}, fold {self.fold}, seed {self.seed}"

    @property
    def columns(self) -> dict[str, str | int]:
        """The columns that name it in a table."""
        return {"experiment": self.experiment, "fold": self.fold, "seed": self.seed}
