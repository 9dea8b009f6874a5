"""The network: a 3D U-Net, as readable as its picture.

    (B, 1, S, S, S) ─space to depth─► encode ──► encode ──► encode ──► bottom
                                        │          │          │          │
    (B, 3, S, S, S) ◄─depth to space─ decode ◄── decode ◄── decode ◄──────┘

What is special: with ``block_size=2`` each 2×2×2 block of voxels becomes 8 channels before the
first convolution and is spread out again after the last one, so that the widest layers work on an
eighth of the voxels. It is fully convolutional: trained on patches, applied to whole cubes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

N_CLASSES = 3  # background, liver, tumour


class UNet3D(nn.Module):
    """Logits (B, 3, D, H, W) of an image (B, 1, D, H, W), whose edges divide by `divisor`.

    `UNet3D((32, 64, 128), block_size=1, norm=False)` is the original project's network, to the
    parameter (1,355,427 of them).

    Args:
        channels: feature maps at each level, from the top to the bottom.
        block_size: edge of the blocks of voxels that become channels; 1: none.
        norm: instance norm after each convolution.

    >>> UNet3D((8, 16))(torch.zeros(1, 1, 16, 16, 16)).shape
    torch.Size([1, 3, 16, 16, 16])
    """

    def __init__(
        self, channels: Sequence[int] = (16, 32, 64, 128), block_size: int = 2, norm: bool = True
    ) -> None:
        super().__init__()
        self.shape: dict[str, Any] = {
            "channels": tuple(channels),
            "block_size": block_size,
            "norm": norm,
        }
        self.block_size = block_size
        self.divisor = block_size * 2 ** (len(channels) - 1)
        widths = [block_size**3, *channels]
        self.encoders = nn.ModuleList(
            Block(below, width, norm) for below, width in pairwise(widths)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose3d(deeper, width, kernel_size=2, stride=2)
            for width, deeper in pairwise(channels)
        )
        self.decoders = nn.ModuleList(Block(2 * width, width, norm) for width in channels[:-1])
        self.head = nn.Conv3d(channels[0], N_CLASSES * block_size**3, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        x = space_to_depth(image, self.block_size)  # (B, b³, D/b, H/b, W/b)
        skips = []
        for encoder in self.encoders[:-1]:
            x = encoder(x)
            skips.append(x)
            x = nn.functional.max_pool3d(x, 2)
        x = self.encoders[-1](x)
        for up, decoder, skip in reversed(list(zip(self.ups, self.decoders, skips, strict=True))):
            x = decoder(torch.cat([skip, up(x)], dim=1))
        return depth_to_space(self.head(x), self.block_size)


class Block(nn.Sequential):
    """Two 3×3×3 convolutions, each with its norm and its non-linearity."""

    def __init__(self, before: int, width: int, norm: bool) -> None:
        layers: list[nn.Module] = []
        for source in (before, width):
            layers.append(nn.Conv3d(source, width, kernel_size=3, padding=1))
            if norm:  # by instance: one or two volumes make batch statistics useless
                layers.append(nn.InstanceNorm3d(width, affine=True))
            layers.append(nn.LeakyReLU(0.01, inplace=True) if norm else nn.ReLU(inplace=True))
        super().__init__(*layers)


def space_to_depth(x: Tensor, n: int) -> Tensor:
    """(B, C, D, H, W) → (B, C·n³, D/n, H/n, W/n): each block of n³ voxels becomes channels."""
    b, c, d, h, w = x.shape
    blocks = x.reshape(b, c, d // n, n, h // n, n, w // n, n)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(b, c * n**3, d // n, h // n, w // n)


def depth_to_space(x: Tensor, n: int) -> Tensor:
    """(B, C·n³, D, H, W) → (B, C, D·n, H·n, W·n): the inverse of `space_to_depth`."""
    b, c, d, h, w = x.shape
    blocks = x.reshape(b, c // n**3, n, n, n, d, h, w)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, c // n**3, d * n, h * n, w * n)
