"""A dozen real heads through the workflow's own rules: index, imaging, quality."""

import shutil
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from brainage.core.contracts.cohort import SCANS
from brainage.core.contracts.imaging import QC
from brainage.core.derivatives import MASK, derivative
from brainage.core.tables import read_table
from tests.conftest import ROOT

pytestmark = pytest.mark.workflow
PEOPLE = 12


def test_a_dozen_real_heads_pass_imaging_and_quality(shared_data, tmp_path):
    source, folder = shared_data / "ixi", tmp_path / "ixi"
    folder.mkdir()
    shutil.copy(source / "dataset_description.json", folder)
    header, *rows = (source / "participants.tsv").read_text().splitlines()
    # One of those without an age is among them: its image is processed all the same.
    ageless = next(row for row in rows if row.split("\t")[1] == "n/a")
    rows = [*rows[: 9 * (PEOPLE - 1) : 9], ageless]
    (folder / "participants.tsv").write_text("\n".join([header, *rows]) + "\n")
    people = [row.split("\t")[0] for row in rows]
    assert len(set(people)) == PEOPLE
    for person in people:
        shutil.copytree(source / person, folder / person)
    config = tmp_path / "config.yaml"
    config.write_text(
        "datasets: {ixi: {kind: bids, path: ixi}}\nimaging: {voxel_size: 4.0, chunk_size: 6}\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(tmp_path), "--configfile", str(config), "--cores", "2"),
            "results/report/qc/index.html",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    qc = read_table(tmp_path / "results" / "imaging" / "qc.tsv", QC)
    assert len(qc) == PEOPLE
    assert (qc["verdict"] != "fail").all(), qc[["scan_id", "verdict", "reason"]].to_string()
    scans = read_table(tmp_path / "results" / "cohort" / "scans.tsv", SCANS)
    assert scans["set_aside"].eq("no age").sum() == 1
    overlaps = []
    for person in people:
        own = derivative(tmp_path / "results" / "imaging", f"ixi_{person}", MASK)
        mask = np.asarray(nibabel.load(own).dataobj) > 0
        name = f"derivatives/dlmuse/{person}/anat/{person}_desc-brain_mask.nii.gz"
        reference = np.asarray(nibabel.load(source / name).dataobj) > 0
        overlaps.append(2 * (mask & reference).sum() / (mask.sum() + reference.sum()))
    # The affine alone was measured to carry the template's mask at 0.943 on average.
    assert np.mean(overlaps) > 0.93
    assert min(overlaps) > 0.85
