"""Tables of labels that lie beside or within a NIfTI mask: ITK-SNAP's, and Connectome Workbench's.

NIfTI itself names no class. ITK-SNAP imports a text file (Segmentation, Import Label Descriptions).
Workbench, and programs that follow it, read an XML extension of the header (code 30, CARET).
"""

from pathlib import Path
from xml.sax.saxutils import quoteattr

from nibabel.nifti1 import Nifti1Extension

from liverlib.core.files import atomic

from ..segments import SEGMENTS

_HEAD = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Fields:
#    IDX:   Zero-based index
#    -R-:   Red color component (0..255)
#    -G-:   Green color component (0..255)
#    -B-:   Blue color component (0..255)
#    -A-:   Label transparency (0.00 .. 1.00)
#    VIS:   Label visibility (0 or 1)
#    IDX:   Label mesh visibility (0 or 1)
#  LABEL:   Label description
################################################
"""
_CARET = 30  # NIfTI's code of such an extension


def itk_snap_table() -> str:
    """The text of a ``.label`` file of ITK-SNAP with the names and colours of all classes."""
    rows = [(0, (0, 0, 0), 0, "Clear Label")]
    rows += [(segment.value, segment.colour, 1, segment.name) for segment in SEGMENTS]
    lines = [
        f'{value:5} {red:5} {green:4} {blue:4} {shown:8} {shown:2} {shown:2}    "{name}"\n'
        for value, (red, green, blue), shown, name in rows
    ]
    return _HEAD + "".join(lines)


def write_itk_snap_table(path: str | Path) -> None:
    """Writes `itk_snap_table`; raises `LiverlibError` where the folder cannot be written."""
    with atomic(path) as temporary:
        temporary.write_text(itk_snap_table(), "utf-8")


def label_extension() -> Nifti1Extension:
    """The extension of a NIfTI header that names and colours all classes."""
    rows = [(0, "???", (0, 0, 0), 0)]  # so Workbench calls what has no label
    rows += [(segment.value, segment.name, segment.colour, 1) for segment in SEGMENTS]
    labels = "".join(f"<Label {_attributes(*row)}><![CDATA[{row[1]}]]></Label>" for row in rows)
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<CaretExtension>'
        f'<VolumeInformation Index="0"><LabelTable>{labels}</LabelTable>'
        "<StudyMetaDataLinkSet></StudyMetaDataLinkSet><VolumeType><![CDATA[Label]]></VolumeType>"
        "</VolumeInformation></CaretExtension>\n"
    )
    return Nifti1Extension(_CARET, xml.encode())


def _attributes(key: int, _: str, colour: tuple[int, int, int], alpha: int) -> str:
    red, green, blue = (f"{part / 255:.6f}" for part in colour)
    values = {"Key": key, "Red": red, "Green": green, "Blue": blue, "Alpha": alpha}
    return " ".join(f"{name}={quoteattr(str(value))}" for name, value in values.items())
