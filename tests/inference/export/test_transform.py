"""The two stages as a transform of MONAI's kind, without MONAI."""

import numpy as np
import torch
from phantoms import simple_case
from stages import save_untrained

from liverlib.inference.export.onnx_folder import both_stages, config_of
from liverlib.inference.export.transform import SegmentLiver


class Image(torch.Tensor):
    """Stands for a MetaTensor."""

    def __new__(cls, values, meta):
        image = torch.Tensor._make_subclass(cls, torch.as_tensor(values))
        image.meta, image.affine = meta, meta["affine"]
        return image


def test_it_adds_a_mask_of_the_images_shape_and_position(tmp_path):
    stages = both_stages(save_untrained(tmp_path / "w.safetensors", "body", "liver"))
    networks = {name: network for name, (network, _) in stages.items()}
    weights = {name: network.state_dict() for name, network in networks.items()}
    scan, _ = simple_case()
    hu = np.ascontiguousarray(scan.voxels, np.float32)[None]
    item = {"image": Image(hu, {"affine": scan.grid.affine})}
    done = SegmentLiver(networks, weights, config_of(stages))(item)
    assert done["image"] is item["image"]
    assert done["pred"].shape == hu.shape and done["pred"].affine is scan.grid.affine
    assert set(np.unique(np.asarray(done["pred"]))) <= {0, 1, 2}
