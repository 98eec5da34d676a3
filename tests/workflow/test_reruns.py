"""What a change makes new: docs/reruns.md, row by row, by the work that was done.

Work is counted in the logs of the jobs that ran: heads registered, epochs trained, brains
embedded. Code is changed in a copy of the tree. The tests change one study after the other, in
the order in which they stand.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml

from brainage.core.contracts.cohort import SPLITS
from brainage.core.tables import read_table
from tests.conftest import ROOT
from tests.workflow.surroundings import copy_tree
from tests.workflow.test_extending import examples

pytestmark = pytest.mark.workflow
EPOCHS = 2
CONFIG = {
    "datasets": {"one": {"kind": "bids", "path": "one"}},
    "imaging": {"voxel_size": 6.0},
    "splits": {"external_sites": ["external-1"], "test_sites": ["clinical-1"], "min_train": 3},
    "learning": {"encoder": {"name": "small"}, "epochs": EPOCHS, "device": "cpu"},
    "experiments": {"lexp": {"loss": "exp"}},
    "report": {"main_experiment": "lexp"},
}
LEXP = "lexp/fold-0_seed-1"
# By the step whose logs say so.
COUNTS = {
    "registered": ("preprocess", r"imaging: registered (\d+)"),
    "measured": ("preprocess", r"imaging: registered \d+, measured (\d+)"),
    "epochs": ("pretrain", r"pretrain: trained (\d+) epochs"),
    "embedded": ("embed", r"embed: (\d+) brains embedded"),
}
SLOW = {"preprocess", "pretrain", "embed"}
NOTHING: dict[str, Any] = {"registered": 0, "measured": 0, "epochs": {}, "embedded": {}}


def simulate(folder: Path, seed: int, healthy: int) -> int:
    """Simulate a data set; return how many scans it has."""
    subprocess.run(
        [
            *(sys.executable, "-m", "brainage", "simulate", str(folder), "--healthy", str(healthy)),
            *("--external", "2", "--clinical", "4", "--visits", "1", "--voxel-size", "6"),
            *("--healthy-sites", "2", "--external-sites", "1", "--clinical-sites", "1"),
            *("--seed", str(seed), "--no-troubles"),
        ],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )
    return len(list(folder.rglob("*_T1w.nii.gz")))


class Study:
    """A small study whose code, config and data can be changed, and run again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tree = folder, folder / "tree"
        copy_tree(self.tree)
        self.scans = simulate(folder / "one", 7, 10)
        self.config = yaml.safe_load(yaml.safe_dump(CONFIG))

    @property
    def data(self) -> Path:
        """Folder of the data set ``one``."""
        return self.folder / self.config["datasets"]["one"]["path"]

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

    def work(self, *trainings: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
        """Run what the embeddings of some trainings ask for; return the work that was done."""
        logs = self.folder / "results" / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        wanted = [f"results/learning/{name}/embeddings.npy" for name in trainings or (LEXP,)]
        self.snakemake("--cores", "2", *more, "--", *wanted)
        done: dict[str, Any] = {}
        for name, (step, pattern) in COUNTS.items():
            found = {
                path.relative_to(logs / step).with_suffix("").as_posix(): int(number)
                for path in sorted((logs / step).rglob("*.log"))
                for number in re.findall(pattern, path.read_text())
                if int(number)
            }
            done[name] = found if step in ("pretrain", "embed") else sum(found.values())
        return done

    def planned(self) -> set[str]:
        """Rules that a whole run would run."""
        lines = self.snakemake("-n", "--quiet", "rules").splitlines()
        return {line.split()[0] for line in lines if re.fullmatch(r"\w+ +\d+", line)} - {"total"}

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a file of the tree, where the text is there once or more."""
        file = self.tree / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new))

    def correct(self, person: str, column: str, value: str) -> None:
        """Correct a person's cell in participants.tsv, and in the table of sessions."""
        sessions = self.data / person / f"{person}_sessions.tsv"
        for path in (self.data / "participants.tsv", sessions):
            table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
            if column in table:
                rows = table["participant_id"] == person if path != sessions else slice(None)
                assert (table.loc[rows, column] != value).all()
                table.loc[rows, column] = value
                table.to_csv(path, sep="\t", index=False, lineterminator="\n")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = Study(tmp_path_factory.mktemp("reruns"))
    assert study.work() == {**NOTHING, "registered": study.scans, **trained(study, LEXP)}
    return study


def trained(study: Study, *names: str) -> dict[str, Any]:
    """The work of training and of embedding every brain, by the names of trainings."""
    return {
        "epochs": dict.fromkeys(names, EPOCHS),
        "embedded": dict.fromkeys(names, study.scans),
    }


def images(study: Study) -> list[Path]:
    return sorted(study.data.rglob("sub-C*_T1w.nii.gz"))


def test_nothing_changed(study):
    assert study.work() == NOTHING


def test_an_image_touched(study):
    images(study)[0].touch()
    assert study.work() == NOTHING


def test_the_data_set_copied_without_its_dates(study):
    before = study.data.rename(study.folder / "before")
    shutil.copytree(before, study.data, copy_function=shutil.copyfile)
    planned = study.planned()
    assert "preprocess" in planned and "read_dataset" not in planned
    assert study.work() == NOTHING
    shutil.rmtree(before)


def test_the_data_set_moved(study):
    study.data.rename(study.folder / "elsewhere")
    study.config["datasets"]["one"]["path"] = "elsewhere"
    assert study.work() == NOTHING


def test_sex_age_and_diagnosis_of_patients_corrected(study):
    people = pd.read_csv(study.data / "participants.tsv", sep="\t")
    ill = people[people["diagnosis"].isin(["MCI", "AD"])].set_index("participant_id")
    one, two = ill.index[:2]
    study.correct(one, "sex", "M" if ill.loc[one, "sex"] == "F" else "F")
    study.correct(one, "age", f"{ill.loc[one, 'age'] + 0.25:.2f}")
    study.correct(two, "diagnosis", "AD" if ill.loc[two, "diagnosis"] == "MCI" else "MCI")
    # What is in it counts, and not its date.
    os.utime(study.data / "participants.tsv", (1e9, 1e9))
    assert {"read_dataset", "index"} <= study.planned()
    assert study.work() == NOTHING


def test_the_age_of_a_training_person_corrected(study):
    splits = read_table(study.folder / "results" / "cohort" / "splits.tsv", SPLITS)
    person = splits.loc[splits["role"] == "train", "participant_id"].iloc[0]
    people = pd.read_csv(study.data / "participants.tsv", sep="\t", index_col="participant_id")
    study.correct(person, "age", f"{people.loc[person, 'age'] + 0.25:.2f}")
    # The encoder is another, and so is every embedding by it.
    assert study.work() == {**NOTHING, **trained(study, LEXP)}


def test_an_experiment_a_seed_and_a_cell_of_the_grid_added(study):
    study.config["experiments"]["l1"] = {"loss": "l1"}
    study.config["experiments"]["lexp"]["seeds"] = [1, 2]
    study.config["grid"] = {"fractions": [0.75]}
    new = ["l1/fold-0_seed-1", "lexp/fold-0_seed-2", "lexp.all.0.75/fold-0_seed-1"]
    assert study.work(LEXP, *new) == {**NOTHING, **trained(study, *new)}


def test_an_experiment_a_seed_and_the_grid_removed(study):
    del study.config["experiments"]["l1"], study.config["experiments"]["lexp"]["seeds"]
    del study.config["grid"]
    assert study.work() == NOTHING


def test_a_data_set_added(study):
    """The people of the first keep their roles; the experiment has more people to train on."""
    splits = study.folder / "results" / "cohort" / "splits.tsv"
    before = set(splits.read_text().splitlines())
    alone = study.config
    study.config = yaml.safe_load(yaml.safe_dump(alone))
    more = simulate(study.folder / "two", 8, 4)
    study.config["datasets"]["two"] = {"kind": "bids", "path": "two"}
    for key in ("external_sites", "test_sites"):
        own = alone["splits"][key]
        study.config["splits"][key] = [f"{name}/{site}" for name in ("one", "two") for site in own]
    study.config["grid"] = {"datasets": [["one"]]}
    cell = "lexp.one.1/fold-0_seed-1"
    assert study.work(LEXP, cell) == {
        "registered": more,
        "measured": 0,
        "epochs": {LEXP: EPOCHS},
        "embedded": {LEXP: study.scans + more, cell: more},
    }
    assert before <= set(splits.read_text().splitlines())
    study.config = alone


def test_an_image_of_a_patient_replaced(study):
    path = images(study)[0]
    image = nibabel.load(path)
    head = np.asarray(image.dataobj).copy()
    head[head > 0] += 1
    nibabel.save(nibabel.Nifti1Image(head, image.affine, image.header), path)
    os.utime(path, (1e9, 1e9))
    assert study.work() == {**NOTHING, "registered": 1, "embedded": {LEXP: 1}}


def test_results_without_the_records_of_snakemake(study):
    def lose():
        shutil.rmtree(study.folder / ".snakemake")

    lose()
    assert study.work() == NOTHING  # nor does anything stop it
    lose()
    study.config["learning"]["epochs"] = EPOCHS + 1
    refused = study.called("-n")
    assert refused.returncode == 2
    assert "encoder.safetensors was made with other settings" in refused.stderr
    assert "--forcerun pretrain (" in refused.stderr
    done = study.work(more=("--forcerun", "pretrain"))
    assert done == {
        **NOTHING,
        "epochs": {LEXP: EPOCHS + 1},
        "embedded": {LEXP: study.scans},
    }
    study.config["learning"]["epochs"] = EPOCHS
    assert study.work() == NOTHING  # found again, as the records are there
    # Then there are records of all again.
    assert study.work(more=("--forcerun", "read_dataset", "preprocess")) == NOTHING
    assert "--forcerun" not in study.called("-n").stderr


def changed_code(study: Study, change: Callable[[], None]) -> tuple[dict[str, Any], set[str]]:
    """Work done after a change of code, and rules planned for it; the change is taken back."""
    saved = study.folder / "saved"
    shutil.copytree(study.tree, saved)
    try:
        change()
        planned = study.planned()
        return study.work(), planned
    finally:
        shutil.rmtree(study.tree)
        saved.rename(study.tree)


def test_a_loss_an_encoder_a_reader_and_a_section_added(study):
    new = {path: text for path, text in examples().items() if "/measures/" not in path}
    folders = {Path(path).parent.name for path in new}
    assert folders == {"losses", "encoders", "readers", "sections"}

    def change():
        for path, text in new.items():
            (study.tree / path).write_text(text)

    work, planned = changed_code(study, change)
    assert work == NOTHING
    assert "study_page" in planned and "preprocess" not in planned


def test_a_label_and_a_sentence_changed(study):
    def change():
        path = "src/brainage/learning/losses/exp.py"
        study.edit(path, 'label="', 'label="other ')
        study.edit(path, 'sentence="', 'sentence="other ')

    work, planned = changed_code(study, change)
    assert work == NOTHING
    assert "study_page" in planned and not planned & SLOW


def test_a_constant_of_core_that_statistics_uses_changed(study):
    def change():
        study.edit("src/brainage/core/thresholds.py", "MIN_AT_SITE = 3", "MIN_AT_SITE = 4")

    work, planned = changed_code(study, change)
    assert work == NOTHING
    assert "groups" in planned and not planned & SLOW


def upgraded(study: Study, name: str) -> dict[str, Any]:
    """Work done after a library was upgraded in the lock file."""
    pins = [
        (path.relative_to(study.tree).as_posix(), pin)
        for path in (study.tree / "requirements").glob("*.lock")
        for pin in re.findall(rf"^{name}==[^\s;]+", path.read_text(), flags=re.MULTILINE)
    ]
    assert pins

    def change():
        for path, pin in pins:
            study.edit(path, pin, f"{pin}.post1")

    return changed_code(study, change)[0]


def test_a_library_of_none_of_these_steps_upgraded(study):
    assert upgraded(study, "pydicom") == NOTHING


def test_torch_upgraded(study):
    assert upgraded(study, "torch") == {**NOTHING, **trained(study, LEXP)}


def test_a_quality_measure_added(study):
    path, text = next(item for item in examples().items() if "/measures/" in item[0])

    def change():
        (study.tree / path).write_text(text)

    assert changed_code(study, change)[0] == {**NOTHING, "measured": study.scans}


def test_ants_upgraded(study):
    # The same heads give the same brains, of which everything is known.
    assert upgraded(study, "antspyx") == {**NOTHING, "registered": study.scans}


def test_numpy_upgraded(study):
    new = {"registered": study.scans, **trained(study, LEXP)}
    assert upgraded(study, "numpy") == {**NOTHING, **new}
