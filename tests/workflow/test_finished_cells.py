"""The table of what is trained so far: whole seeds of whole experiments only."""

import subprocess
import sys

import numpy as np
import pandas as pd
import yaml

from brainage.core.contracts.probing import PREDICTIONS
from brainage.core.tables import write_table
from tests.conftest import ROOT
from tests.statistics.simulated import predictions_of, study

CONFIG = {
    "datasets": {"demo": {"kind": "bids"}},
    "splits": {"scheme": "folds", "folds": 2},
    "experiments": {"lexp": {"seeds": [1, 2]}, "l1": {"loss": "l1"}, "late": {"loss": "y_aware"}},
}


def printed(folder):
    script = ROOT / "scripts" / "finished_cells.py"
    return subprocess.run(
        [sys.executable, str(script), str(folder / "my.yaml"), str(folder / "results")],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip


def test_only_what_is_whole_is_in_the_table(tmp_path):
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(CONFIG))
    rng = np.random.default_rng(1)
    folds = [study(rng, CN={"people": 15, "sites": ("A",)}) for _ in range(2)]
    for fold, scans in enumerate(folds):
        scans["participant_id"] = scans["participant_id"] + f"f{fold}"
        scans["scan_id"] = [f"demo_{row.participant_id}" for row in scans.itertuples()]
    assert printed(tmp_path).returncode == 2

    def write(name, seed, fold):
        run = {"experiment": name, "fold": fold}
        table = predictions_of(folds[fold], **run).assign(seed=seed)
        path = tmp_path / "results" / "probing" / name / f"fold-{fold}_seed-{seed}"
        path.mkdir(parents=True)
        write_table(table, path / "predictions.tsv", PREDICTIONS)

    for name, seed, fold in (
        ("lexp", 1, 0), ("lexp", 1, 1), ("lexp", 2, 0), ("l1", 1, 1),
        ("ridge_voxels", 1, 0), ("ridge_voxels", 1, 1),
    ):  # fmt: skip
        write(name, seed, fold)
    done = printed(tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {line.split(" | ")[0].strip("| "): line for line in done.stdout.splitlines()}
    assert "| 1 | 30 |" in rows["lexp"] and "not distinguishable" in rows["lexp"]
    assert "ridge_voxels" in rows and "l1" not in rows
    assert "Not finished: l1, late." in done.stdout
    write("lexp", 2, 1)
    rows = {line.split(" | ")[0].strip("| "): line for line in printed(tmp_path).stdout.split("\n")}
    assert "| 2 | 30 |" in rows["lexp"]
    own, ridge = (
        pd.concat(pd.read_csv(path, sep="\t") for path in sorted(folder.glob("*/predictions.tsv")))
        for folder in (tmp_path / "results" / "probing" / name for name in ("lexp", "ridge_voxels"))
    )
    errors = []
    for predicted in (own, ridge):
        tested = predicted[predicted["role"] == "test"].groupby("scan_id")
        ages = tested[["age", "predicted_age"]].mean()
        errors.append((ages["predicted_age"] - ages["age"]).abs())
    difference = f"{(errors[0] - errors[1]).mean():.2f}".replace("-", "−")
    assert f"| ridge_voxels | {difference} [" in rows["ridge_voxels"]
    table = pd.read_csv(tmp_path / "results" / "finished" / "predictions.tsv", sep="\t")
    assert set(table["experiment"]) == {"lexp", "ridge_voxels"}
