"""The one place that imports ANTsPy, with the environment that makes it repeatable.

ANTs draws its sampling points at random and sums in threads. Both must be fixed in the
environment *before* the import: the same scan then gives the same bytes in every process.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

ENVIRONMENT = {"ANTS_RANDOM_SEED": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}


def import_ants() -> ModuleType:
    """Import ANTsPy so that it gives the same numbers every time.

    Returns
    -------
    module
        The module ``ants``.

    Raises
    ------
    RuntimeError
        Where ANTsPy was imported before with another environment: too late to repair.
    """
    wrong = {name: value for name, value in ENVIRONMENT.items() if os.environ.get(name) != value}
    if wrong and "ants" in sys.modules:
        raise RuntimeError(
            f"ANTsPy was imported before {', '.join(sorted(wrong))} was set in the environment; "
            "its results would not be reproducible"
        )
    os.environ.update(ENVIRONMENT)
    import ants

    return ants


def raise_if_out_of_memory(error: RuntimeError) -> None:
    """Raise MemoryError where an error of ITK is a failed allocation: that is never a verdict."""
    text = str(error).lower()
    if "alloc" in text or "memory" in text:
        raise MemoryError(str(error)) from error
