"""Odd names and places of images in a BIDS folder."""

import pytest

from brainage import planning
from brainage.core.config import complete
from brainage.core.files import InputError
from tests.datasets.readers.test_bids import make, read_folder


def cohort(folder, *images):
    """Images in a folder, beside one person who is beyond doubt."""
    make(folder, "sub-0/anat/sub-0_T1w.nii.gz", *images)
    people = sorted({image.partition("/")[0] for image in images} | {"sub-0"})
    rows = "".join(f"{person}\t{40 + number}\n" for number, person in enumerate(people))
    (folder / "participants.tsv").write_text("participant_id\tage\n" + rows)
    return folder


@pytest.mark.parametrize(
    ("image", "scan", "reason"),
    [
        ("sub-2/anat/sub-1_T1w.nii.gz", "sub-2", "disagree on person or session"),
        ("sub-2/ses-a/anat/sub-2_T1w.nii.gz", "sub-2_ses-a", "disagree on person or session"),
        ("sub-2/ses-a/anat/sub-2_ses-b_T1w.nii", "sub-2_ses-a", "disagree on person or session"),
        ("sub-2/anat/sub-2_ses-b_T1w.nii.gz", "sub-2", "disagree on person or session"),
        ("sub-2/anat/sub-2_ce-gad_T1w.nii.gz", "sub-2", "contrast-enhanced image: ce-gad"),
        ("sub-2/anat/sub-2_part-phase_T1w.nii.gz", "sub-2", "part-phase"),
        ("sub-2/anat/sub-2_mprage_T1w.nii.gz", "sub-2", "not one of BIDS"),
        ("sub-2/anat/sub-2_run-a_T1w.nii.gz", "sub-2", "run- takes a number"),
    ],
)
def test_an_image_that_is_no_plain_t1w_of_its_place_is_set_aside(tmp_path, image, scan, reason):
    scans, remarks = read_folder(cohort(tmp_path, image))
    assert reason in scans[f"mine_{scan}"]["set_aside"]
    assert "1 image is set aside" in remarks
    assert image in remarks
    assert scans["mine_sub-0"]["set_aside"] is None
    # Nor is it ever read; planning and the reader agree.
    plan = planning.plan(complete({"datasets": {"mine": {"kind": "bids", "path": str(tmp_path)}}}))
    assert plan["exclude"] == {f"mine_{scan}": scans[f"mine_{scan}"]["set_aside"]}


def test_what_lies_beside_the_plain_image_is_counted_and_not_used(tmp_path):
    cohort(
        tmp_path,
        "sub-2/anat/sub-2_T1w.nii.gz",
        "sub-2/anat/sub-2_ce-gad_T1w.nii.gz",
        "sub-2/anat/sub-2_part-phase_T1w.nii.gz",
        "sub-2/anat/sub-3_T1w.nii.gz",
        "sub-2/anat/._sub-2_T1w.nii.gz",
    )
    scans, remarks = read_folder(tmp_path)
    assert scans["mine_sub-2"]["t1w"] == "sub-2/anat/sub-2_T1w.nii.gz"
    assert scans["mine_sub-2"]["set_aside"] is None
    assert remarks.count("1 image is set aside") == 3


@pytest.mark.parametrize(
    ("names", "advice"),
    [
        (("acq-fast_T1w.nii.gz", "acq-slow_T1w.nii.gz"), "{acquisition: fast}"),
        (("T1w.nii.gz", "rec-norm_T1w.nii.gz"), "{reconstruction: norm}"),
        (("echo-1_T1w.nii.gz", "echo-2_T1w.nii.gz"), "{echo: 1}"),
        (("T1w.nii", "T1w.nii.gz"), "{extension: .nii}"),
        (("run-1_T1w.nii.gz", "run-01_T1w.nii.gz"), "keep one"),
        (("run-1_T1w.nii.gz", "acq-x_run-2_T1w.nii.gz"), "{acquisition: x}"),
    ],
)
def test_one_persons_doubt_sets_that_person_alone_aside(tmp_path, names, advice):
    cohort(tmp_path, *(f"sub-2/anat/sub-2_{name}" for name in names))
    scans, _ = read_folder(tmp_path)
    assert scans.pop("mine_sub-0")["set_aside"] is None
    for row in scans.values():
        assert row["set_aside"].startswith("several T1w images of one session: ")
        assert all(f"sub-2_{name}" in row["set_aside"] for name in names)
        assert advice in row["set_aside"]


@pytest.mark.parametrize(
    ("entities", "chosen"),
    [
        ({"acquisition": "slow"}, "acq-slow_echo-01_T1w.nii.gz"),
        ({"acquisition": ["slow", "other"], "echo": 1}, "acq-slow_echo-01_T1w.nii.gz"),
        ({"acquisition": None}, "T1w.nii.gz"),
        ({"acquisition": "fast", "ceagent": "gad"}, "acq-fast_ce-gad_T1w.nii.gz"),
    ],
)
def test_the_config_says_which_images_are_meant(tmp_path, entities, chosen):
    make(
        tmp_path,
        "sub-2/anat/sub-2_T1w.nii.gz",
        "sub-2/anat/sub-2_acq-slow_echo-01_T1w.nii.gz",
        "sub-2/anat/sub-2_acq-fast_ce-gad_T1w.nii.gz",
    )
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-2\t50\n")
    scans, remarks = read_folder(tmp_path, entities=entities)
    assert scans["mine_sub-2"]["t1w"] == f"sub-2/anat/sub-2_{chosen}"
    assert scans["mine_sub-2"]["set_aside"] is None
    assert "not among datasets.mine.entities" in remarks


def test_who_has_no_wanted_image_is_set_aside_and_a_value_nobody_has_is_refused(tmp_path):
    cohort(tmp_path, "sub-2/anat/sub-2_acq-mprage_T1w.nii.gz")
    scans, _ = read_folder(tmp_path, entities={"acquisition": "mprage"})
    assert scans["mine_sub-2"]["set_aside"] is None
    assert scans["mine_sub-0"]["set_aside"] == "not among datasets.mine.entities: no acq-"
    with pytest.raises(
        InputError, match=r"entities: no image has acquisition: mprge; .*acq-mprage"
    ):
        read_folder(tmp_path, entities={"acquisition": "mprge"})
    with pytest.raises(InputError, match=r"entities\.acquisiton: there is no such key"):
        read_folder(tmp_path, entities={"acquisiton": "mprage"})


def test_runs_are_in_order_of_their_numbers(tmp_path):
    names = [f"sub-2/anat/sub-2_run-{number}_T1w.nii.gz" for number in (2, 10)]
    cohort(tmp_path, *names)

    def used(run):
        scans, _ = read_folder(tmp_path, run)
        return [name for name, row in scans.items() if row["set_aside"] is None][1:]

    assert used("first") == ["mine_sub-2_run-2"]
    assert used("last") == ["mine_sub-2_run-10"]
    # One that cannot be used does not stand for its session.
    (tmp_path / names[1]).rename(tmp_path / names[1].replace("_run", "_ce-gad_run"))
    assert used("last") == ["mine_sub-2_run-2"]


@pytest.mark.parametrize(
    ("patterns", "ignored"),
    [
        *(("sub-2", True), ("sub-2/", True), ("/sub-2", True), ("sub-2/**", True)),
        *(("*_T1w.nii.gz\n!sub-0_*", True), ("**/sub-2_T1w.nii.gz", True)),
        *(("sub-[23]/*/sub-?_T1w.nii.gz", True), ("sub-[!2]/anat\n!sub-0/anat", False)),
        *(("sub-2/*.nii.gz", False), ("# sub-2", False), ("anat/sub-2*", False)),
        *(("sub-2_T1w.nii.gz/", False), ("sub-2\n!sub-2", False)),
    ],
)
def test_bidsignore_is_heeded(tmp_path, patterns, ignored):
    cohort(tmp_path, "sub-2/anat/sub-2_T1w.nii.gz")
    (tmp_path / ".bidsignore").write_text(patterns + "\n")
    scans, remarks = read_folder(tmp_path)
    assert ("mine_sub-2" not in scans) == ignored
    assert ("1 image is set aside (listed in .bidsignore)" in remarks) == ignored
