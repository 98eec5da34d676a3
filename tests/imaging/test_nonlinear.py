"""SyN from end to end on small heads: what it gives, and the same bytes in any order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from brainage.core.derivatives import BRAIN, GREY_MATTER, OF_WARP, REGIONS, WARP, derivative
from brainage.imaging import chunk, nonlinear, regions, warp
from brainage.imaging.faults import ScanFault
from brainage.imaging.template import Template
from brainage.imaging.warp import Warp
from tests.imaging.conftest import CODE

# Of SyN quick tests are in test_warp.py.
pytestmark = pytest.mark.slow

SIZE = 4.0  # mm
# Steps at 8 mm only, so that a head takes seconds.
QUICK = ("-t", "SyN[0.2,3,0]", "-c", "[20x0,1e-6,10]", "-s", "1x0", "-f", "2x1")
SCALE = 1.1


@pytest.fixture(scope="module")
def syn(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings, "voxel_size": SIZE, "registration": "syn", "grey_matter": True}


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory, template: Template) -> list[tuple[str, Path]]:
    """The template bent, and the same head larger: its voxels by a tenth."""
    folder = tmp_path_factory.mktemp("heads")
    random = np.random.default_rng(3)
    bend = random.normal(size=(3, *template.head.shape))
    bend = np.stack([ndimage.gaussian_filter(part, 4) for part in bend])
    bend *= 3 / np.abs(bend).max()  # voxels of 4 mm
    places = np.indices(template.head.shape) + bend
    data = ndimage.map_coordinates(template.head, places, order=1)
    noisy = np.abs(data / data.max() + random.normal(0, 0.01, data.shape)) * 800
    larger = np.diag([SCALE, SCALE, SCALE, 1.0])
    scans = []
    for name, affine in (("A", template.affine), ("B", larger @ template.affine)):
        path = folder / f"{name}.nii.gz"
        nibabel.Nifti1Image(noisy.astype(np.int16), affine).to_filename(path)
        scans.append((f"demo_sub-{name}", path))
    return scans


def run(folder: Path, scans: list[tuple[str, Path]], settings: dict[str, Any]) -> pd.DataFrame:
    chunk.preprocess_scans(scans, folder, folder / "chunks/0.tsv", settings, CODE)
    return pd.read_csv(folder / "chunks/0.tsv", sep="\t").set_index("scan_id")


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory, heads: list[tuple[str, Path]], syn: dict[str, Any]
) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("imaging")
    return folder, run(folder, heads, syn)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warp, "STAGE", QUICK)
        yield


def grey(folder: Path, scan_id: str) -> np.ndarray:
    return nibabel.load(derivative(folder, scan_id, GREY_MATTER)).get_fdata()


def test_the_warp_brings_the_brain_nearer_to_the_template(
    done: tuple[Path, pd.DataFrame],
    heads: list[tuple[str, Path]],
    syn: dict[str, Any],
    tmp_path: Path,
) -> None:
    place = derivative(tmp_path, "demo_sub-A", WARP)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"of a run with SyN before")
    affine = run(tmp_path, heads[:1], {**syn, "registration": "affine", "grey_matter": False})
    before, after = affine.iloc[0], done[1].loc["demo_sub-A"]
    assert after["template_correlation"] > before["template_correlation"] + 0.02
    # What is measured in the head's own space is the same.
    assert after["brain_volume_ml"] == before["brain_volume_ml"]
    assert 0 < after["jacobian_min"] < 0.95 and 1.05 < after["jacobian_max"] < 5
    # What a run with other settings left of this scan is gone.
    assert derivative(tmp_path, "demo_sub-A", BRAIN).is_file()
    assert not any(derivative(tmp_path, "demo_sub-A", ending).exists() for ending in OF_WARP)


def test_the_map_holds_the_heads_own_grey_matter(done: tuple[Path, pd.DataFrame]) -> None:
    folder, table = done
    for scan_id in table.index:
        total = grey(folder, scan_id).sum() * SIZE**3 / 1000
        assert total == pytest.approx(table.loc[scan_id, "gm_volume_ml"], rel=0.03)
    # The affine's part counts: a head a tenth larger has a third more grey matter.
    volume = [grey(folder, scan_id).sum() for scan_id in table.index]
    assert volume[1] / volume[0] == pytest.approx(SCALE**3, rel=0.03)


def test_regions_add_up_to_less_than_the_whole_and_grow_with_the_head(
    done: tuple[Path, pd.DataFrame],
) -> None:
    folder, table = done
    volumes = [
        pd.read_csv(derivative(folder, scan_id, REGIONS), sep="\t").set_index("region")[
            "volume_mm3"
        ]
        for scan_id in table.index
    ]
    tissue = volumes[0][~volumes[0].index.str.contains(regions.FLUID)]
    assert len(volumes[0]) == 102 and (volumes[0] >= 0).all()
    assert 0.5 < tissue.sum() / 1000 / table["gm_volume_ml"].iloc[0] < 1
    assert volumes[1].sum() / volumes[0].sum() == pytest.approx(SCALE**3, rel=0.04)


def test_other_order_gives_the_same_bytes_and_leaves_nothing_behind(
    done: tuple[Path, pd.DataFrame],
    heads: list[tuple[str, Path]],
    syn: dict[str, Any],
    tmp_path: Path,
) -> None:
    run(tmp_path, heads[::-1], syn)
    found = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*.*")}
    kept = {str(p.relative_to(done[0])): p.read_bytes() for p in done[0].rglob("*.*")}
    assert found == kept
    assert sum(path.endswith(WARP) for path in kept) == 2
    assert not [path for path in kept if "warp_0" in path or "/." in path]


def test_a_warp_that_folds_is_a_fault_with_its_words(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.indices(template.head.shape)[0] * template.size
    folding = np.stack([-1.2 * x, 0 * x, 0 * x], axis=-1).astype(np.float32)
    monkeypatch.setattr(nonlinear, "find_warp", lambda *_: Warp(folding, template.affine))
    with pytest.raises(
        ScanFault, match=r"folds: the minimum of its Jacobian determinant is -0\.20"
    ):
        nonlinear.find(template.head, template, tmp_path)
