"""A CT series written as DICOM files, for tests; needs pydicom."""

from pathlib import Path

import numpy as np
import pydicom

AXIAL, CORONAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]
VOXELS = np.random.default_rng(0).integers(-1000, 1000, (6, 5, 4)).astype(np.int16)  # x, y, z


def write_series(
    folder, voxels=VOXELS, direction=AXIAL, origin=(-30, 20, -100), step=2.5, tilt=0.0, **tags
) -> list[Path]:
    """Slices (columns, rows) of a volume as DICOM files, in no order of names or numbers."""
    folder.mkdir(exist_ok=True)
    row, column = np.array(direction, float).reshape(2, 3)
    normal = np.cross(row, column)
    paths = []
    for k in range(voxels.shape[2]):
        header = pydicom.Dataset()
        header.Modality, header.SeriesInstanceUID, header.SeriesNumber = "CT", "1.2.3", "7"
        header.SeriesDescription, header.InstanceNumber = "abdomen", (k * 7) % 11
        position = origin + k * (step * normal + tilt * column)
        header.ImagePositionPatient = [*position.round(4)]
        header.ImageOrientationPatient = direction
        header.PixelSpacing = [0.8, 0.7]  # between rows, between columns
        header.Columns, header.Rows = voxels.shape[:2]
        header.RescaleSlope, header.RescaleIntercept = 1, -1024
        header.BitsAllocated = header.BitsStored = 16
        header.HighBit, header.PixelRepresentation, header.SamplesPerPixel = 15, 0, 1
        header.PhotometricInterpretation = "MONOCHROME2"
        pixels = voxels[:, :, k].T.astype(np.int32) + 1024
        header.PixelData = pixels.astype(np.uint16).tobytes()
        for name, value in tags.items():
            setattr(header, name, value)
        header.file_meta = pydicom.dataset.FileMetaDataset()
        header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{k}"
        series = f"{header.SeriesNumber}{header.SeriesDescription}"
        paths.append(folder / f"{(k * 5) % 7}-{series}.dcm")
        pydicom.dcmwrite(paths[-1], header, enforce_file_format=True)
    return paths


def rewrite(path: Path, keyword: str, text: bytes) -> None:
    """Sets the bytes of an attribute, sensible or not, in a file that `write_series` wrote."""
    content = path.read_bytes()
    tag = pydicom.datadict.tag_for_keyword(keyword)
    start = content.index(tag.to_bytes(4, "little")[2:] + tag.to_bytes(4, "little")[:2])
    size = int.from_bytes(content[start + 6 : start + 8], "little")
    text += b" " * (len(text) % 2)
    length = len(text).to_bytes(2, "little")
    path.write_bytes(content[: start + 6] + length + text + content[start + 8 + size :])
