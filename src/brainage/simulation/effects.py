"""What age, disease, sex and chance do to the regions of a simulated head.

Every region has one number a person and scan. For the ventricles and the deep grey matter it
is the logarithm of the region's volume against the template's; for the cortex it is by how many
millimetres each wall of the region's sulci has drawn back (sulci widen and cortex thins).

The effects are fixed on grounds of realism, never tuned to a result. From 20 to 80 years lateral
ventricles grow 2.5-fold, the hippocampus loses 23 %, putamen and thalamus 15 to 20 %, and sulci
grow 0.8 to 1.8 mm wider: the sizes that cross-sectional volumetry and sulcal morphometry of
healthy adults report. Off the axis of ageing, full disease takes another 14 % of the hippocampus
and widens temporal sulci as seven to fourteen years would: a part that a diagnosis probe can use,
and that does not drown the planted gap, since a model of age reads any atrophy as age. People of
one brain age differ at least as much as ageing makes people of 20 to 85 differ (SD of ages 18.8
years), partly together within a tissue. Nothing else in a scan knows age.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from brainage.simulation.plan import random_stream

TEMPLATE_AGE = 25.0  # years; the template is an average of young adults
YEARS_OF_CHANGE = 60.0  # the changes in REGIONS are from 20 to 80 years
LEFT_OF_RIGHT = 51  # CerebrA: left label minus right label
# The template is an average in the space of MNI152, which is larger than people's heads are: its
# brain mask holds 1.9 litres, an adult's head about 1.5.
MEAN_HEAD_SIZE = 0.94  # along each axis, against the template
PERSONAL_AGEING_SD = 0.15  # everyone's regions age at their own pace, relative to REGIONS


@dataclass(frozen=True)
class Region:
    """One region, on both sides of the brain or in its middle.

    Attributes
    ----------
    name
        Name; its sides are called `name-right` and `name-left` (see :attr:`parts`).
    tissue
        `ventricle` or `deep`: the number is a log volume; `cortex`: millimetres.
    labels
        CerebrA labels of the right side; those of the left are 51 larger.
    change
        Change from a brain age of 20 to one of 80.
    spread
        SD over people of the same brain age.
    disease
        Change at an off-axis disease of 1, beyond age.
    midline
        Whether both sides are one.
    """

    name: str
    tissue: str
    labels: tuple[int, ...]
    change: float
    spread: float
    disease: float = 0.0
    midline: bool = False

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """CerebrA labels of each part of the region that has a number of its own."""
        left = tuple(label + LEFT_OF_RIGHT for label in self.labels)
        if self.midline:
            return {self.name: self.labels + left}
        return {f"{self.name}-right": self.labels, f"{self.name}-left": left}


REGIONS = (
    Region("lateral ventricle, front", "ventricle", (41,), 0.90, 0.36),
    Region("lateral ventricle, back", "ventricle", (41,), 0.92, 0.36),
    Region("temporal horn", "ventricle", (5,), 0.70, 0.28, 0.12),
    Region("third ventricle", "ventricle", (29,), 0.70, 0.24, midline=True),
    Region("hippocampus", "deep", (48,), -0.26, 0.085, -0.15),
    Region("amygdala", "deep", (19,), -0.18, 0.08, -0.12),
    Region("thalamus", "deep", (40,), -0.18, 0.056),
    Region("caudate", "deep", (49,), -0.12, 0.08),
    Region("putamen", "deep", (21,), -0.22, 0.07),
    Region("cerebellum", "deep", (46, 39), -0.12, 0.06),
    Region("superior frontal", "cortex", (38,), 0.90, 0.3),
    Region("caudal middle frontal", "cortex", (42,), 0.85, 0.28),
    Region("rostral middle frontal", "cortex", (1,), 0.90, 0.3),
    Region("orbitofrontal", "cortex", (7, 15, 44), 0.75, 0.25),
    Region("inferior frontal", "cortex", (22, 32), 0.85, 0.28),
    Region("precentral", "cortex", (35,), 0.75, 0.25),
    Region("postcentral", "cortex", (13, 16), 0.70, 0.23),
    Region("superior parietal", "cortex", (9,), 0.90, 0.3),
    Region("inferior parietal", "cortex", (10,), 0.85, 0.28),
    Region("supramarginal", "cortex", (51,), 0.85, 0.28),
    Region("precuneus", "cortex", (31,), 0.80, 0.27),
    Region("superior temporal", "cortex", (14, 45), 0.85, 0.28, 0.10),
    Region("middle temporal", "cortex", (28,), 0.75, 0.25, 0.12),
    Region("inferior temporal", "cortex", (3,), 0.65, 0.22, 0.12),
    Region("medial temporal", "cortex", (18, 24, 36), 0.50, 0.17, 0.12),
    Region("lateral occipital", "cortex", (34,), 0.50, 0.17),
    Region("medial occipital", "cortex", (6, 12, 43), 0.45, 0.15),
    Region("insula", "cortex", (23,), 0.90, 0.3),
    Region("anterior cingulate", "cortex", (8, 30), 0.55, 0.18),
    Region("posterior cingulate", "cortex", (33, 47), 0.60, 0.2),
)
PARTS = {part: region for region in REGIONS for part in region.parts}

# Shares of the variance between people: common to the tissue, common to both sides of a region;
# the rest is each side's own.
SHARES = {"ventricle": (0.4, 0.2), "deep": (0.1, 0.3), "cortex": (0.1, 0.2)}


def regional_values(seed: int, person: str, brain_age: float, off_axis: float) -> dict[str, float]:
    """Return the number of each part of one person's brain at a brain age.

    Parameters
    ----------
    seed
        Seed of the simulation.
    person
        The person; what is theirs alone follows from `seed` and this.
    brain_age
        True brain age at the scan, in years.
    off_axis
        Disease beyond ageing, 0 to 1.

    Returns
    -------
    dict
        By part (`hippocampus-left`): log volume ratio to the template for ventricles and
        deep grey matter, millimetres of sulcal widening on each wall for the cortex.
    """
    random = random_stream(seed, person, "regions")
    common = {tissue: random.standard_normal() for tissue in SHARES}
    years = (brain_age - TEMPLATE_AGE) / YEARS_OF_CHANGE
    values = {}
    for region in REGIONS:
        of_tissue, of_region = SHARES[region.tissue]
        both_sides, *each_side = random.standard_normal(3)
        pace, *side_pace = random.standard_normal(3)
        for part, own, own_pace in zip(region.parts, each_side, side_pace, strict=False):
            chance = (
                of_tissue**0.5 * common[region.tissue]
                + of_region**0.5 * both_sides
                + (1 - of_tissue - of_region) ** 0.5 * own
            )
            personal = 1 + PERSONAL_AGEING_SD * (0.8 * pace + 0.6 * own_pace)
            # A region never grows younger with age, however slowly it ages in someone.
            values[part] = float(
                region.change * max(personal, 0.2) * years
                + region.spread * chance
                + region.disease * off_axis
            )
    return values


def head_size(seed: int, person: str, sex: str) -> np.ndarray:
    """Return the linear size of a head along x, y and z against the template's.

    The mean is `MEAN_HEAD_SIZE`. Men's heads are 3.6 % larger than women's along each axis (about
    11 % in volume); within a sex the common SD is 3.2 % and each axis has a shape of its own
    (SD 1.5 %).
    """
    random = random_stream(seed, person, "head size")
    common = 0.032 * random.standard_normal() + {"M": 0.018, "F": -0.018}.get(sex, 0.0)
    return MEAN_HEAD_SIZE * np.exp(common + 0.015 * random.standard_normal(3))
