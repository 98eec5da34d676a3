"""The worked examples of docs/extending.md: each is one file, seen in schema, run and report."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.surroundings import copy_tree

pytestmark = pytest.mark.workflow
EXAMPLE = re.compile(r"^`(src/\S+\.py)`\n\n```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
CONFIG = """
datasets:
  mine: {kind: listed, path: mine}
imaging: {voxel_size: 6.0}
splits: {min_train: 5, validation: 0.0, calibration: 0.4, internal_test: 0.2}
learning: {encoder: {name: two_layers}, epochs: 2, device: cpu}
experiments:
  smooth: {loss: smooth_l1, beta: 3.0}
report: {main_experiment: smooth}
"""


def examples():
    return dict(EXAMPLE.findall((ROOT / "docs" / "extending.md").read_text(encoding="utf-8")))


def git(tree, *words):
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *identity, *words], cwd=tree, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree under version control, with all examples in it."""
    folder = copy_tree(tmp_path_factory.mktemp("extended") / "tree")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "before")
    return folder


@pytest.mark.parametrize("path", examples())
def test_each_example_is_a_change_of_one_file(tree, path):
    (tree / path).write_text(examples()[path], encoding="utf-8")
    git(tree, "add", "--all")
    stat = git(tree, "diff", "--cached", "--stat")
    git(tree, "commit", "--quiet", "--message", path)
    print(stat)
    assert "1 file changed" in stat
    assert not (ROOT / path).exists()


def python(tree, script):
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tree / "src"), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    return done.stdout


def test_the_examples_are_formatted_and_typed(tree):
    for words in (["ruff", "check"], ["ruff", "format", "--check"]):
        subprocess.run(
            [sys.executable, "-m", *words, "--config", str(ROOT / "pyproject.toml"), *examples()],
            cwd=tree,
            check=True,
        )


def test_the_schema_has_them(tree):
    script = (
        "from brainage.core.config import schema; p = schema()['properties'];"
        "learning = p['learning']['properties'];"
        "print('smooth_l1' in learning['loss']['enum'], learning['beta']['of'],"
        "'two_layers' in learning['encoder']['properties']['name']['enum'],"
        "'listed' in schema()['$defs']['dataset']['properties']['kind']['enum'])"
    )
    assert python(tree, script).strip() == "True ['smooth_l1'] True True"


def test_a_run_uses_them_and_its_report_names_them(tree, tmp_path):
    mine = tmp_path / "mine"
    subprocess.run(
        [
            *(sys.executable, "-m", "brainage", "simulate", str(mine), "--healthy", "28"),
            *("--external", "0", "--clinical", "0", "--voxel-size", "6", "--no-troubles"),
        ],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )
    rows = [line.split("\t") for line in (mine / "participants.tsv").read_text().splitlines()]
    image = {p.name.split("_")[0]: p.relative_to(mine) for p in mine.rglob("*_T1w.nii.gz")}
    listed = "".join(
        f"{image[person]},{person.removeprefix('sub-')},{age},{sex}\n"
        for person, age, sex, *_ in rows[1:]
    )
    (mine / "participants.tsv").unlink()
    (mine / "listed.csv").write_text("file,person,age,sex\n" + listed)
    (tmp_path / "my.yaml").write_text(CONFIG)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(tree / "Snakefile")),
            *("--directory", str(tmp_path), "--configfile", str(tmp_path / "my.yaml")),
            *("--cores", "2"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    results = tmp_path / "results"
    assert "brain_skewness" in (results / "imaging" / "qc.tsv").read_text().splitlines()[0]
    settings = next((results / "config").glob("pretrain-*.json")).read_text()
    assert yaml.safe_load(settings)["learning"]["beta"] == 3.0
    page = (results / "report" / "index.html").read_text(encoding="utf-8")
    for words in (
        "supervised smooth L1",
        "supervised regression with the smooth L1 loss",
        "a network of two 3D convolutions",
        "The oldest people tested",
    ):
        assert words in page, words
    quality = (results / "report" / "qc" / "index.html").read_text(encoding="utf-8")
    assert "skewness of the brain" in quality
