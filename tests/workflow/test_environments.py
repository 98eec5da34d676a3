"""envs/ and the Dockerfile agree with the locks, and hold what their steps import and need."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from brainage.core.choices import modules
from brainage.core.versions import step_libraries
from tests.conftest import ROOT, lacking

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


def requirements(lines):
    """The requirements of an environment that hold for this Python, each with its hashes."""
    found = {}
    for line in lines:
        text, *hashes = re.split(r"\s+(?:\\\s+)?--hash=", line.strip())
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate():
            found[canonicalize_name(requirement.name)] = (requirement, hashes)
    return found


def lock(name):
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    text = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    return requirements(text.splitlines())


def installed(name):
    """What an environment installs: what conda gives to pip, then what its script does."""
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))
    hashed = requirements(environment["dependencies"][-1]["pip"])
    script = ROOT / "envs" / f"{name}.post-deploy.sh"
    if not script.is_file():
        return hashed, {}
    first, second = re.findall("<<'END'\n(.*?)END\n", script.read_text(), flags=re.DOTALL)
    hashed |= requirements(first.replace("\\\n", "").splitlines())
    return hashed, requirements(second.splitlines())


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments_are_made_from_the_locks(name):
    for file, text in script("environments").environment(name).items():
        written = (ROOT / "envs" / file).read_text(encoding="utf-8")
        assert written == text, "run: make lock"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_all_that_its_packages_need_with_hashes(name):
    """By what the packages that are installed here say that they need."""
    hashed, torch = installed(name)
    assert not set(hashed) & set(torch)
    for package, (pin, hashes) in hashed.items():
        assert hashes, package
        assert str(pin.specifier) == f"=={metadata.version(package)}", "other packages are here"
        for text in metadata.requires(package) or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in {*hashed, *torch}, f"{package}: {text}"


def test_locks_name_no_index_and_all_but_torch_have_hashes():
    whole = {**lock("workflow"), **lock("test")}
    assert len(whole) > 100
    assert [name for name, (_, hashes) in whole.items() if not hashes] == []
    torch = lock("torch")
    assert "torch" in torch and not set(torch) & set(whole)
    assert {name.partition("-")[0] for name in torch} <= {"torch", "triton", "nvidia", "cuda"}
    for path in (ROOT / "requirements").iterdir():
        option = re.search(r"^-|^\s*--(?!hash=)|://", path.read_text(), flags=re.MULTILINE)
        assert option is None, f"{path.name}: {option}"


def docker(word):
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return re.findall(rf"^{word} (.+)$", text, flags=re.MULTILINE)


@pytest.mark.workflow
def test_the_steps_of_the_dockerfile_install_what_the_locks_pin(tmp_path):
    """In a folder that holds what is copied and nothing else, by a Python that holds pip alone."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "python"], check=True)
    root = tmp_path / "root"
    root.mkdir()
    for line in docker("COPY"):
        *sources, target = shlex.split(line)
        assert target == "./"
        for source in sources:
            shutil.copy(ROOT / source, root)
    bare = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "REQUESTS_"))}
    environment = {
        **{**bare, "PATH": f"{tmp_path}/python/bin:/usr/bin:/bin", "HOME": os.environ["HOME"]},
        "PIP_NO_COMPILE": "1",  # bytecode is half of the time
    }

    def step(command):
        return subprocess.run(
            ["sh", "-c", command],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    for command in docker("RUN"):
        done = step(command)
        if "Connection" in done.stderr or "Temporary failure in name" in done.stderr:
            lacking("a package index")
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    frozen = requirements(step("python -m pip freeze --all").stdout.splitlines())
    for name, (pin, _) in {**lock("workflow"), "torch": lock("torch")["torch"]}.items():
        assert str(frozen[name][0].specifier).partition("+")[0] == str(pin.specifier)
    for program in ("snakemake --version", "python -c 'import ants, monai, statsmodels, torch'"):
        assert step(program).returncode == 0


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
    hashed, torch = installed(name)
    has = {IMPORT_NAME.get(package, package) for package in {*hashed, *torch}}
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
