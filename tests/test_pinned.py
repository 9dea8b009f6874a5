"""What no change of names or places may change, as SHA-256: phantoms, label maps, synthetic
batches, cubes, the tensors of the weights, masks of real scans.

`python tests/test_pinned.py` prints all of it. What rounds as the processor does is compared so, by
hand, on one machine; what does not is a test.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from liverlib.models.weights import PRETRAINED
from liverlib.preprocessing.cube import ROI_WINDOW, CubeSettings, to_cube
from liverlib.synthesis.label_maps import LabelMapSettings, make_label_map, write_label_maps
from liverlib.synthesis.phantom.phantom import PhantomSettings, make_phantom

TENSORS = "847df902a2f98bbd624cc2cfacbb8e4f704953f6ead2802472b26349ba8e882f"
CUBES = CubeSettings(), CubeSettings(crop="liver", window=ROI_WINDOW)


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 of the arrays' types, shapes and bytes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape} ".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def tensors(path: Path) -> str:
    """Of all tensors in a file, by name."""
    return digest(*(array for _, array in sorted(load_file(path).items())))


def phantoms() -> dict[str, str]:
    settings, digests = PhantomSettings(), {}
    for index in (0, 1):
        scan, label = make_phantom(index, settings)
        digests[f"phantom {index}"] = digest(scan.voxels, label.voxels, scan.grid.affine)
        for kind in CUBES:
            cube = to_cube(scan, label, kind)
            digests[f"cube {kind.crop} {index}"] = digest(cube.image, cube.soft_labels)
    return digests


def label_maps() -> dict[str, str]:
    maps = (make_label_map(index, LabelMapSettings()) for index in (0, 1))
    return {f"label map {i}": digest(*(m[key] for key in sorted(m))) for i, m in enumerate(maps)}


def synthetic() -> dict[str, str]:
    from liverlib.synthesis.generator import SyntheticScans

    settings, digests = LabelMapSettings(count=2), {}
    with tempfile.TemporaryDirectory() as folder:
        paths = write_label_maps(folder, settings, 1)
        for kind in CUBES:
            for size in (0, 64):
                scans = SyntheticScans(paths, settings.spacing, kind, size, 0.67 + 0.2, seed=3)
                for n in range(2):
                    batch = scans.batch(range(2 * n, 2 * n + 2))
                    name = f"synthetic {kind.crop} {size} {n}"
                    digests[name] = digest(*(tensor.numpy() for tensor in batch))
    return digests


def masks() -> dict[str, str]:
    from liverlib.inference.segmenter import Segmenter
    from liverlib.io.dicom import read_dicom
    from liverlib.io.scan import read_scan

    shared, segmenter = Path(__file__).parents[2] / "shared" / "data", Segmenter.load(PRETRAINED)
    scans = {
        "ct_3mm": read_scan(shared / "ct_3mm" / "image.nii.gz"),
        "ct_dicom": read_dicom(shared / "ct_dicom" / "slices"),
        "liver_crop_128": read_scan(shared / "liver_crop_128" / "image.nii.gz"),
    }
    return {f"mask {name}": digest(segmenter.segment(scan).voxels) for name, scan in scans.items()}


def test_the_weights_are_the_same_to_the_bit():
    assert tensors(PRETRAINED) == TENSORS


if __name__ == "__main__":
    found = phantoms() | label_maps() | synthetic() | masks() | {"tensors": tensors(PRETRAINED)}
    found |= {f"file {path}": tensors(Path(path)) for path in sys.argv[1:]}
    print(json.dumps(found, indent=1))
