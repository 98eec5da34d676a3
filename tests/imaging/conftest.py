"""Small heads made of the template itself, moved and noisy: a few seconds for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from brainage.imaging import chunk
from brainage.imaging.chunk import Code, preprocess_scans
from brainage.imaging.measure import all_measures
from brainage.imaging.reading import Head
from brainage.imaging.registered import AlignedHead, RegisteredScan
from brainage.imaging.template import Template, load_template

Scans = list[tuple[str, Path]]
CODE = Code(registration="code", measures=dict.fromkeys(all_measures(), "code"))


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
        "max_voxels": 2**28,
        "max_unpacked_gib": 4,
        "max_cpu_seconds": 900,
    }


@pytest.fixture(scope="session")
def template(settings: dict[str, Any]) -> Template:
    return load_template(settings)


@pytest.fixture(scope="module")
def loaded_once(template: Template, settings: dict[str, Any]) -> Iterator[None]:
    """Give a chunk the template of all tests, where it asks for that one: loading takes seconds."""

    def load(asked: dict[str, Any]) -> Template:
        names = ("voxel_size", "template", "template_mask")
        if all(asked[name] == settings[name] for name in names):
            return template
        return load_template(asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "load_template", load)
        yield


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


def head_of(data: np.ndarray, affine: np.ndarray) -> Head:
    """A head as if it had been read."""
    return Head(data, affine, data.shape, affine, np.array([[0, 1], [1, 1], [2, 1]]), None, "")


def registered(
    template: Template,
    template_to_head: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    head: Head | None = None,
) -> RegisteredScan:
    """The template itself, or another head, as if it had been registered."""
    head = head_of(template.head, template.affine) if head is None else head
    moved = np.eye(4) if template_to_head is None else template_to_head
    aligned = AlignedHead(head, template, moved, None, head.data)
    return RegisteredScan(aligned, template.mask if mask is None else mask)


MOVED = pose((12, -6, 9), (14, -11, 8))


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Scans:
    raw = tmp_path_factory.mktemp("raw data ü")
    result = [
        ("demo_sub-A_ses-1", write_head(raw / "a.nii.gz", template, 1)),
        ("demo_sub-B_ses-1", write_head(raw / "b.nii.gz", template, 2, MOVED)),
        ("demo_sub-C_run-1", raw / "c.nii.gz"),
    ]
    whole = result[0][1].read_bytes()
    result[2][1].write_bytes(whole[: len(whole) // 2])
    return result


def run(
    folder: Path,
    scans: Scans,
    settings: dict[str, Any],
    processes: int = 1,
    code: Code = CODE,
) -> None:
    preprocess_scans(scans, folder, folder / "chunks/0.tsv", settings, code, processes)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if not p.is_dir()}


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory, scans: Scans, settings: dict[str, Any]) -> Path:
    folder = tmp_path_factory.mktemp("imaging")
    run(folder, scans, settings)
    return folder
