"""What no change of names or layout may change, as SHA-256: phantoms, label maps, synthetic
batches, cubes, the tensors of the weights, masks of real scans.

`python tests/test_pinned.py` prints all of it. What rounds as the processor does is compared so, by
hand, on one machine; what does not is a test.
"""

import hashlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from liverlib.inference.fine import fine_path
from liverlib.models.weights import PRETRAINED
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube
from liverlib.synthesis.label_maps import LabelMapSettings, make_label_map, write_label_maps
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom
from liverlib.training.settings import TrainSettings

TENSORS = "b428b187f2efd0aa76472e2087b5a68910c23e3fa6cb8411d427dc1765f8b991"
FINE = "0c0e487bd8cbcc612cee44df773f41fbb875475c262a705d88c57def65bdbe51"
COARSE = CubeSettings()
ROI = replace(COARSE, crop="liver", window=ROI_WINDOW)


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 of the arrays' types, shapes and bytes."""
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(f"{array.dtype} {array.shape} ".encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()


def tensors(path: Path) -> str:
    """Of all tensors in a file, by name."""
    return digest(*(array for _, array in sorted(load_file(path).items())))


def phantoms() -> dict[str, str]:
    """Two phantoms, and their cubes for both stages."""
    digests = {}
    for index in (0, 1):
        scan, label = make_phantom(index, PhantomSettings())
        digests[f"phantom {index}"] = digest(scan.voxels, label.voxels, scan.grid.affine)
        for settings in (COARSE, ROI):
            cube = to_cube(scan, label, settings)
            digests[f"cube {settings.crop} {index}"] = digest(cube.image, cube.soft_labels)
    return digests


def label_maps() -> dict[str, str]:
    """Two label maps."""
    maps = (make_label_map(index, LabelMapSettings()) for index in (0, 1))
    return {f"label map {i}": digest(*(m[key] for key in sorted(m))) for i, m in enumerate(maps)}


def synthetic() -> dict[str, str]:
    """Two batches of whole cubes and of patches, for both stages."""
    from liverlib.synthesis.generator import SyntheticScans

    settings, training, digests = LabelMapSettings(count=2), TrainSettings(), {}
    liver_fraction = training.tumour_fraction + training.liver_fraction
    with tempfile.TemporaryDirectory() as folder:
        paths = write_label_maps(folder, settings, 1)
        for cube in (COARSE, ROI):
            for edge in (0, 64):
                scans = SyntheticScans(paths, settings.spacing, cube, edge, liver_fraction, seed=3)
                for n in range(2):
                    batch = scans.batch(range(2 * n, 2 * n + 2))
                    name = f"synthetic {cube.crop} {edge} {n}"
                    digests[name] = digest(*(tensor.numpy() for tensor in batch))
    return digests


def masks() -> dict[str, str]:
    """The masks of three real scans by the pretrained weights."""
    from liverlib.inference.segmenter import Segmenter
    from liverlib.io.scan import read_scan

    shared, segmenter = Path(__file__).parents[2] / "shared" / "data", Segmenter.load()
    paths = "ct_3mm/image.nii.gz", "ct_dicom/slices", "liver_crop_128/image.nii.gz"
    return {
        f"mask {Path(path).parts[0]}": digest(
            segmenter.predict(read_scan(shared / path)).mask.voxels
        )
        for path in paths
    }


def test_the_weights_are_the_same_to_the_bit():
    assert (tensors(PRETRAINED), tensors(fine_path(PRETRAINED))) == (TENSORS, FINE)


if __name__ == "__main__":
    digests = phantoms() | label_maps() | synthetic() | masks() | {"tensors": tensors(PRETRAINED)}
    digests |= {f"file {path}": tensors(Path(path)) for path in sys.argv[1:]}
    print(json.dumps(digests, indent=1))
