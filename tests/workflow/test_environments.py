"""envs/ agrees with the lock file, and each environment holds what its rooms import."""

import importlib.util
import re

import pytest
import yaml

from brainage.core.choices import modules
from brainage.core.versions import step_libraries
from tests.conftest import ROOT

IMPORT_NAME = {
    "antspyx": "ants",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
ENVIRONMENTS = ("imaging", "learning", "analysis")
OPTIONAL = {"deepbet"}


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments_are_made_from_the_lock_file(name):
    written = (ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8")
    assert written == script("environments").environment(name), "run: make lock"


def rules_by_environment():
    """(environment, package, function) of each rule; a rule that takes after another has its own
    environment or that of the other."""
    found, environment_of = [], {}
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text(encoding="utf-8")
        for block in re.split(r"^(?=(?:use )?rule )", text, flags=re.MULTILINE)[1:]:
            words = block.split()
            name = words[4] if words[0] == "use" else words[1].rstrip(":")
            own = re.search(r"envs/(\w+)\.yaml", block)
            environment_of[name] = own[1] if own else environment_of[words[2]]
            code = re.search(r'step_hash\(\s*"([\w.]+)"', block)
            if code:
                found.append((environment_of[name], code[1]))
    return found


def test_every_rule_has_an_environment_and_its_code():
    found = rules_by_environment()
    assert len(found) > 20
    assert {environment for environment, _ in found} == set(ENVIRONMENTS)


@pytest.mark.parametrize(("name", "step"), rules_by_environment())
def test_each_environment_holds_what_its_steps_import(name, step):
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))
    pins = environment["dependencies"][-1]["pip"]
    has = {IMPORT_NAME.get(pin.split("==")[0], pin.split("==")[0]) for pin in pins}
    choices = []
    if name == "learning":
        choices = [*modules("brainage.learning.losses").values()]
        choices += modules("brainage.learning.encoders").values()
    if name == "imaging":
        choices = [*modules("brainage.imaging.measures").values()]
        choices += modules("brainage.datasets.readers").values()
    if step.startswith("reporting"):
        choices = [*modules("brainage.reporting.sections").values()]
    assert step_libraries(step, choices) - OPTIONAL <= has
    assert "click" in has  # the command line's own


def test_the_manual_of_the_config_is_up_to_date():
    written = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert written == script("config_manual").manual(), "run: make manual"
