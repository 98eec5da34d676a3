"""Fixtures of DICOM shared by the tests of this package."""

import pytest

from tests.dicom.dicom_files import (
    LOCALIZER,
    MPRAGE,
    REFORMATTED,
    ROE,
    T2,
    head,
    run,
    write_series,
)


@pytest.fixture(scope="session")
def clinic(tmp_path_factory):
    """Two people's folders as a hospital's archive writes them."""
    folder = tmp_path_factory.mktemp("dicom")
    place = folder / "sub-01" / "Doezeman_Jonquil" / "STU00001"
    write_series(place / "a", LOCALIZER, number=1, slices=range(3))
    write_series(place / "b", MPRAGE, number=2, name="file-of-Doezeman-{index}.IMA")
    write_series(place / "c", T2, number=3)
    write_series(place / "d", REFORMATTED, number=4)
    with_agent = MPRAGE | {"ContrastBolusAgent": "Gadovist for Doezeman"}
    write_series(place / "e", with_agent, number=5, time="103000")
    broken = write_series(place / "f", MPRAGE, number=6, time="104000")
    broken[30].write_bytes(broken[30].read_bytes()[:3000])
    write_series(place / "g", MPRAGE, number=7, time="104500", slices=[*range(40), *range(41, 64)])
    (place / "Doezeman.txt").write_text("Doezeman")
    (place / "h").write_bytes(bytes(128) + b"DICM" + b"Doezeman" * 20)
    write_series(
        folder / "02" / "x", MPRAGE, ROE, date="20240301", voxels=head(1), time="101530.250000"
    )
    write_series(folder / "02" / "y", MPRAGE, ROE, date="20210301", voxels=head(2))
    return folder


@pytest.fixture(scope="session")
def converted(clinic, tmp_path_factory):
    """The BIDS folder made of it, the command's status, and what it printed."""
    out = tmp_path_factory.mktemp("bids") / "mine"
    return (out, *run(clinic, out))
