"""What is minimised. Targets are soft labels: a cube's voxel may be a third tumour."""

import torch
from torch import Tensor


def class_targets(soft_labels: Tensor) -> Tensor:
    """Soft labels (B, 2, …) → (B, 3, …): how much is background, liver without tumour, tumour."""
    liver, tumour = soft_labels.unbind(1)
    return torch.stack([1 - liver, liver - tumour, tumour], dim=1)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over voxels of −Σ target · log p; with whole voxels, torch's `cross_entropy`."""
    return -(targets * logits.log_softmax(1)).sum(1).mean()


def soft_dice(logits: Tensor, targets: Tensor, smooth: float = 1e-5) -> Tensor:
    """1 − 2 Σ p·t / (Σ p + Σ t), the mean over liver and tumour; sums run over the whole batch.

    Summing over the batch keeps a patch without tumour from counting as a failure. `smooth` is
    added above and below, as in MONAI's `DiceLoss(batch=True)`. The batch is that of all processes
    that train together.
    """
    p, t = (x[:, 1:].transpose(0, 1).flatten(1) for x in (logits.softmax(1), targets))  # (2, N)
    both, each = over_processes(torch.stack([(p * t).sum(1), p.sum(1) + t.sum(1)]))
    return 1 - ((2 * both + smooth) / (each + smooth)).mean()


class AllReduceSum(torch.autograd.Function):
    """The sums of all processes that train together; gradients go back to all."""

    @staticmethod
    def forward(ctx, sums: Tensor) -> Tensor:
        sums = sums.clone()
        torch.distributed.all_reduce(sums)
        return sums

    backward = forward


def over_processes(sums: Tensor) -> Tensor:
    """Summed over the processes that train together, with gradients; alone: as they are."""
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    return AllReduceSum.apply(sums) if several else sums


def dice_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Their sum: the overlap looks at what is rare, the cross-entropy at every voxel."""
    return soft_dice(logits, targets) + cross_entropy(logits, targets)


LOSSES = {"dice+ce": dice_cross_entropy, "ce": cross_entropy}
