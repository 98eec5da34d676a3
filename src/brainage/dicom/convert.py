"""One DICOM series to one NIfTI image and its BIDS sidecar by dcm2niix, without the person."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from brainage import __version__
from brainage.core.files import InputError, atomic_write, read_json, sha256, write_json
from brainage.dicom.headers import file_names_unsaid
from brainage.dicom.scanners import safe_words

# What a sidecar may hold: these numbers, and the words of scanners.py. dcm2niix's own
# anonymisation leaves the institution, the station, the serial number and free text in.
NUMBERS = (
    *("MagneticFieldStrength", "ImagingFrequency", "RepetitionTime", "EchoTime", "InversionTime"),
    *("RepetitionTimeExcitation", "RepetitionTimeInversion", "RepetitionTimePreparation"),
    *("FlipAngle", "SliceThickness", "SpacingBetweenSlices", "PercentPhaseFOV"),
    *("PercentSampling", "PartialFourier", "PixelBandwidth", "DwellTime", "EchoTrainLength"),
    *("ParallelReductionFactorInPlane", "ParallelReductionFactorOutOfPlane"),
    *("AcquisitionMatrixPE", "ReconMatrixPE", "BaseResolution", "PhaseResolution"),
    *("ImageOrientationPatientDICOM", "NonlinearGradientCorrection", "SpoilingState", "MTState"),
)
SOURCE = "SourceDataSha256"
# dcm2niix's exit codes. What it prints may quote a header, so it is not repeated.
REASONS = {
    0: "dcm2niix produced no image",
    2: "dcm2niix found no image in it",
    4: "dcm2niix found it corrupt",
    8: "dcm2niix could not convert all of its images",
    10: "dcm2niix found that images are missing",
}


class ConversionFault(Exception):
    """A series cannot be converted; the message says why, in plain words."""


class ConversionError(RuntimeError):
    """The machine failed a conversion (killed, out of memory, disk full): run it again."""


def find_dcm2niix() -> tuple[str, str]:
    """Return path and version of the dcm2niix that the Python package of this name carries.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        from dcm2niix import __version__ as version
        from dcm2niix import bin as program
    except ImportError:
        program, version = "", ""
    if not Path(program).is_file():
        raise InputError("dcm2niix is not installed, which converts DICOM: pip install dcm2niix")
    return program, version


def source_hash(files: Sequence[Path], version: str) -> str:
    """Hash all bytes of a series' files, in any order, and the versions that convert them."""
    parts = [*sorted(sha256(path) for path in files), version, __version__]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def is_converted(image: Path, wanted: str) -> bool:
    """Say whether `image` was made of the series whose :func:`source_hash` is `wanted`."""
    sidecar = sidecar_of(image)
    if not image.is_file() or not sidecar.is_file():
        return False
    try:
        content = read_json(sidecar)
    except InputError:
        return False
    return isinstance(content, dict) and content.get(SOURCE) == wanted


def sidecar_of(image: Path) -> Path:
    """Path of the JSON beside an image (.nii.gz)."""
    return image.with_name(image.name.removesuffix(".nii.gz") + ".json")


def convert(files: Sequence[Path], image: Path, program: str, wanted: str) -> None:
    """Convert one series.

    Parameters
    ----------
    files
        The series' files, in the order of the slices.
    image
        Where the image goes (``.nii.gz``); its sidecar goes beside it, after it.
    program
        Path of dcm2niix.
    wanted
        The series' :func:`source_hash`, written into the sidecar.

    Raises
    ------
    ConversionFault
        dcm2niix makes no image of it, or more than one.
    ConversionError
        dcm2niix was killed or could not write.
    """
    with tempfile.TemporaryDirectory(prefix="brainage-") as scratch:
        source, made = Path(scratch) / "dicom", Path(scratch) / "nifti"
        source.mkdir()
        made.mkdir()
        # dcm2niix sees this series alone, in this order.
        for number, path in enumerate(files):
            with file_names_unsaid(scratch):
                (source / f"{number:06d}.dcm").symlink_to(path.resolve())
        # No settings of the user's own (-g i), no cropping, no compression: that follows here.
        options = ["-g", "i", "-b", "y", "-ba", "y", "-z", "n", "-x", "n", "-f", "image"]
        done = subprocess.run(
            [program, *options, "-o", str(made), str(source)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            env={**os.environ, "HOME": scratch},
        )
        if done.returncode < 0 or done.returncode in (6, 7):
            raise ConversionError(f"dcm2niix was killed or could not write ({done.returncode})")
        made_images = sorted(made.glob("*.nii"))
        if done.returncode != 0 or not made_images:
            otherwise = f"dcm2niix could not convert it (exit status {done.returncode})"
            raise ConversionFault(REASONS.get(done.returncode, otherwise))
        if len(made_images) > 1:
            # Echoes, phases, a tilted gantry, uneven slices: which one counts is not guessed.
            raise ConversionFault(f"dcm2niix made {len(made_images)} images from it")
        content = _clean(made_images[0].read_bytes())
        sidecar = _allowed(read_json(made_images[0].with_suffix(".json")))
    # It says what the image was made of: never beside an image of something else.
    sidecar_of(image).unlink(missing_ok=True)
    with atomic_write(image) as temporary:
        temporary.write_bytes(gzip.compress(content, compresslevel=6, mtime=0))
    write_json(sidecar_of(image), {**sidecar, SOURCE: wanted})


def _clean(content: bytes) -> bytes:
    """Return a NIfTI file without any free text in its header, and without extensions."""
    import nibabel

    header = nibabel.Nifti1Header.from_fileobj(io.BytesIO(content))
    shape = header.get_data_shape()
    if len(shape) != 3:
        raise ConversionFault(f"dcm2niix made an image with {len(shape)} axes from it")
    voxels = content[int(header["vox_offset"]) :]
    if len(voxels) != int(np.prod(shape)) * int(header["bitpix"]) // 8:
        raise ConversionError("dcm2niix wrote an image that isn't whole (disk full?)")
    for field in ("descrip", "aux_file", "intent_name", "db_name", "data_type"):
        header[field] = b""
    header["toffset"] = 0
    header["vox_offset"] = len(header.binaryblock) + 4  # four bytes that say: no extensions
    return header.binaryblock + bytes(4) + voxels


def _allowed(sidecar: dict[str, Any]) -> dict[str, Any]:
    kept = {name: sidecar[name] for name in NUMBERS if _is_numeric(sidecar.get(name))}
    return kept | safe_words(sidecar)


def _is_numeric(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_is_numeric(part) for part in value)
    return isinstance(value, int | float)
