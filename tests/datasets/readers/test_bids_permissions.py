"""What may not be read of one person sets that person's scans aside, and nobody else's."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from brainage import planning
from brainage.core.config import complete
from brainage.core.files import InputError
from brainage.datasets.scans import read_dataset
from tests.datasets.readers.test_bids import make

NOBODY = 65534
TABLE = "sub-2_sessions"
IMAGES = (
    "sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz",
    "sub-2/ses-1/anat/sub-2_ses-1_T1w.nii.gz",
    "sub-2/ses-2/anat/sub-2_ses-2_T1w.nii.gz",
    "sub-3/anat/sub-3_T1w.nii.gz",
)


@pytest.fixture
def folder():
    """A data set where another user than root can reach it; tmp_path is its owner's alone."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    data = place / "data"
    data.mkdir()
    make(data, *IMAGES)
    (data / "participants.tsv").write_text("participant_id\tage\nsub-1\t40\nsub-2\t50\nsub-3\t60\n")
    for person in ("sub-1", "sub-2"):
        table = data / person / f"{person}_sessions.tsv"
        visits = ("ses-1", "ses-2")[: int(person[-1])]
        table.write_text("session_id\tage\n" + "".join(f"{visit}\t50\n" for visit in visits))
        table.with_suffix(".json").write_text('{"age": {"Units": "years"}}')
        scans = data / person / "ses-1" / f"{person}_ses-1_scans.tsv"
        scans.write_text("filename\tacq_time\nanat\t2020-01-01\n")
    yield data
    for path in (place, *place.rglob("*")):  # a folder is opened before what is in it is listed
        path.chmod(0o755)
    shutil.rmtree(place)


@contextlib.contextmanager
def without_privileges():
    """Root may read everything; so be nobody for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def planned(folder):
    """Each scan's row, and what planning found."""
    config = complete({"datasets": {"mine": {"kind": "bids", "path": str(folder)}}})
    plan = planning.plan(config)
    rows, remarks = read_dataset("mine", config["datasets"]["mine"], "first")
    assert remarks == plan["remarks"]
    return {row["scan_id"]: row for row in rows}, plan


BOTH = ["mine_sub-2_ses-1", "mine_sub-2_ses-2"]


@pytest.mark.parametrize(
    ("locked", "mode", "aside", "what"),
    [
        ("sub-2", 0o000, ["mine_sub-2"], "folder that may not be read: sub-2"),
        # Its names can be listed, and what lies in it is out of reach.
        ("sub-2", 0o444, BOTH, "folder that may not be read: sub-2/ses-"),
        ("sub-3", 0o444, ["mine_sub-3"], "folder that may not be read: sub-3/anat"),
        ("sub-2/ses-1", 0o000, BOTH[:1], "folder that may not be read: sub-2/ses-1"),
        ("sub-3/anat", 0o000, ["mine_sub-3"], "folder that may not be read: sub-3/anat"),
        (f"sub-2/{TABLE}.tsv", 0o000, BOTH, f"table that may not be read: sub-2/{TABLE}.tsv"),
        (f"sub-2/{TABLE}.json", 0o000, BOTH, f"table that may not be read: sub-2/{TABLE}.json"),
    ],
)
def test_what_may_not_be_read_sets_aside_whose_it_is(folder, locked, mode, aside, what):
    before, _ = planned(folder)
    (folder / locked).chmod(mode)
    with without_privileges():
        rows, plan = planned(folder)
    assert sorted(name for name, row in rows.items() if row["set_aside"]) == aside
    for name in aside:
        assert rows[name]["set_aside"].startswith(what)
        assert "permission denied" in rows[name]["set_aside"]
        if "table" in what:  # the age may be that of another visit
            assert rows[name]["age"] is None
        else:
            assert plan["exclude"][name] == rows[name]["set_aside"]
    others = {name: row for name, row in rows.items() if name not in aside}
    assert others == {name: before[name] for name in others}
    assert {"mine_sub-1_ses-1"} <= set(others)
    said = [remark for remark in plan["remarks"] if "may not be read" in remark]
    assert len(said) == 1 and "sub-" in said[0]
    # Nothing else is said of them: no age that several visits share, no visit without an image.
    assert len(plan["remarks"]) == 1


def test_a_date_that_may_not_be_read_is_one_that_is_not_known(folder):
    before, _ = planned(folder)
    (folder / "sub-2/ses-1/sub-2_ses-1_scans.tsv").chmod(0)
    with without_privileges():
        assert planned(folder)[0] == before


def test_a_folder_that_may_be_read_again_is_read(folder):
    (folder / "sub-2").chmod(0)
    with without_privileges():
        denied = planned(folder)[1]["read"]
    (folder / "sub-2").chmod(0o755)
    rows, plan = planned(folder)
    assert plan["read"] != denied
    assert set(BOTH) <= set(rows)


def test_a_data_set_of_which_nothing_may_be_read_is_refused_in_one_sentence(folder):
    for person in ("sub-1", "sub-2", "sub-3"):
        (folder / person).chmod(0)
    with (
        without_privileges(),
        pytest.raises(InputError, match="none of its 3 folders of images may be read"),
    ):
        planned(folder)


@pytest.mark.parametrize("name", ["participants.tsv", "sessions.json", ".bidsignore"])
def test_a_table_of_all_that_may_not_be_read_is_named(folder, name):
    (folder / "sub-2" / f"{TABLE}.json").unlink()
    if name != "participants.tsv":
        (folder / name).write_text("{}")
    (folder / name).chmod(0)
    with without_privileges(), pytest.raises(PermissionError) as refused:
        planned(folder)
    assert refused.value.filename == str(folder / name)
