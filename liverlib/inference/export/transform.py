"""The two stages as a transform of MONAI's kind: adds the mask "pred" to an item with "image".

It stands in a bundle beside segment.py and unet.py.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from .segment import segment


class SegmentLiver:
    """Classes (1, X, Y, Z) of a scan (1, X, Y, Z) in Hounsfield units and RAS order.

    Args:
        networks: the stages "coarse" and "roi", which give logits (B, 3, S, S, S).
        weights: of each stage.
        config: what segment.py asks for.
        device: to compute on.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], weights: Mapping, config: dict, device: str = "cpu"
    ) -> None:
        self.config, self.device, self.networks = config, torch.device(device), networks
        for name, network in networks.items():
            network.load_state_dict(weights[name])
            network.to(self.device).eval()

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        image = item["image"]  # a MetaTensor
        spacing = np.linalg.norm(np.asarray(image.affine, np.float64)[:3, :3], axis=0)
        mask = segment(np.asarray(image[0]), spacing, self.config, self.predict)
        return {**item, "pred": type(image)(torch.from_numpy(mask)[None], meta=image.meta)}

    @torch.inference_mode()
    def predict(self, stage: str, image: np.ndarray) -> np.ndarray:
        """Probabilities (2, S, S, S) of liver or tumour, and of tumour."""
        tensor = torch.from_numpy(image).to(self.device, torch.float32)[None, None]
        _, liver, tumour = self.networks[stage](tensor)[0].softmax(0)
        return torch.stack([liver + tumour, tumour]).cpu().numpy()
