"""Noise inside the tissues: motion, noise and bias raise it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from brainage.imaging.measure import Measure, Outlier

if TYPE_CHECKING:
    from brainage.imaging.measures._tissues import Spread
    from brainage.imaging.registered import RegisteredScan


def signal_to_noise(tissues: Mapping[str, Spread], name: str) -> float | None:
    """Mean over SD of a tissue, with the factor sqrt(n / (n - 1)); None where it was not found."""
    import numpy as np

    if name not in tissues:
        return None
    mean, sd, number = tissues[name]
    return float(mean / (sd * np.sqrt(number / (number - 1))))


def mean_signal_to_noise(tissues: Mapping[str, Spread]) -> float | None:
    """Mean of :func:`signal_to_noise` over the tissues that were found."""
    import numpy as np

    known = [signal_to_noise(tissues, name) for name in tissues]
    return float(np.mean([value for value in known if value is not None])) if known else None


def _contrast(tissues: Mapping[str, Spread]) -> float | None:
    if "gm" not in tissues or "wm" not in tissues:
        return None
    contrast = abs(tissues["wm"].mean - tissues["gm"].mean)
    return contrast if contrast > 0 else None


def contrast_to_noise(tissues: Mapping[str, Spread], air_sd: float | None) -> float | None:
    """Contrast to noise ratio (Magnotta et al. 2006, Neurology 67:1231).

    |wm - gm| over the root of the summed variances of air, white and grey matter; without air
    (None) of the tissues alone.
    """
    import numpy as np

    contrast = _contrast(tissues)
    if contrast is None:
        return None
    sds = tissues["gm"].sd, tissues["wm"].sd
    return float(contrast / np.sqrt((air_sd or 0.0) ** 2 + sds[0] ** 2 + sds[1] ** 2))


def joint_variation(tissues: Mapping[str, Spread]) -> float | None:
    """Coefficient of joint variation (Ganzetti et al. 2016, Front Neuroinform 10:10).

    (SD wm + SD gm) / |wm - gm|.
    """
    contrast = _contrast(tissues)
    if contrast is None:
        return None
    return float((tissues["gm"].sd + tissues["wm"].sd) / contrast)


def _tissues(scan: RegisteredScan) -> Mapping[str, Spread]:
    from brainage.imaging.measures import _tissues

    return scan.once(_tissues.of_scan)


def snr_of_scan(name: str, scan: RegisteredScan) -> float | None:
    """Return :func:`signal_to_noise` of a scan."""
    return signal_to_noise(_tissues(scan), name)


def snr_total_of_scan(scan: RegisteredScan) -> float | None:
    """Return :func:`mean_signal_to_noise` of a scan."""
    return mean_signal_to_noise(_tissues(scan))


def cnr_of_scan(scan: RegisteredScan) -> float | None:
    """Return :func:`contrast_to_noise` of a scan."""
    from brainage.imaging.measures import _air

    return contrast_to_noise(_tissues(scan), scan.once(_air.air_sd))


def cjv_of_scan(scan: RegisteredScan) -> float | None:
    """Return :func:`joint_variation` of a scan."""
    return joint_variation(_tissues(scan))


CHOICES = {
    "cjv": Measure(
        label="coefficient of joint variation (CJV)",
        sentence="the coefficient of joint variation of grey and white matter",
        order=210,
        of_scan=cjv_of_scan,
        outlier=Outlier(
            direction="high",
            floor=0.05,
            words=("grey and white matter overlap in intensity: motion or noise"),
        ),
    ),
    "snr_wm": Measure(
        label="signal-to-noise ratio in white matter",
        sentence="signal-to-noise ratio in white matter",
        order=211,
        of_scan=partial(snr_of_scan, "wm"),
        outlier=Outlier(
            direction="low", floor=1.0, words="white matter is uneven: motion or noise"
        ),
    ),
    "snr_gm": Measure(
        label="signal-to-noise ratio in grey matter",
        sentence="signal-to-noise ratio in grey matter",
        order=212,
        of_scan=partial(snr_of_scan, "gm"),
    ),
    "snr_csf": Measure(
        label="signal-to-noise ratio in cerebrospinal fluid",
        sentence="signal-to-noise ratio in cerebrospinal fluid",
        order=213,
        of_scan=partial(snr_of_scan, "csf"),
    ),
    "snr_total": Measure(
        label="signal-to-noise ratio, mean of the tissues",
        sentence="the mean signal-to-noise ratio of the tissues",
        order=214,
        of_scan=snr_total_of_scan,
    ),
    "cnr": Measure(
        label="contrast-to-noise ratio (CNR)",
        sentence="the contrast-to-noise ratio of white and grey matter",
        order=215,
        of_scan=cnr_of_scan,
    ),
}
