"""DICOM series of a small head that nobody has, and helpers to look at what is made of them."""

import gzip
import re
from pathlib import Path

import nibabel
import numpy as np
from click.testing import CliRunner

from brainage.core.files import InputError
from brainage.dicom.commands import dicom
from brainage.simulation.acquisition import rotation

STEP = 2.5  # mm between slices
SPACING = (2.4, 2.6)  # mm between rows, between columns
SLICES, ROWS, COLUMNS = 64, 80, 72
UID = "1.2.826.0.1.3680043.10.1111"

# Everything of a person that must not come out anywhere.
DOE = {
    "PatientName": "Doezeman^Jonquil",
    "PatientID": "HOSP-7731942",
    "PatientBirthDate": "19630417",
    "PatientSex": "F",
    "AccessionNumber": "ACC5550123",
    "InstitutionName": "Klinikum Nirgendheim",
    "InstitutionAddress": "Nirgendweg 5",
    "StationName": "NIRGEND3T",
    "DeviceSerialNumber": "SN8844221",
    "ReferringPhysicianName": "Quacksalver^Ann",
    "OperatorsName": "Radtech^Bob",
    "PatientAddress": "Musterallee 9",
    "StudyDescription": "Schaedel Doezeman",
    "PatientComments": "Jonquil is nervous",
    "ImageComments": "of Doezeman",
}
ROE = DOE | {
    "PatientName": "Roebuck^Richard",
    "PatientID": "HOSP-1112223",
    "PatientBirthDate": "19800101",
    "PatientSex": "M",
}
MPRAGE = {
    "SeriesDescription": "t1_mprage_sag Doezeman",
    "ProtocolName": "t1_mprage_sag_p2_iso",
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"],
    "MRAcquisitionType": "3D",
    "ScanningSequence": ["GR", "IR"],
    "SequenceVariant": ["SK", "SP", "MP"],
    "RepetitionTime": 2300.0,
    "EchoTime": 2.98,
    "InversionTime": 900.0,
    "FlipAngle": 9.0,
}
T2 = MPRAGE | {
    "SeriesDescription": "t2_space_sag",
    "ProtocolName": "t2_space_sag",
    "ScanningSequence": "SE",
    "RepetitionTime": 3200.0,
    "EchoTime": 408.0,
    "InversionTime": "",
}
LOCALIZER = MPRAGE | {
    "SeriesDescription": "localizer",
    "ProtocolName": "localizer",
    "MRAcquisitionType": "2D",
}
REFORMATTED = MPRAGE | {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}
SETTINGS = {"columns": {}}  # of a BIDS data set


def geometry(degrees=(4.0, -7.0, 11.0)):
    """World (LPS, mm) of columns, rows and slices of sagittal slices that lie a little oblique."""
    turn = rotation(np.array(degrees))
    matrix = np.eye(4)
    matrix[:3, 0] = turn @ [0, 1, 0] * SPACING[1]  # along a row, to posterior
    matrix[:3, 1] = turn @ [0, 0, -1] * SPACING[0]  # down the rows, to inferior
    matrix[:3, 2] = turn @ [-1, 0, 0] * STEP  # to the right, which is row x column
    matrix[:3, 3] = turn @ [76.0, -98.0, 104.0]
    return matrix


def head(seed=0):
    """int16 voxels (columns, rows, slices) of an egg with one dark side and noise."""
    i, j, k = np.meshgrid(
        *[np.linspace(-1, 1, n) for n in (COLUMNS, ROWS, SLICES)], indexing="ij", sparse=True
    )
    inside = i**2 + (j * (1.1 + 0.2 * i)) ** 2 + k**2 < 0.8
    noise = np.random.default_rng(seed).integers(0, 40, (COLUMNS, ROWS, SLICES))
    return (inside * (600 + 200 * i + 90 * j - 150 * k) + noise).astype(np.int16)


def write_series(
    folder: Path,
    header,
    person=None,
    number=2,
    date="20230922",
    time="101530.250000",
    voxels=None,
    slices=None,
    matrix=None,
    name="{index}",
    study=None,
):
    """Write a series, one file a slice; `header` and `person` are values by keyword."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    person = DOE if person is None else person
    voxels = head() if voxels is None else voxels
    matrix = geometry() if matrix is None else matrix
    folder.mkdir(parents=True, exist_ok=True)
    of_study = study or f"{UID}.{date}"
    series = f"{of_study}.{number}.{header['ImageType'][-1].encode().hex()[:4].replace('a', '1')}"
    series = "".join(c if c.isdigit() or c == "." else "7" for c in series)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    data = FileDataset(folder, {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.Modality = "MR"
    data.Manufacturer = "SIEMENS"
    data.ManufacturerModelName = "Prisma_fit"
    data.MagneticFieldStrength = 2.89362
    data.StudyInstanceUID, data.SeriesInstanceUID = of_study, series
    data.FrameOfReferenceUID = f"{of_study}.0"
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = date
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = data.ContentTime = time
    data.SeriesNumber, data.AcquisitionNumber = number, 1
    data.PatientPosition = "HFS"
    along = [matrix[:3, axis] / np.linalg.norm(matrix[:3, axis]) for axis in (0, 1)]
    data.ImageOrientationPatient = [f"{v:.9g}" for v in np.concatenate(along)]
    data.PixelSpacing, data.SliceThickness = list(SPACING), STEP
    data.Rows, data.Columns = voxels.shape[1], voxels.shape[0]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = 1
    for keyword, value in {**header, **person}.items():
        setattr(data, keyword, value)
    paths = []
    for index in range(voxels.shape[2]) if slices is None else slices:
        path = folder / name.format(index=index)
        meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"{series}.{index + 1}"
        data.InstanceNumber = index + 1
        data.ImagePositionPatient = [f"{v:.9g}" for v in (matrix @ [0, 0, index, 1])[:3]]
        data.PixelData = voxels[:, :, index].T.tobytes()
        data.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def identifiers():
    """Everything of the headers that is the person's, in every form that could get out."""
    values = {str(v) for who in (DOE, ROE) for k, v in who.items() if k != "PatientSex"}
    words = {w for v in values for w in re.split(r"[\W_]+", v) if len(w) > 3}
    dates = ("20230922", "20210301", "20240301")
    spelt = {f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in (*dates, "19630417", "19800101")}
    ours = values | words | set(dates) | spelt | {UID, "101530", "10:15:30", "file-of-"}
    # The standard's own words that also stand in an invented header.
    return sorted(ours - {"1963", "SIEMENS"})


def all_bytes(folder):
    """Name and bytes of every file, and of what is inside those that are compressed."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)).encode()
        if path.is_file():
            yield path.read_bytes()
        if path.suffix == ".gz":
            yield gzip.decompress(path.read_bytes())


def set_aside(folder):
    lines = (folder / "sourcedata" / "set_aside.tsv").read_text().splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines[1:]]


def run(*arguments):
    """The command's status, and all that it printed."""
    done = CliRunner().invoke(dicom, [str(argument) for argument in arguments])
    if done.exception is None:
        return done.exit_code, done.output
    # What the command line makes of it is tested there.
    if not isinstance(done.exception, InputError | OSError):
        raise done.exception
    status = 2 if isinstance(done.exception, InputError) else 1
    return status, f"{done.output}brainage: {done.exception}\n"


def assert_same_world(path, voxels, matrix):
    """The image has the DICOM's voxels at the DICOM's places; axes may be flipped or swapped."""
    image = nibabel.load(path)
    lps_to_ras = np.diag([-1.0, -1, 1, 1])
    to_dicom = np.linalg.inv(lps_to_ras @ matrix) @ image.affine
    whole = np.rint(to_dicom)
    np.testing.assert_allclose(to_dicom, whole, atol=2e-3)
    index = np.indices(image.shape).reshape(3, -1)
    i, j, k = (whole[:3, :3] @ index + whole[:3, 3:]).astype(int)
    assert min(i.min(), j.min(), k.min()) == 0
    np.testing.assert_array_equal(np.asarray(image.dataobj).ravel(), voxels[i, j, k])
    assert image.get_qform(coded=True)[1] == 1
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-3)
