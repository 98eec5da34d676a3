"""A header that does not know, or contradicts itself, is told from one that can be believed."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from brainage.imaging.faults import ScanFault
from brainage.imaging.raw_affine import read_affine

SHAPE = (60, 60, 60)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
AFFINE[:3, 3] = -90


def turned(degrees: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    return matrix @ AFFINE


def header(
    sform: np.ndarray | None = None, qform: np.ndarray | None = None, **fields: Any
) -> nibabel.Nifti1Header:
    result = nibabel.Nifti1Header()
    result.set_data_shape(SHAPE)
    result.set_zooms((3.0, 3.0, 3.0))
    if qform is not None:
        result.set_qform(qform, code="scanner")
    if sform is not None:
        result.set_sform(sform, code="aligned")
    for name, value in fields.items():
        result[name] = value
    return result


@pytest.mark.parametrize(
    ("stored", "known"),
    [
        (header(AFFINE), True),
        (header(None, AFFINE), True),
        (header(turned(30), AFFINE), True),  # a head that nods, aligned with a template
        (header(None, None), False),
        (header(None, None, sform_code=77), False),  # a code that does not exist
        (header(AFFINE, None, pixdim=[1, 0, 0, 0, 0, 0, 0, 0]), True),  # says nothing
        (header(AFFINE, None, pixdim=[1, np.nan, 3, 3, 0, 0, 0, 0]), True),
        (header(AFFINE, None, pixdim=[1, -3, 3, 3, 0, 0, 0, 0]), True),
    ],
)
def test_whether_the_orientation_is_known(stored: nibabel.Nifti1Header, known: bool) -> None:
    affine, found = read_affine(stored, SHAPE)
    assert found is known
    assert np.allclose(affine, stored.get_best_affine() if known else affine)


def test_metres_and_microns_are_read_as_such() -> None:
    for code, factor in ((1, 1000.0), (3, 0.001)):
        stored = header(AFFINE / factor, None, xyzt_units=code + 8)  # and seconds
        stored["pixdim"][1:4] = 3.0 / factor
        affine, _ = read_affine(stored, SHAPE)
        assert np.allclose(affine[:3], AFFINE[:3], rtol=1e-5)


MIRRORED = np.diag([-1.0, 1.0, 1.0, 1.0]) @ AFFINE
FAR = AFFINE.copy()
FAR[0, 3] = 1e9
NOWHERE = AFFINE.copy()
NOWHERE[0, 3] = np.nan


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (header(AFFINE, MIRRORED), "left and right"),
        (header(turned(60), AFFINE), "60 degrees apart"),
        (header(turned(180), AFFINE), "180 degrees apart"),
        (header(AFFINE * [[1.2], [1], [1], [1]], AFFINE), "disagree on voxel sizes"),
        (
            header(AFFINE, None, pixdim=[1, 1, 1, 1, 0, 0, 0, 0]),
            "1 x 1 x 1 mm by pixdim and 3 x 3 x 3 mm by the sform",
        ),
        (header(AFFINE, None, xyzt_units=1), r"3e\+03 mm \(its unit is metre\), which is impo"),
        (header(AFFINE, None, xyzt_units=3), r"0.003 mm \(its unit is micron\), which is impo"),
        (header(FAR), r"1e\+06 m from the origin"),
        (header(NOWHERE), "not numbers"),
        (header(None, AFFINE, quatern_b=3.0), "quaternion"),
        (header(None, AFFINE, quatern_b=np.nan), "not numbers|quaternion"),
        (header(None, None, pixdim=[1, np.inf, 3, 3, 0, 0, 0, 0]), "not numbers"),
        (header(AFFINE * 1e30), "impossible|pixdim"),
    ],
)
def test_headers_that_cannot_be_true(stored: nibabel.Nifti1Header, reason: str) -> None:
    with pytest.raises(ScanFault, match=reason):
        read_affine(stored, SHAPE)
