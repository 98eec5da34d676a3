"""A chunk from end to end: same bytes whatever the order, faults apart, nothing left behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.imaging import MEASURES
from brainage.core.derivatives import BRAIN, DERIVATIVES, MASK, QUALITY, derivative
from brainage.core.tables import read_table
from brainage.imaging import children, chunk, geometry, registration
from brainage.imaging.measure import Measure
from brainage.imaging.registered import AlignedHead
from brainage.imaging.template import Template
from tests.imaging.conftest import CODE, Scans, content, run

pytestmark = [pytest.mark.usefixtures("loaded_once"), pytest.mark.slow]


def test_each_scan_has_its_files_and_the_table_its_rows(
    done: Path, scans: Scans, template: Template
) -> None:
    table = read_table(done / "chunks/0.tsv", MEASURES).set_index("scan_id")
    assert table["fault"].notna().tolist() == [False, False, True]
    assert "cut short" in table["fault"].iloc[2]
    for scan_id, _ in scans[:2]:
        paths = [derivative(done, scan_id, ending) for ending in DERIVATIVES]
        assert all(path.is_file() for path in paths)
        assert len({path.stat().st_mode for path in paths}) == 1  # whichever library wrote it
        assert table.loc[scan_id, "template_correlation"] > 0.9
        brain = nibabel.load(derivative(done, scan_id, BRAIN))
        values = brain.get_fdata()
        assert values.shape == template.mask[template.box].shape
        assert np.allclose(brain.affine, template.box_affine)
        assert values.min() >= 0 and 0.8 < values.max() < 1.000001
    assert not derivative(done, scans[2][0], BRAIN).exists()


def test_the_pose_is_taken_out(done: Path, scans: Scans) -> None:
    first, second = (nibabel.load(derivative(done, s, BRAIN)).get_fdata() for s, _ in scans[:2])
    inside = (first > 0) & (second > 0)
    assert np.corrcoef(first[inside], second[inside])[0, 1] > 0.97


def test_the_mask_lies_on_the_scan_where_the_brain_is(
    done: Path, scans: Scans, template: Template
) -> None:
    raw, mask = nibabel.load(scans[1][1]), nibabel.load(derivative(done, scans[1][0], MASK))
    assert mask.shape == raw.shape and np.allclose(mask.affine, raw.affine, atol=1e-3)
    # The head was moved in its header only: its mask is the template's, voxel by voxel.
    own = np.asarray(mask.dataobj) > 0
    assert 2 * (own & template.mask).sum() / (own.sum() + template.mask.sum()) > 0.95


def test_other_order_and_more_processes_give_the_same_bytes(
    done: Path, scans: Scans, settings: dict[str, Any], tmp_path: Path
) -> None:
    run(tmp_path, scans[::-1], settings, processes=3)
    assert content(tmp_path) == content(done)


def test_finished_scans_are_not_processed_again(
    done: Path, scans: Scans, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(done)

    def never(*_: object) -> None:
        raise AssertionError("nothing was left to do")

    monkeypatch.setattr(children, "run_all", never)
    run(done, scans, settings | {"chunk_size": 99})
    assert content(done) == before
    with pytest.raises(AssertionError):
        run(done, scans, settings | {"n4": False})


def test_a_new_measure_registers_no_head_again(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {name: "code" for name in CODE.measures if name not in ("cjv", "template_overlap")}
    run(tmp_path, scans, settings, code=chunk.Code("code", before | {"efc": "older"}))
    assert content(tmp_path) != content(done)

    def never(*_: object) -> None:
        raise AssertionError("nothing was left to register")

    monkeypatch.setattr(registration, "register_scan", never)
    capsys.readouterr()
    run(tmp_path, scans, settings)
    # As if all had been done at once, every byte of it.
    assert content(tmp_path) == content(done)
    # The third scan is a fault, which has no measures.
    assert "imaging: registered 0, measured 2, found 1 of 3 scans" in capsys.readouterr().err


def test_a_measure_less_leaves_the_others_as_they_are(
    done: Path, scans: Scans, settings: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(done, tmp_path / "copy")
    fewer = {name: "code" for name in CODE.measures if name != "cjv"}
    run(tmp_path / "copy", scans[:1], settings, code=chunk.Code("code", fewer))
    found, before = (
        json.loads(derivative(folder, scans[0][0], QUALITY).read_text())["measures"]
        for folder in (tmp_path / "copy", done)
    )
    assert found == {name: before[name] for name in before if name != "cjv"}


@pytest.mark.parametrize("spoilt", ["mask", "image", "not a number"])
def test_an_empty_brain_is_a_fault(
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoilt: str,
) -> None:
    if spoilt == "mask":
        real = registration.stripped
        monkeypatch.setattr(registration, "stripped", lambda aligned: (real(aligned)[0], nothing))
        nothing = np.zeros((2, 2, 2), np.float32)
    else:
        value = np.nan if spoilt == "not a number" else 0.001
        monkeypatch.setattr(AlignedHead, "scaled", lambda self, image: np.full_like(image, value))
    run(tmp_path, scans[:1], settings)
    fault = read_table(tmp_path / "chunks/0.tsv", MEASURES)["fault"].iloc[0]
    assert fault.startswith("no brain was found")
    assert not derivative(tmp_path, scans[0][0], BRAIN).exists()


def test_larger_than_the_limit_until_the_limit_is_raised(
    done: Path, scans: Scans, settings: dict[str, Any], tmp_path: Path
) -> None:
    run(tmp_path, scans[:1], settings | {"max_voxels": 5000})
    fault = read_table(tmp_path / "chunks/0.tsv", MEASURES)["fault"].iloc[0]
    assert "voxels, more than the 5000 of imaging: max_voxels" in fault
    run(tmp_path, scans, settings)
    assert content(tmp_path) == content(done)


def test_a_measure_that_breaks_sets_the_scan_aside_until_it_is_mended(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)

    def broken(*_: object) -> float:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(Measure, "taken", broken)
    newer = chunk.Code("code", {**CODE.measures, "cjv": "newer"})
    for _ in range(2):  # the second time it is found
        run(tmp_path, scans[:1], settings, code=newer)
        table = read_table(tmp_path / "chunks/0.tsv", MEASURES)
        assert table["fault"].tolist() == ["unexpected: ZeroDivisionError: float division by zero"]
    monkeypatch.undo()
    # Registration is not lost by it.
    monkeypatch.setattr(registration, "register_scan", broken)
    run(tmp_path, scans, settings)
    assert content(tmp_path) == content(done)


def test_excluded_scans_are_never_read(
    done: Path, scans: Scans, settings: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    nowhere = [(scan_id, Path("/dev/null/nowhere")) for scan_id, _ in scans[:2]]
    why = {scans[0][0]: "no consent", scans[1][0]: "a phase image"}
    table = tmp_path / "chunks/0.tsv"
    chunk.preprocess_scans([*nowhere, scans[2]], tmp_path, table, settings, CODE, exclude=why)
    faults = read_table(table, MEASURES)["fault"].tolist()
    assert faults[:2] == ["no consent", "a phase image"]
    assert "cut short" in faults[2]
    # Taken back, nothing is done anew.
    run(tmp_path, scans, settings)
    assert content(tmp_path) == content(done)


def test_a_run_killed_before_is_cleaned_up(
    done: Path, scans: Scans, settings: dict[str, Any]
) -> None:
    left = children.scratch_of(done, scans[0][0])
    left.mkdir()
    (left / "half-written").write_text("...")
    run(done, scans, settings)
    assert not left.exists()


def test_the_quality_file_says_what_it_was_made_from(done: Path, scans: Scans) -> None:
    found = json.loads(derivative(done, scans[0][0], QUALITY).read_text())
    assert found["fault"] is None and found["code_hash"] == "code"
    assert len(found["raw_sha256"]) == len(found["voxels_sha256"]) == 64
    assert found["measures"]["brain_volume_ml"] > 1000
    assert set(found["measures"]) == set(found["measures_code"])
    assert set(found["versions"]) == {"antspyx", "nibabel", "numpy", "pillow", "scipy"}
    assert found["versions"]["numpy"] == np.__version__


def test_real_heads_agree_with_the_reference_masks(
    shared_data: Path, settings: dict[str, Any], tmp_path: Path
) -> None:
    people = ["sub-IXI012", "sub-IXI204", "sub-IXI443"]  # the last two nod: one start fails
    heads = [(f"ixi_{p}", shared_data / "ixi" / p / "anat" / f"{p}_T1w.nii.gz") for p in people]
    run(tmp_path, heads, settings, processes=2)
    for person, (scan_id, _) in zip(people, heads, strict=True):
        own = np.asarray(nibabel.load(derivative(tmp_path, scan_id, MASK)).dataobj) > 0
        name = f"derivatives/dlmuse/{person}/anat/{person}_desc-brain_mask.nii.gz"
        reference = np.asarray(nibabel.load(shared_data / "ixi" / name).dataobj) > 0
        assert 2 * (own & reference).sum() / (own.sum() + reference.sum()) > 0.9
    table = pd.read_csv(tmp_path / "chunks/0.tsv", sep="\t")
    assert table["template_correlation"].min() > 0.5


def test_ants_is_refused_without_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    geometry.import_ants()
    monkeypatch.setenv("ANTS_RANDOM_SEED", "7")
    with pytest.raises(RuntimeError, match="ANTS_RANDOM_SEED"):
        geometry.import_ants()
