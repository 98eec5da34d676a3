import logging

import pytest

from brainage.dicom import series as dicom_series
from brainage.dicom.rules import reason_aside
from brainage.dicom.series import read_series
from tests.dicom.dicom_files import MPRAGE, SLICES, geometry, write_series


def test_slices_of_a_tilted_gantry_are_set_aside(tmp_path):
    matrix = geometry()
    matrix[:3, 2] += 0.2 * matrix[:3, 1]
    write_series(tmp_path, MPRAGE, matrix=matrix)
    (series,), _ = read_series(tmp_path.iterdir())
    assert reason_aside(series) == "its slices are not stacked along their normal"


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        {"ImagePositionPatient": ["1", "2"]},
        {"ImageOrientationPatient": ["1", "0", "0", "0", "1"]},
        {"ImageOrientationPatient": ["1", "0", "0"]},
    ],
)
@pytest.mark.parametrize("which", [slice(None), slice(3, 4)], ids=["all", "one"])
def test_a_wrong_number_of_values_sets_the_series_aside(tmp_path, wrong, which):
    import pydicom

    for path in write_series(tmp_path, MPRAGE)[which]:
        data = pydicom.dcmread(path)
        for keyword, value in wrong.items():
            setattr(data, keyword, value)
        data.save_as(path)
    (series,), _ = read_series(tmp_path.iterdir())
    assert reason_aside(series) == "its header does not give the positions of its slices"


def test_pydicom_is_quiet_until_a_series_is_made_of_its_headers(tmp_path, monkeypatch):
    levels = []
    real = dicom_series._join

    def join(headers):
        levels.append(logging.getLogger("pydicom").level)
        return real(headers)

    monkeypatch.setattr(dicom_series, "_join", join)
    read_series(write_series(tmp_path, MPRAGE, slices=range(2)))
    assert levels == [logging.CRITICAL + 1]


@pytest.mark.slow
def test_copies_of_a_file_count_once(tmp_path):
    write_series(tmp_path / "a", MPRAGE)
    write_series(tmp_path / "b", MPRAGE)
    series, unread = read_series(tmp_path.rglob("*[0-9]"))
    assert [one.images for one in series] == [SLICES]
    assert unread == {}


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        ("t1 mprage post gd", True),
        ("t1 mprage + c", True),
        ("t1_mprage_KM", True),
        ("t1 without contrast", False),
        ("t1 pre gad", False),
        ("t1 mprage post", True),
        ("post mprage", True),
        ("t1 mprage post con", True),
        ("t1_mprage_postcon", True),
        ("t1 mprage c+", True),
        ("t1_mprage_+c", True),
        ("t1 mprage dotarem", True),
        ("t1 mprage Clariscan 1", True),
        ("t1 magnevist", True),
        ("t1 prohance", True),
        ("t1 omniscan", True),
        ("t1 multihance", True),
        ("t1 gadovist", True),
        ("t1 no dotarem", False),
        ("t1 mprage postop", False),
        ("t1 mprage post-op", False),
        ("t1 mprage c3", False),
    ],
)
def test_a_contrast_agent_by_name(tmp_path, text, agent):
    write_series(tmp_path, MPRAGE | {"SeriesDescription": text}, slices=range(2))
    assert read_series(tmp_path.iterdir())[0][0].agent is agent


@pytest.mark.parametrize(
    ("named", "agent"),
    [
        ("No contrast", False),
        ("NO CONTRAST GIVEN", False),
        ("none", False),
        ("no", False),
        ("N/A", False),
        ("0.0 ml", False),
        ("", False),
        ("Gadovist 0.1 mmol", True),
        ("N-methylglucamine", True),
        ("7 ml", True),
    ],
)
def test_a_contrast_agent_by_header(tmp_path, named, agent):
    write_series(tmp_path, MPRAGE | {"ContrastBolusAgent": named}, slices=range(2))
    assert read_series(tmp_path.iterdir())[0][0].agent is agent
