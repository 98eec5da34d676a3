"""What a change makes new: docs/reruns.md, row by row, by the work that was done.

Work is counted in the logs of the jobs that ran: heads registered, epochs trained, brains
embedded. Code is changed in a copy of the tree.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import yaml

from tests.conftest import ROOT

pytestmark = pytest.mark.workflow
TREE = ("Snakefile", "workflow", "src", "config", "envs", "requirements", "profiles")
EPOCHS = 2
CONFIG = {
    "datasets": {"one": {"kind": "bids", "path": "one"}},
    "imaging": {"voxel_size": 6.0},
    "splits": {"external_sites": ["external-1"], "test_sites": ["clinical-1"], "min_train": 5},
    "learning": {"encoder": {"name": "small"}, "epochs": EPOCHS, "device": "cpu"},
    "experiments": {"lexp": {"loss": "exp"}},
    "report": {"main_experiment": "lexp"},
}
COUNTS = {
    "registered": ("preprocess", r"imaging: registered (\d+)"),
    "measured": ("preprocess", r"imaging: registered \d+, measured (\d+)"),
    "epochs": ("pretrain", r"pretrain: trained (\d+) epochs"),
    "embedded": ("embed", r"embed: (\d+) brains embedded"),
}


def simulate(folder: Path, seed: int, healthy: int) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "brainage", "simulate", str(folder), "--healthy", str(healthy)),
            *("--external", "2", "--clinical", "6", "--visits", "1", "--voxel-size", "6"),
            *("--healthy-sites", "2", "--external-sites", "1", "--clinical-sites", "1"),
            *("--seed", str(seed), "--no-troubles"),
        ],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )


class Study:
    """A small study whose code, config and data can be changed, and run again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree = folder, folder / "tree"
        for name in TREE:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            self.tree.mkdir(exist_ok=True)
            copy(source, self.tree / name)
        simulate(folder / "one", 7, 16)
        self.config = yaml.safe_load(yaml.safe_dump(CONFIG))

    def snakemake(self, *more: str) -> str:
        done = self.called(*more)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def called(self, *more: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "my.yaml").write_text(yaml.safe_dump(self.config))
        return subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--snakefile", str(self.tree / "Snakefile")),
                *("--directory", str(self.folder), "--configfile", str(self.folder / "my.yaml")),
                *more,
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    def work(self, *more: str) -> dict[str, int]:
        """Run what a change asks for, up to the embeddings; return the work done, none left out."""
        shutil.rmtree(self.folder / "results" / "logs", ignore_errors=True)
        trainings = [
            f"results/learning/{name}/fold-0_seed-{seed}/embeddings.npy"
            for name, own in self.config["experiments"].items()
            for seed in own.get("seeds", [1])
        ]
        fractions = self.config.get("grid", {}).get("fractions", [])
        trainings += [
            f"results/learning/lexp.all.{fraction}/fold-0_seed-1/embeddings.npy"
            for fraction in fractions
        ]
        self.snakemake("--cores", "2", *more, "--", *trainings)
        return {
            name: sum(
                int(number)
                for log in (self.folder / "results" / "logs" / step).rglob("*.log")
                for number in re.findall(pattern, log.read_text())
            )
            for name, (step, pattern) in COUNTS.items()
        }

    def planned(self) -> set[str]:
        """Rules that a whole run would run."""
        lines = self.snakemake("-n", "--quiet", "rules").splitlines()
        return {line.split()[0] for line in lines if re.fullmatch(r"\w+ +\d+", line)} - {"total"}

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a file of the tree or of the data, where the text is there once or more."""
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = Study(tmp_path_factory.mktemp("reruns"))
    done = study.work()
    scans = len(list((study.folder / "one").rglob("*_T1w.nii.gz")))
    assert done == {"registered": scans, "measured": 0, "epochs": EPOCHS, "embedded": scans}
    study.scans = scans
    return study


NOTHING = {"registered": 0, "measured": 0, "epochs": 0, "embedded": 0}


def test_nothing_changed(study):
    assert study.work() == NOTHING


def person(study, diagnosis, part="sub-"):
    """A person of this diagnosis: line of participants.tsv."""
    rows = (study.folder / "one" / "participants.tsv").read_text().splitlines()
    return next(r for r in rows if r.startswith(part) and r.endswith(diagnosis))


def correct(study, row, column, value):
    """Correct one cell of a person's row."""
    header = (study.folder / "one" / "participants.tsv").read_text().splitlines()[0].split("\t")
    cells = row.split("\t")
    cells[header.index(column)] = value
    study.edit("one/participants.tsv", row, "\t".join(cells))
    if column in ("age", "diagnosis"):
        sessions = study.folder / "one" / cells[0] / f"{cells[0]}_sessions.tsv"
        lines = sessions.read_text().splitlines()
        own = lines[1].split("\t")
        own[lines[0].split("\t").index(column)] = value
        sessions.write_text("\n".join([lines[0], "\t".join(own)]) + "\n")


def test_a_patients_sex_age_or_diagnosis_corrected(study):
    correct(study, person(study, "AD"), "sex", "M")
    assert study.work() == NOTHING
    correct(study, person(study, "AD"), "age", "70.25")
    assert study.work() == NOTHING
    correct(study, person(study, "AD"), "diagnosis", "MCI")
    assert study.work() == NOTHING


def trained_person(study):
    splits = (study.folder / "results" / "cohort" / "splits.tsv").read_text().splitlines()
    name = next(line.split("\t") for line in splits if line.endswith("train"))[4]
    rows = (study.folder / "one" / "participants.tsv").read_text().splitlines()
    return next(row for row in rows if row.startswith(f"{name}\t"))


def test_the_age_of_a_training_person_corrected(study):
    row = trained_person(study)
    age = float(row.split("\t")[1])
    correct(study, row, "age", f"{age + 0.25:.2f}")
    # The encoder is another, and so is every embedding by it.
    assert study.work() == {**NOTHING, "epochs": EPOCHS, "embedded": study.scans}


def test_an_experiment_added_and_taken_away(study):
    study.config["experiments"]["l1"] = {"loss": "l1"}
    assert study.work() == {**NOTHING, "epochs": EPOCHS, "embedded": study.scans}
    del study.config["experiments"]["l1"]
    assert study.work() == NOTHING


def test_a_seed_added(study):
    study.config["experiments"]["lexp"]["seeds"] = [1, 2]
    assert study.work() == {**NOTHING, "epochs": EPOCHS, "embedded": study.scans}
    del study.config["experiments"]["lexp"]["seeds"]


def test_a_cell_of_the_grid_added(study):
    study.config["grid"] = {"fractions": [0.75]}
    study.config["splits"]["min_train"] = 3
    assert study.work() == {**NOTHING, "epochs": EPOCHS, "embedded": study.scans}
    del study.config["grid"]


def test_a_data_set_added(study):
    """The people of the first keep their roles; the experiment has more people to train on."""
    before = (study.folder / "results" / "cohort" / "splits.tsv").read_text().splitlines()
    simulate(study.folder / "two", 8, 8)
    study.config["datasets"]["two"] = {"kind": "bids", "path": "two"}
    for key in ("external_sites", "test_sites"):
        own = [f"one/{site}" for site in study.config["splits"][key]]
        study.config["splits"][key] = own + [site.replace("one", "two") for site in own]
    study.config["grid"] = {"datasets": [["one"]]}
    more = len(list((study.folder / "two").rglob("*_T1w.nii.gz")))
    # That of all people is new, and embeds all; a cell of the first data set would not be.
    assert study.work() == {
        "registered": more, "measured": 0, "epochs": EPOCHS, "embedded": study.scans + more,
    }  # fmt: skip
    after = (study.folder / "results" / "cohort" / "splits.tsv").read_text().splitlines()
    lexp = {line for line in before if line.startswith("lexp\t")}
    assert lexp <= set(after)
    shutil.rmtree(study.folder / "results" / "logs")
    cell = "results/learning/lexp.one.1/fold-0_seed-1/embeddings.npy"
    study.snakemake("--cores", "2", "--", cell)
    logs = study.folder / "results" / "logs"
    found = (logs / "pretrain" / "lexp.one.1" / "fold-0_seed-1.log").read_text()
    assert "found finished, 0 epochs trained" in found
    embedded = (logs / "embed" / "lexp.one.1" / "fold-0_seed-1.log").read_text()
    assert f"embed: {more} brains embedded, {study.scans} found" in embedded
    del study.config["datasets"]["two"], study.config["grid"]
    study.config["splits"] |= {
        key: [site for site in study.config["splits"][key] if site.startswith("one/")]
        for key in ("external_sites", "test_sites")
    }
    assert study.work() == NOTHING


def images(study):
    return sorted((study.folder / "one").rglob("sub-C*_T1w.nii.gz"))


def test_an_image_touched(study):
    images(study)[0].touch()
    assert study.work() == NOTHING


def test_an_image_replaced(study):
    path = images(study)[0]
    image = nibabel.load(path)
    head = np.asarray(image.dataobj).copy()
    head[head > 0] += 1
    nibabel.save(nibabel.Nifti1Image(head, image.affine, image.header), path)
    assert study.work() == {**NOTHING, "registered": 1, "embedded": 1}


def test_an_image_replaced_by_an_older_one(study):
    path = images(study)[1]
    image = nibabel.load(path)
    head = np.asarray(image.dataobj).copy()
    head[head > 0] += 1
    nibabel.save(nibabel.Nifti1Image(head, image.affine, image.header), path)
    os.utime(path, (1e9, 1e9))
    assert study.work() == {**NOTHING, "registered": 1, "embedded": 1}


def test_a_table_replaced_by_an_older_one(study):
    row = person(study, "AD")
    correct(study, row, "sex", "F" if "\tM\t" in row else "M")
    os.utime(study.folder / "one" / "participants.tsv", (1e9, 1e9))
    assert {"read_dataset", "index"} <= study.planned()
    assert study.work() == NOTHING


def test_the_data_set_copied_without_its_dates(study):
    (study.folder / "one").rename(study.folder / "before")
    shutil.copytree(study.folder / "before", study.folder / "one", copy_function=shutil.copyfile)
    planned = study.planned()
    assert "preprocess" in planned
    assert "read_dataset" not in planned
    assert study.work() == NOTHING
    shutil.rmtree(study.folder / "before")


def test_results_without_the_records_of_snakemake(study):
    def lose():
        shutil.rmtree(study.folder / ".snakemake")

    lose()
    said = study.called("-n")
    assert said.returncode == 0
    assert "Nothing to be done" in said.stdout + said.stderr
    assert "add --forcerun preprocess" in said.stderr
    study.config["learning"]["epochs"] = EPOCHS + 1
    refused = study.called("-n")
    assert refused.returncode == 2
    assert "encoder.safetensors was made with other settings" in refused.stderr
    assert "--forcerun pretrain (" in refused.stderr
    more = ("--forcerun", "pretrain")
    assert study.work(*more) == {**NOTHING, "epochs": EPOCHS + 1, "embedded": study.scans}
    study.config["learning"]["epochs"] = EPOCHS
    assert study.work() == NOTHING  # found again, as the records are there
    # Then there are records of all again.
    assert study.work("--forcerun", "read_dataset", "preprocess") == NOTHING
    assert "--forcerun" not in study.called("-n").stderr


def test_the_data_set_moved(study):
    (study.folder / "one").rename(study.folder / "elsewhere")
    study.config["datasets"]["one"]["path"] = "elsewhere"
    assert study.work() == NOTHING
    (study.folder / "elsewhere").rename(study.folder / "one")
    study.config["datasets"]["one"]["path"] = "one"
    assert study.work() == NOTHING


LOSS = '''"""Half of L1."""

from brainage.learning.losses._common import Loss

CHOICE = Loss(label="half L1", sentence="half of the L1 loss", supervised=True)


def loss(outputs, ages):
    """Half of the mean absolute error."""
    from brainage.learning.losses import l1

    return l1.loss(outputs, ages) / 2
'''


def changed_code(study, change: Callable[[], None]) -> SimpleNamespace:
    """Rules that would run after a change of code, and work done; the change is taken back."""
    saved = study.folder / "saved"
    shutil.copytree(study.tree, saved)
    try:
        change()
        planned = study.planned()
        return SimpleNamespace(planned=planned, work=study.work())
    finally:
        shutil.rmtree(study.tree)
        saved.rename(study.tree)


SLOW = {"preprocess", "pretrain", "embed"}


def test_a_loss_added(study):
    def change():
        (study.tree / "src/brainage/learning/losses/half_l1.py").write_text(LOSS)

    done = changed_code(study, change)
    assert done.work == NOTHING
    assert not done.planned & SLOW


def test_a_label_or_a_sentence_changed(study):
    def change():
        study.edit("tree/src/brainage/learning/losses/exp.py", 'label="L^exp"', 'label="L exp"')

    done = changed_code(study, change)
    assert done.work == NOTHING
    assert "study_page" in done.planned
    assert not done.planned & SLOW


def test_a_constant_of_core_that_statistics_uses_changed(study):
    def change():
        study.edit("tree/src/brainage/core/thresholds.py", "MIN_AT_SITE = 3", "MIN_AT_SITE = 4")

    done = changed_code(study, change)
    assert done.work == NOTHING
    assert not done.planned & SLOW


def test_a_quality_measure_added(study):
    measure = (study.tree / "src/brainage/imaging/measures/brain_volume_ml.py").read_text()

    def change():
        path = study.tree / "src/brainage/imaging/measures/brain_volume_litres.py"
        path.write_text(measure.replace("brain_volume_range", "brain_volume_litres_range"))

    done = changed_code(study, change)
    assert done.work == {**NOTHING, "measured": study.scans}


def test_a_library_upgraded(study):
    lock = (study.tree / "requirements/workflow.lock").read_text()

    def upgraded(name):
        version = re.search(rf"^{name}==([^\s;]+)", lock, flags=re.MULTILINE)
        assert version
        pin = f"{name}=={version[1]}"
        return lambda: study.edit("tree/requirements/workflow.lock", pin, f"{pin}.post1")

    # Training uses torch, imaging does not; ANTs the other way round.
    torch = changed_code(study, upgraded("torch"))
    assert torch.work == {**NOTHING, "epochs": EPOCHS, "embedded": study.scans}
    ants = changed_code(study, upgraded("antspyx"))
    assert ants.work["registered"] == study.scans
    # The same heads give the same brains, of which everything is known.
    assert (ants.work["epochs"], ants.work["embedded"]) == (0, 0)
    numpy = changed_code(study, upgraded("numpy"))
    assert numpy.work["registered"] == numpy.work["embedded"] == study.scans
    assert numpy.work["epochs"] == EPOCHS
    other = changed_code(study, upgraded("pydicom"))
    assert other.work == NOTHING
