import pytest

from brainage.derivatives import MASK, derivative
from brainage.files import InputError


def test_every_derivative_has_its_place():
    path = derivative("imaging", "oasis-3_sub-01_ses-d0001_run-2", MASK)
    assert str(path) == (
        "imaging/oasis-3/sub-01/ses-d0001/anat/sub-01_ses-d0001_run-2_desc-brain_mask.nii.gz"
    )
    with pytest.raises(InputError, match="not a scan_id"):
        derivative("imaging", "../../etc/passwd", MASK)
