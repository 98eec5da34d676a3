"""A chunk from end to end: same bytes whatever the order, faults apart, nothing left behind."""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest

from brainage.core.contracts.imaging import MEASURES
from brainage.core.derivatives import BRAIN, DERIVATIVES, MASK, QUALITY, derivative
from brainage.core.files import MachineFault
from brainage.core.tables import read_table
from brainage.imaging import children, chunk, geometry, one_scan, registration
from brainage.imaging.measure import Measure
from brainage.imaging.reading import Head
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


def test_a_killed_child_is_the_machines_fault_and_leaves_the_others(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = one_scan.attempt

    def killed(job: one_scan.Job, recipe: one_scan.Recipe, scratch: Path) -> Any:
        if job.path.name == "b.nii.gz":
            (scratch / "half-written").write_text("...")
            os.kill(os.getpid(), signal.SIGKILL)
        return real(job, recipe, scratch)

    monkeypatch.setattr(one_scan, "attempt", killed)
    with pytest.raises(children.ScanJobError, match="demo_sub-B_ses-1.*SIGKILL"):
        run(tmp_path, scans, settings)
    assert derivative(tmp_path, scans[0][0], QUALITY).is_file()
    assert not derivative(tmp_path, scans[1][0], QUALITY).exists()
    assert not (tmp_path / "chunks/0.tsv").exists()
    assert not list(tmp_path.rglob(".*"))
    monkeypatch.undo()
    run(tmp_path, scans, settings)
    assert content(tmp_path) == content(done)


def endless(_scratch: Path) -> None:
    while True:
        pass


def crash(_scratch: Path) -> None:
    faulthandler.disable()  # pytest's, which would print where
    os.kill(os.getpid(), signal.SIGSEGV)


def crash_once(scratch: Path) -> None:
    mark = scratch.parents[3] / "crashed"
    if not mark.exists():
        mark.touch()
        faulthandler.disable()
        os.kill(os.getpid(), signal.SIGABRT)


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        (endless, "it takes more than 2 CPU seconds, the limit of imaging: max_cpu_seconds"),
        (crash, "unexpected: native code crashed (SIGSEGV)"),
        (crash_once, None),
    ],
)
def test_what_a_scan_does_to_its_job_reaches_no_other(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: Any,
    fault: str | None,
) -> None:
    real = one_scan.attempt

    def spoilt(job: one_scan.Job, recipe: one_scan.Recipe, scratch: Path) -> Any:
        if job.path.name == "a.nii.gz":
            (scratch / "half-written").write_text("...")
            what(scratch)
        return real(job, recipe, scratch)

    monkeypatch.setattr(one_scan, "attempt", spoilt)
    # An earlier result of it must not stay beside the verdict.
    shutil.copytree(done, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "chunks")
    derivative(tmp_path, scans[0][0], QUALITY).unlink()
    derivative(tmp_path, scans[1][0], QUALITY).unlink()
    limited = settings | {"max_cpu_seconds": 2 if what is endless else 900}
    run(tmp_path, scans, limited)
    table = read_table(tmp_path / "chunks/0.tsv", MEASURES).set_index("scan_id")
    assert table["fault"].fillna("none").iloc[0] == (fault or "none")
    for mark in tmp_path.rglob("crashed"):
        mark.unlink()
    assert derivative(tmp_path, scans[0][0], BRAIN).exists() == (fault is None)
    others = [derivative(Path(), scan_id, QUALITY) for scan_id, _ in scans[1:]]
    assert all((tmp_path / path).read_bytes() == (done / path).read_bytes() for path in others)
    monkeypatch.undo()
    # Another limit tries again; a crash is believed until the code is another.
    run(tmp_path, scans, settings)
    assert (content(tmp_path) == content(done)) == (what is not crash)


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


@pytest.mark.parametrize("error", [MemoryError("no memory"), OSError(28, "No space left")])
def test_no_memory_and_no_space_are_never_a_verdict(
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(registration, "register_head", fails)
    with pytest.raises(children.ScanJobError, match=r"demo_sub-A_ses-1.*No|no memory"):
        run(tmp_path, scans[:1], settings)
    assert content(tmp_path) == {}


@pytest.fixture
def away(scans: Scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scans]:
    """A folder of the scans that goes away when a function is called, and comes back or not."""
    folder, gone = tmp_path / "drive", tmp_path / "gone"
    shutil.copytree(scans[0][1].parent, folder)

    def going(module: Any, name: str, path: Path, back: bool) -> Scans:
        real = getattr(module, name)
        went = []

        def function(wanted: Path, *more: Any) -> Any:
            if wanted.name == path.name and not went:
                went.append(folder.rename(gone))
            return real(wanted, *more)

        def sleep(_seconds: float) -> None:
            if back:
                gone.rename(folder)

        monkeypatch.setattr(module, name, function)
        monkeypatch.setattr(time, "sleep", sleep)
        return [(scan_id, folder / path.name) for scan_id, path in scans]

    return going


WHERE = pytest.mark.parametrize(
    # From which scan on, as one that is cut short need not be registered.
    ("module", "name", "first"),
    [(chunk, "raw_hash", 2), (one_scan, "read", 1)],
    ids=["hashed", "read"],
)


@WHERE
def test_a_folder_that_is_away_for_seconds_is_waited_for(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    away: Callable[..., Scans],
    module: Any,
    name: str,
    first: int,
) -> None:
    """Before, every scan of that time had the verdict that there is no such file, and kept it."""
    moved = away(module, name, scans[first][1], True)
    run(tmp_path / "results", moved[first:], settings)
    made, whole = content(tmp_path / "results"), content(done)
    assert len([path for path in made if path.endswith(QUALITY)]) == 3 - first
    assert {path: whole[path] for path in made if "chunks" not in path}.items() <= made.items()


@WHERE
def test_a_folder_that_stays_away_is_named_and_never_a_verdict(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    away: Callable[..., Scans],
    module: Any,
    name: str,
    first: int,
) -> None:
    moved = away(module, name, scans[first][1], False)
    file = f"drive/{scans[first][1].name}"
    with pytest.raises(MachineFault, match=f"{file}: cannot be read any more"):
        run(tmp_path / "results", moved[first:], settings)
    assert content(tmp_path / "results") == {}
    monkeypatch.undo()
    (tmp_path / "gone").rename(tmp_path / "drive")
    run(tmp_path / "results", moved[2:], settings)
    quality = derivative(Path(), scans[2][0], QUALITY)
    assert (tmp_path / "results" / quality).read_bytes() == (done / quality).read_bytes()


def test_a_file_that_changes_while_it_is_read_is_no_damaged_scan(
    scans: Scans, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(scans[0][1].read_bytes())
    real = one_scan.read

    def cut(wanted: Path, *more: Any) -> Head:
        wanted.write_bytes(wanted.read_bytes()[:1000])
        return real(wanted, *more)

    monkeypatch.setattr(one_scan, "read", cut)
    with pytest.raises(MachineFault, match=r"a\.nii\.gz: changed while it was read"):
        run(tmp_path / "results", [(scans[0][0], path)], settings)
    assert content(tmp_path / "results") == {}


def test_a_full_disk_behind_other_words_is_never_a_verdict(
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_disk: Path,
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("ITK: could not write the transform")

    monkeypatch.setattr(registration, "register_head", fails)
    with pytest.raises(children.ScanJobError, match="sub-A_ses-1.*No space left.*free some disk"):
        run(small_disk, scans[:1], settings)
    assert content(small_disk) == {}


def test_a_disk_without_room_for_the_message_is_told_by_its_number(
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file of the message can still be made, and stays empty."""

    def fails(_job: Any, _recipe: Any, scratch: Path) -> None:
        (scratch / "error.txt").touch()
        monkeypatch.setattr(Path, "write_text", full)
        try:
            full()
        except OSError:
            raise RuntimeError("the transform could not be written")  # noqa: B904 - as ITK does

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(one_scan, "process", fails)
    with pytest.raises(children.ScanJobError, match="No space left.*free some disk"):
        run(tmp_path, scans[:1], settings)


def test_what_nobody_foresaw_sets_one_scan_aside(
    done: Path,
    scans: Scans,
    settings: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    real = registration.register_head

    def fails(head: Head, *rest: Any) -> Any:
        if head.voxel_hash == spoilt:
            raise IndexError("index 3 of sub-A is out of bounds in /some/where")
        return real(head, *rest)

    spoilt = json.loads(derivative(done, scans[0][0], QUALITY).read_text())["voxels_sha256"]
    monkeypatch.setattr(registration, "register_head", fails)
    run(tmp_path, scans, settings)
    table = read_table(tmp_path / "chunks/0.tsv", MEASURES).set_index("scan_id")
    words = "unexpected: IndexError: index 3 of … is out of bounds in …"
    assert table["fault"].iloc[0] == words
    assert table["voxels_sha256"].iloc[0] == spoilt
    assert not derivative(tmp_path, scans[0][0], BRAIN).exists()
    # The others as ever; the traceback in the log, and a line that cannot be overlooked.
    path = derivative(Path(), scans[1][0], BRAIN)
    assert (tmp_path / path).read_bytes() == (done / path).read_bytes()
    log = capfd.readouterr().err
    assert "in register_scan" in log and "WARNING" in log and "1 of 3 scans are set aside" in log
    # Other code tries again.
    monkeypatch.undo()
    run(tmp_path, scans[:1], settings, code=chunk.Code("mended", CODE.measures))
    assert read_table(tmp_path / "chunks/0.tsv", MEASURES)["fault"].isna().all()


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
