import json

import pytest

from brainage.core.derivatives import MASK, derivative, write_description
from brainage.core.files import InputError


def test_every_derivative_has_its_place():
    path = derivative("imaging", "oasis-3_sub-01_ses-d0001_run-2", MASK)
    assert str(path) == (
        "imaging/oasis-3/sub-01/ses-d0001/anat/sub-01_ses-d0001_run-2_desc-brain_mask.nii.gz"
    )
    with pytest.raises(InputError, match="not a scan_id"):
        derivative("imaging", "../../etc/passwd", MASK)


def test_the_description_says_who_made_it(tmp_path):
    write_description(tmp_path)
    found = json.loads((tmp_path / "dataset_description.json").read_text())
    assert found["DatasetType"] == "derivative"
    assert found["GeneratedBy"][0]["Name"] == "brainage"
