"""What a table's contract is made of; reading and writing it is in :mod:`brainage.core.tables`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "number", "integer", "boolean"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        Name in the header.
    kind
        ``text``, ``number`` (float), ``integer`` or ``boolean``.
    description
        What it says, with its unit.
    required
        Whether every row must have a value (else ``n/a`` is allowed).
    allowed
        The only values allowed, where there is such a list.
    may_lack
        Whether a file may lack the whole column; every row then counts as n/a.
    """

    name: str
    kind: Kind
    description: str
    required: bool = True
    allowed: tuple[str, ...] = ()
    may_lack: bool = False


@dataclass(frozen=True)
class Table:
    """One table: its columns in order and the columns whose values together are unique.

    `open_ended` tables may carry further columns behind those named here.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    open_ended: bool = False
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
