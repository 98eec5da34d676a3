"""Small heads made of the template itself, moved and noisy: a few seconds for all tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from brainage.imaging.template import Template, load_template


@pytest.fixture(scope="session")
def settings() -> dict[str, Any]:
    return {
        "voxel_size": 4.0,
        "skull_stripping": "template",
        "registration": "affine",
        "n4": True,
        "template": None,
        "template_mask": None,
        "chunk_size": 8,
    }


@pytest.fixture(scope="session")
def template(settings: dict[str, Any]) -> Template:
    return load_template(settings)


def pose(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    """4 x 4 map that turns and shifts a head."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def write_head(
    path: Path, template: Template, seed: int = 0, moved: np.ndarray | None = None
) -> Path:
    """Write the template's head with noise, bias and gain of its own, moved in its header."""
    random = np.random.default_rng(seed)
    data = template.head / template.head.max()
    ramp = np.linspace(0.8, 1.2, data.shape[0])[:, None, None]
    noisy = np.abs(data * ramp + random.normal(0, 0.01, data.shape)) * (500 + 100 * seed)
    moved = np.eye(4) if moved is None else moved
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(noisy.astype(np.int16), moved @ template.affine).to_filename(path)
    return path
