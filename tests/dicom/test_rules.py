import dataclasses

import pytest

from brainage.dicom.rules import pick_t1w, reason_aside
from brainage.dicom.series import read_series
from tests.dicom.dicom_files import MPRAGE, write_series


@pytest.mark.slow
def test_of_two_reconstructions_the_normalised_one_is_kept(tmp_path):
    plain = MPRAGE | {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]}
    write_series(tmp_path / "a", plain, number=2)
    write_series(tmp_path / "b", MPRAGE, number=3)
    write_series(tmp_path / "c", MPRAGE, number=4, time="113000")
    picked, aside = pick_t1w(read_series(tmp_path.rglob("*[0-9]"))[0])
    assert [series.number for series in picked] == [3, 4]
    assert [(series.number, reason) for series, reason in aside] == [
        (2, "another reconstruction of an acquisition that is kept")
    ]


@pytest.fixture(scope="module")
def mprage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mprage")
    write_series(folder, MPRAGE)
    return read_series(folder.iterdir())[0][0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"text": "t1w mpr1"}, None),  # as an MPRAGE of the Human Connectome Project is called
        ({"text": "anat", "inversion": None, "sequence": frozenset({"GR", "IR"})}, None),
        ({"text": "", "sequence": frozenset({"GR"}), "inversion": 450.0, "repetition": 7.2}, None),
        (
            {"text": "ax 3d", "sequence": frozenset({"GR"}), "inversion": None,
             "repetition": 22.0, "flip": 28.0},
            None,
        ),
        (
            {"text": "ax 3d", "sequence": frozenset({"GR"}), "inversion": None,
             "repetition": 20.0, "flip": 4.0},
            "no indication of T1 weighting in its header",
        ),
        (
            {"text": "", "sequence": frozenset({"GR"}), "inversion": None, "repetition": 3.1},
            "no indication of T1 weighting in its header",
        ),
        ({"modality": "CT"}, "not an MR image"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "P", "ND")}, "phase or another part"),
        ({"text": "t1 mprage aahscout"}, "localizer"),
        ({"text": "aahscout"}, "localizer"),
        ({"text": "sag t1 flair"}, "FLAIR"),
        ({"text": "3d tof t1"}, "angiography"),
        ({"text": "t1 mp2rage"}, "MP2RAGE"),
        ({"text": "t1 mprage cspine"}, "another part of the body"),
        ({"text": "swi3d"}, None),  # not a word of its own; the inversion tells
        ({"acquisition_type": "2D"}, "acquired in 2D"),
        ({"sequence": frozenset({"SE", "IR"})}, "spin echo"),
        ({"sequence": frozenset({"EP"})}, "echo planar"),
        ({"echoes": (1.7, 3.6)}, "2 echoes in one series"),
        ({"echoes": (80.0,)}, "echo time of more than 15 ms"),
        ({"repetition": 9000.0}, "repetition time of more than 4000 ms"),
        ({"images": 40}, "fewer than 60 slices"),
        ({"voxel": (1.0, 1.0, 4.0)}, "voxels larger than 3 mm"),
        ({"extent": (240.0, 240.0, 60.0)}, "covers less than 120 mm of the head"),
    ],
)  # fmt: skip
def test_rules_on_the_header(mprage, changes, reason):
    found = reason_aside(dataclasses.replace(mprage, **changes))
    assert found is None if reason is None else reason in found
