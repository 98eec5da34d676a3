"""envs/ agrees with the lock file, and each environment holds what its rooms import."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

IMPORT_NAME = {
    "antspyx": "ants",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
# The modules that the rules of an environment load; those of the cohort that draw heads run in
# the environment that has torch.
MODULES = {
    "imaging": [
        *("cohort/*.py", "datasets/*.py", "simulation/plan.py", "imaging/*.py"),
        *("core/**/*.py", "*.py"),
    ],
    "learning": [
        *("simulation/*.py", "learning/*.py", "core/**/*.py", "*.py"),
    ],
    "analysis": ["probing/*.py", "statistics/*.py", "reporting/*.py", "core/**/*.py", "*.py"],
}
OPTIONAL = {"deepbet"}


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", MODULES)
def test_environments_are_made_from_the_lock_file(name):
    written = (ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8")
    assert written == script("environments").environment(name), "run: make lock"


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"brainage"} - OPTIONAL


@pytest.mark.parametrize("name", MODULES)
def test_each_environment_holds_what_its_rooms_import(name):
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))
    pins = environment["dependencies"][-1]["pip"]
    has = {IMPORT_NAME.get(pin.split("==")[0], pin.split("==")[0]) for pin in pins}
    package = ROOT / "src" / "brainage"
    modules = [path for pattern in MODULES[name] for path in package.glob(pattern)]
    assert len(modules) >= len(MODULES[name])
    # The config is checked where the cohort is; no other command reads it.
    skipped = set() if name == "imaging" else {package / "core" / "config.py"}
    needed = set().union(*(imported(m) for m in modules if m not in skipped))
    assert needed <= has


def test_the_manual_of_the_config_is_up_to_date():
    written = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert written == script("config_manual").manual(), "run: make manual"
