"""The check picture shows both rows, is small, and is the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from brainage.imaging import picture
from brainage.imaging.template import Template


def draw(path: Path, template: Template, mask: np.ndarray) -> bytes:
    noisy = template.head + np.random.default_rng(0).normal(0, 3, template.head.shape)
    scaled = (noisy / 100).astype(np.float32)
    edges = np.full(3, template.size)
    rows = picture.Row(noisy, mask, edges), picture.Row(scaled, mask, edges)
    picture.draw(path, *rows, template.head)
    return path.read_bytes()


def test_outline_and_edges_are_drawn(tmp_path: Path, template: Template) -> None:
    first = draw(tmp_path / "a.png", template, template.mask)
    assert len(first) <= 60_000
    assert first == draw(tmp_path / "b.png", template, template.mask)
    colours = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert colours.shape == (300, 450, 3)
    outline = (colours == picture.MASK_COLOUR).all(axis=2)
    edges = (colours == picture.EDGE_COLOUR).all(axis=2)
    assert outline[:150].sum() > 300 and not outline[150:].any()
    assert edges[150:].sum() > 300 and not edges[:150].any()


def test_an_empty_mask_still_gives_a_picture(tmp_path: Path, template: Template) -> None:
    assert draw(tmp_path / "a.png", template, np.zeros_like(template.mask))


def test_a_picture_of_mere_noise_is_small_all_the_same(tmp_path: Path, template: Template) -> None:
    noise = np.random.default_rng(1).uniform(0, 1, (150, 180, 160)).astype(np.float32)
    row = picture.Row(noise, np.ones(noise.shape, dtype=bool), np.ones(3))
    path = tmp_path / "a.png"
    picture.draw(path, row, row, noise)
    assert path.stat().st_size <= picture.MAX_BYTES
    assert len(np.unique(np.asarray(Image.open(path).convert("L")))) > 5
