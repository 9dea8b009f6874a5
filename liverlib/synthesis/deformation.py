"""A label map's random rotation and bending in a patient, and the field of view of its scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional as F

from liverlib.preprocessing.boxes import MARGIN_MM

from .noise import upsample
from .phantom.sdf import orthonormalised


@dataclass(frozen=True, eq=False)
class LabelMap:
    """The arrays of one label map (see `label_maps.make_label_map`), its tissues on a device."""

    tissue: Tensor
    table: np.ndarray
    liver: np.ndarray
    body: np.ndarray
    spacing: float  # mm

    @classmethod
    def load(cls, path: Path, spacing: float, device: torch.device | str = "cpu") -> "LabelMap":
        """The label map in a file, of voxels of `spacing` mm."""
        with safe_open(path, "pt") as file:
            tissue = file.get_tensor("tissue").to(device)
            table, liver, body = (
                file.get_tensor(name).numpy() for name in ("table", "liver", "body")
            )
        return cls(tissue, table, liver, body, spacing)

    def tissue_at(self, coordinates: Tensor, offset: Sequence[float] = (0, 0, 0)) -> Tensor:
        """The tissues (n,) at coordinates (3, …) in voxels, moved by `offset` (3,) voxels."""
        shape = self.tissue.shape
        x, y, z = (
            (axis + float(shift)).round_().clamp_(0, n - 1).int()
            for axis, shift, n in zip(coordinates, offset, shape, strict=True)
        )
        index = ((x * shape[1] + y) * shape[2] + z).flatten()
        return self.tissue.flatten().index_select(0, index).int()


class Deformation:
    """A random rotation and bending: from the patient's mm to a label map's voxels, and back.

    `liver` and `body` (m, 3) are the label map's points in the patient's mm.
    """

    def __init__(self, label_map: LabelMap, random: np.random.Generator) -> None:
        self.spacing, self.device = label_map.spacing, label_map.tissue.device
        self.extent = label_map.spacing * np.array(label_map.tissue.shape)
        self.centre = self.extent / 2
        self.rotation = orthonormalised(np.eye(3) + random.normal(0, 0.07, (3, 3)))
        strength = random.uniform(0, 1.6)
        self.field = strength * displacement_field(random)
        self.liver, self.body = (
            self._to_patient((points + 0.5) * self.spacing)
            for points in (label_map.liver, label_map.body)
        )

    def coordinates(self, start: np.ndarray, voxel: np.ndarray, edge: int) -> Tensor:
        """Coordinates (3, edge³) in the label map, in its voxels, of a block of the patient.

        The block begins at `start` mm; `voxel` holds the sides of its voxels in mm. Computed for
        about every fourth voxel, and interpolated between them.
        """
        some = torch.linspace(0.5, edge - 0.5, edge // 4 + 2, device=self.device)
        axes = [some * float(mm) + float(low) for low, mm in zip(start, voxel, strict=True)]
        mm = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        centre = self._tensor(self.centre).view(3, 1, 1, 1)
        turned = torch.einsum("ij,jxyz->ixyz", self._tensor(self.rotation), mm - centre) + centre
        bent = turned + self._displacement(mm.permute(1, 2, 3, 0)[None])[0]
        return upsample(bent / self.spacing - 0.5, edge)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    def _displacement(self, mm: Tensor) -> Tensor:
        """Displacements (1, 3, …) in mm at positions (1, …, 3) of the patient."""
        extent = torch.tensor(self.extent, dtype=torch.float32, device=mm.device)
        position = (mm / extent * 2 - 1).flip(-1)
        field = self.field.to(mm.device)
        return F.grid_sample(field, position, padding_mode="border", align_corners=True)

    def _to_patient(self, points: np.ndarray) -> np.ndarray:
        """Points (m, 3) of the label map, in mm, brought to the patient: to a millimetre or two."""
        guess = points
        for _ in range(3):
            positions = torch.tensor(guess, dtype=torch.float32)  # on the CPU: they are few
            moved = self._displacement(positions[None, :, None, None])[0, :, :, 0, 0].T
            guess = (points - moved.numpy() - self.centre) @ self.rotation + self.centre
        return guess


def displacement_field(random: np.random.Generator) -> Tensor:
    """Smooth displacements of about 10 mm, (1, 3, 16, 16, 16) over a label map's extent."""
    broad, fine = (
        torch.from_numpy(random.standard_normal((1, 3, n, n, n), np.float32)) for n in (4, 9)
    )
    return 9.0 * upsample(broad, 16) + 3.0 * upsample(fine, 16)


def field_of_view(
    deformation: Deformation, crop: str, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The two corners (3,) of a cube, in the patient's mm; `crop` is "body" or "liver".

    The scan reaches from chest to pelvis, or covers the liver, or cuts its dome or its tip, or is
    a slab of a few centimetres. The liver's box is now and then wrong, as after a coarse stage
    that took the spleen for liver, or missed some liver.
    """
    liver = deformation.liver if len(deformation.liver) else deformation.body
    low, high = _scan_range(deformation.body, liver, random)
    points, margin = (liver, MARGIN_MM) if crop == "liver" else (deformation.body, 7.0)
    points = points[(points[:, 2] >= low) & (points[:, 2] <= high)]
    error = random.normal(0, 3, (2, 3))
    if crop == "liver":
        error = np.where(random.random((2, 3)) < 0.12, random.uniform(-15, 60, (2, 3)), error)
    first, last = points.min(0) - margin - error[0], points.max(0) + margin + error[1]
    if crop == "body":
        first[2], last[2] = low, high
    first[2], last[2] = max(first[2], low), min(last[2], high)
    return first, last


def _scan_range(
    body: np.ndarray, liver: np.ndarray, random: np.random.Generator
) -> tuple[float, float]:
    """The heights of the scan's first and last slice, in the patient's mm."""
    low, high = body[:, 2].min(), body[:, 2].max()
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
    return low, high
