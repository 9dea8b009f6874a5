"""Tables of labels for ITK-SNAP and for programs that read NIfTI's extension."""

import re
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
from phantoms import simple_case

from liverlib.core.errors import LiverlibError
from liverlib.io.formats.label_tables import (
    itk_snap_table,
    label_extension,
    write_itk_snap_table,
)
from liverlib.io.nifti import read_label, write_volume
from liverlib.io.segments import SEGMENTS

# How ITK-SNAP itself reads a line (ColorLabelTable::LoadFromFile): seven numbers, a name in quotes.
LINE = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+([01])\s+([01])\s+"([^"]*)"')


def test_itk_snaps_table_names_every_class_in_its_colour(tmp_path):
    write_itk_snap_table(tmp_path / "a.label")
    text = (tmp_path / "a.label").read_text()
    assert text == itk_snap_table()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    rows = [LINE.fullmatch(line).groups() for line in lines]
    assert rows[0] == ("0", "0", "0", "0", "0", "0", "0", "Clear Label")
    for row, segment in zip(rows[1:], SEGMENTS, strict=True):
        assert int(row[0]) == segment.value and row[7] == segment.name
        assert tuple(map(int, row[1:4])) == segment.colour
        assert row[4:7] == ("1", "1", "1")


def test_a_table_in_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LiverlibError, match="cannot be written"):
        write_itk_snap_table(tmp_path / "file" / "a.label")


@pytest.mark.parametrize("name", ["mask.nii", "mask.nii.gz"])
def test_nibabel_reads_the_extensions_table_and_the_same_voxels(tmp_path, name):
    _, label = simple_case(orientation="PIR")
    write_volume(tmp_path / name, label, extensions=[label_extension()])
    image = nib.load(tmp_path / name)
    stored = np.asarray(image.dataobj)
    np.testing.assert_array_equal(stored, label.grid.to_stored(label.voxels))
    np.testing.assert_allclose(image.affine, label.grid.header.get_best_affine())
    np.testing.assert_array_equal(read_label(tmp_path / name).voxels, label.voxels)
    (extension,) = image.header.extensions
    assert extension.get_code() == 30
    tree = ElementTree.fromstring(extension.content.rstrip(b"\0"))
    assert tree.tag == "CaretExtension"
    assert tree.findtext("VolumeInformation/VolumeType") == "Label"
    labels = {int(label.get("Key")): label for label in tree.iter("Label")}
    assert float(labels[0].get("Alpha")) == 0
    for segment in SEGMENTS:
        found = labels[segment.value]
        colour = [255 * float(found.get(part)) for part in ("Red", "Green", "Blue")]
        assert found.text == segment.name and float(found.get("Alpha")) == 1
        np.testing.assert_allclose(colour, segment.colour, atol=0.01)
