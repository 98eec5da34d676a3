"""A registered head, from which its brain is written and its measures are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from brainage.core.derivatives import ALIGNED_MASK, BIAS_FIELD, TRANSFORM, WARP
from brainage.imaging import geometry, nifti, tissue
from brainage.imaging.bias import BiasField, read_bias, write_bias
from brainage.imaging.reading import Head
from brainage.imaging.template import Template
from brainage.imaging.tissue import Tissues
from brainage.imaging.warp import Warp, read_warp, write_warp

T = TypeVar("T")


@dataclass
class AlignedHead:
    """A head, and the affine that puts it on the template.

    Attributes
    ----------
    head
        As read.
    template
        On whose grid the results lie.
    template_to_head
        4 x 4 map from template points to head points, in mm.
    bias
        Its bias field, on a grid in the head; None without N4.
    corrected
        The head's voxels without their bias field.
    """

    head: Head
    template: Template
    template_to_head: np.ndarray
    bias: BiasField | None
    corrected: np.ndarray

    @cached_property
    def source(self) -> np.ndarray:
        """The head's voxels, smoothed for the template's grid."""
        return geometry.blurred_to(self.corrected, self.head.affine, self.template.size)

    @cached_property
    def aligned(self) -> np.ndarray:
        """The head on the template's grid (cubic)."""
        return geometry.resampled(
            self.source, self.head.affine, *self.template.grid, self.template_to_head, order=3
        )

    @cached_property
    def scale(self) -> Tissues:
        """What sets the intensity scale: tissues inside the template's own mask.

        The same region in everyone.
        """
        return tissue.find_tissues(self.aligned, self.template.mask, self.template.priors)

    def scaled(self, image: np.ndarray) -> np.ndarray:
        """Put an image of this head on the template's grid on the intensity scale."""
        return tissue.normalised(image, np.ones_like(self.template.mask), self.scale)


@dataclass(eq=False)
class RegisteredScan:
    """All that registration leaves of a scan; the rest follows from it.

    Nothing here is computed before it is asked for, and nothing twice.

    Attributes
    ----------
    aligned
        The head, and how it lies on the template.
    mask
        Its brain (bool) on the template's grid, by the affine alone.
    warp
        What bends the aligned brain onto the template's; None with an affine alone.
    """

    aligned: AlignedHead
    mask: np.ndarray
    warp: Warp | None = None
    _known: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def head(self) -> Head:
        """The head as read."""
        return self.aligned.head

    @property
    def template(self) -> Template:
        """The template."""
        return self.aligned.template

    @property
    def template_to_head(self) -> np.ndarray:
        """4 x 4 map from template points to head points, in mm; the affine alone."""
        return self.aligned.template_to_head

    @cached_property
    def tissues(self) -> Tissues:
        """Tissues inside the head's own mask, by the affine alone."""
        return tissue.find_tissues(self.aligned.aligned, self.mask, self.template.priors)

    @cached_property
    def image(self) -> np.ndarray:
        """The whole head on the template's grid, through the warp where there is one, 0 to 1."""
        if self.warp is None:
            return self.aligned.scaled(self.aligned.aligned)
        return self.aligned.scaled(
            self.warp.carried(
                self.aligned.source,
                self.head.affine,
                *self.template.grid,
                self.template_to_head,
                order=3,
            )
        )

    @cached_property
    def brain_mask(self) -> np.ndarray:
        """The brain (bool) in :attr:`image`."""
        if self.warp is None:
            return self.mask
        mask, grid = self.mask.astype(np.float32), self.template.grid
        return self.warp.carried(mask, self.template.affine, *grid) > 0.5

    def once(self, function: Callable[[RegisteredScan], T]) -> T:
        """Return a function of this scan, computed once: what several measures are taken from."""
        if function not in self._known:
            self._known[function] = function(self)
        return self._known[function]


def write_registered(scan: RegisteredScan, folder: Path) -> None:
    """Write what :func:`read_registered` needs, named by the endings of the derivatives."""
    geometry.write_transform(scan.template_to_head, folder / TRANSFORM)
    mask = nifti.on_template(scan.mask.astype(np.uint8), scan.template.affine)
    nifti.write_image(folder / ALIGNED_MASK, mask)
    if scan.aligned.bias is not None:
        write_bias(folder / BIAS_FIELD, scan.aligned.bias)
    if scan.warp is not None:
        write_warp(folder / WARP, scan.warp)


def read_registered(
    head: Head, template: Template, place: Callable[[str], Path], settings: dict[str, Any]
) -> RegisteredScan:
    """Read what registration left of a scan, the same bit by bit.

    Parameters
    ----------
    head
        The raw head.
    template
        The template that it was registered to.
    place
        Path of a derivative by its ending.
    settings
        The section ``imaging`` of the config.

    Raises
    ------
    InputError
        Where an image is missing or cut short.
    """
    bias = read_bias(place(BIAS_FIELD)) if settings["n4"] else None
    aligned = AlignedHead(
        head=head,
        template=template,
        template_to_head=geometry.read_transform(place(TRANSFORM)),
        bias=bias,
        corrected=head.data if bias is None else bias.removed_from(head),
    )
    mask = nifti.read_derivative(place(ALIGNED_MASK))[0] > 0
    warp = read_warp(place(WARP)) if settings["registration"] == "syn" else None
    return RegisteredScan(aligned, mask, warp)
