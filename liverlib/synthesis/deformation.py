"""How an anatomy lies in a patient, turned and bent at random, and what a scan shows of it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from liverlib.preprocessing.boxes import MARGIN_MM

from .noise import stretched


@dataclass(frozen=True, eq=False)
class LabelMap:
    """One anatomy's arrays (`anatomies.make_label_map`), the map of its tissues on a device."""

    tissue: Tensor
    table: np.ndarray
    liver: np.ndarray
    body: np.ndarray
    spacing: float  # mm


class Deformation:
    """How an anatomy is turned and bent: from the patient's mm to the map's voxels and back.

    `liver` and `body` (m, 3) are the anatomy's places in the patient's mm.
    """

    def __init__(self, anatomy: LabelMap, random: np.random.Generator) -> None:
        self.spacing, self.device = anatomy.spacing, anatomy.tissue.device
        self.extent = anatomy.spacing * np.array(anatomy.tissue.shape)
        self.centre = self.extent / 2
        turn, _ = np.linalg.qr(np.eye(3) + random.normal(0, 0.07, (3, 3)))
        self.turn = turn * np.sign(np.diag(turn))
        size = random.uniform(0, 1.6)  # of the bending
        self.field = size * _field(random)
        places = (anatomy.liver, anatomy.body)
        self.liver, self.body = (self._back((one + 0.5) * self.spacing) for one in places)

    def places(self, start: np.ndarray, voxel: np.ndarray, edge: int) -> Tensor:
        """Where a block of edge³ voxels from `start` on (mm) lies in the map: (3, …), in voxels.

        Found for every fourth voxel or so, and between them by interpolation.
        """
        some = torch.linspace(0.5, edge - 0.5, edge // 4 + 2, device=self.device)
        axes = [some * float(mm) + float(low) for low, mm in zip(start, voxel, strict=True)]
        mm = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        centre = self._tensor(self.centre).view(3, 1, 1, 1)
        turned = torch.einsum("ij,jxyz->ixyz", self._tensor(self.turn), mm - centre) + centre
        found = (turned + self._bent(mm.permute(1, 2, 3, 0)[None])[0]) / self.spacing - 0.5
        return stretched(found, edge)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    def _bent(self, mm: Tensor) -> Tensor:
        """Displacements (1, 3, …) in mm at places (1, …, 3) of the patient."""
        extent = torch.tensor(self.extent, dtype=torch.float32, device=mm.device)
        at = (mm / extent * 2 - 1).flip(-1)
        field = self.field.to(mm.device)
        return F.grid_sample(field, at, padding_mode="border", align_corners=True)

    def _back(self, places: np.ndarray) -> np.ndarray:
        """Places of the map, in mm, where they lie in the patient: to a millimetre or two."""
        found = places
        for _ in range(3):
            at = torch.tensor(found, dtype=torch.float32)  # few: faster where they are
            moved = self._bent(at[None, :, None, None])[0, :, :, 0, 0].T
            found = (places - moved.numpy() - self.centre) @ self.turn + self.centre
        return found


def _field(random: np.random.Generator) -> Tensor:
    """Smooth displacements of about 10 mm, (1, 3, 16, 16, 16) over a map's extent."""
    broad, fine = (
        torch.from_numpy(random.standard_normal((1, 3, n, n, n), np.float32)) for n in (4, 9)
    )
    return 9.0 * stretched(broad, 16) + 3.0 * stretched(fine, 16)


def view(
    pose: Deformation, crop: str, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What a cube covers, from and to, in the patient's mm: the body, or the liver with a margin.

    The scan reaches from chest to pelvis, or just around the liver, or cuts its dome or its tip, or
    is a slab of a few centimetres.
    """
    low, high = pose.body[:, 2].min(), pose.body[:, 2].max()
    liver = pose.liver if len(pose.liver) else pose.body
    tip, dome = np.quantile(liver[:, 2], (0.002, 0.998))
    kind = random.random()
    if kind < 0.65:
        low = max(low, tip - random.uniform(3, 110))
        high = min(high, dome + random.uniform(3, 60))
    if kind < 0.1:
        low = tip + random.uniform(0, 0.35) * (dome - tip)
    elif kind < 0.2:
        high = dome - random.uniform(0, 0.3) * (dome - tip)
    elif kind < 0.28:
        middle, half = random.uniform(tip + 20, max(dome - 20, tip + 21)), random.uniform(15, 40)
        low, high = middle - half, middle + half
    shown, margin = pose.body, 7.0
    if crop == "liver":
        shown, margin = liver, MARGIN_MM
    shown = shown[(shown[:, 2] >= low) & (shown[:, 2] <= high)]
    wrong = random.normal(0, 3, (2, 3))
    if crop == "liver":  # the first look may take more for liver, or miss some of it
        wrong = np.where(random.random((2, 3)) < 0.12, random.uniform(-15, 60, (2, 3)), wrong)
    first, last = shown.min(0) - margin - wrong[0], shown.max(0) + margin + wrong[1]
    if crop == "body":
        first[2], last[2] = low, high
    first[2], last[2] = max(first[2], low), min(last[2], high)
    return first, last
