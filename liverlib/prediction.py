"""What the looks say of one scan, kept in their small cubes, and what can be drawn from it.

A mask, maps of probability, how far single answers spread: each is brought to the scan's own grid
slab by slab, as bytes. No float array of the scan's size is ever made.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from liverlib.cube import MARGIN_MM, Box, Cube, classes, liver_box
from liverlib.resample import SLAB
from liverlib.scan import Grid, Volume

Shares = tuple[Cube, np.ndarray]  # a cube, and (2, S, S, S) like its occupancy, 0…1


@dataclass(frozen=True)
class Rules:
    """What is taken out of a mask. With `largest` off every tumour has its liver around it, and
    `inside` changes nothing."""

    largest: bool = True  # of the liver only the largest connected piece is kept
    inside: bool = True  # no tumour is left outside it
    sure: float = 0.7  # the mean probability that a lesion needs; chosen on phantoms kept for that

    def __str__(self) -> str:
        liver = "the largest piece" if self.largest else "every piece"
        tumours = "inside it" if self.inside or not self.largest else "anywhere"
        return f"liver: {liver}; tumours: {tumours}, of a mean probability from {self.sure:g}"

    def dropped(self, mask: np.ndarray) -> np.ndarray:
        """Where an array of classes is to become background."""
        if not self.largest:
            return np.zeros(mask.shape, bool)
        found = apart(mask > 0)
        return found if self.inside else found & (mask != 2)


@dataclass(frozen=True, eq=False)
class Seen:
    """One look at a scan: its cube, and (N, 2, S, S, S) float32, how likely each voxel is liver
    (or tumour), and tumour, by each network and each test-time augmentation."""

    cube: Cube
    answers: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """The answers' average, (2, S, S, S)."""
        return self.answers.mean(axis=0)

    def answer(self, n: int) -> np.ndarray:
        """The nth answer, (2, S, S, S); begins again after the last."""
        return self.answers[n % len(self.answers)]


@dataclass(frozen=True, eq=False)
class Prediction:
    """One or two looks at a scan of this grid. Rules touch the mask, never the probabilities."""

    grid: Grid
    name: str
    looks: Sequence[Seen]
    rules: Rules = Rules()

    def mask(self) -> Volume:
        """0 background, 1 liver, 2 tumour, by the average of the answers."""
        mask = self._mask([look.mean for look in self.looks])
        return Volume(mask, self.grid, self.name)

    def probability(self, least: int) -> np.ndarray:
        """How likely each voxel is of class `least` or a higher one, (X, Y, Z) uint8 in 1/255:
        1 asks for the liver with its tumours, 2 for tumour."""
        shares = [(look.cube, look.mean) for look in self.looks]
        drawn = np.zeros(self.grid.shape, np.uint8, order="F")
        parts = [(shares[0][0].box, shares[0][0].slabs(shares[0][1], shares[0][0].box))]
        if len(shares) > 1:
            parts.append((shares[1][0].box, _blended(*shares, self.grid.spacing)))
        for box, slabs in parts:
            _fill(_part(drawn, box), (np.rint(255 * slab[least - 1]) for slab in slabs))
        return drawn

    def tumour_ml(self) -> tuple[float, ...]:
        """The tumours' volume by each answer alone, NaN where the spacing is unknown; none where
        there is only one answer."""
        count = max((len(look.answers) for look in self.looks), default=1)
        masks = (self._mask([look.answer(n) for look in self.looks]) for n in range(count))
        volumes = (np.count_nonzero(mask == 2) * self.grid.voxel_ml for mask in masks)
        return tuple(float(ml) for ml in volumes) if count > 1 else ()

    def _mask(self, answers: Sequence[np.ndarray]) -> np.ndarray:
        shares = [
            (look.cube, keep(answer, self.rules))
            for look, answer in zip(self.looks, answers, strict=True)
        ]
        if len(shares) == 1:
            return shares[0][0].to_grid(shares[0][1])
        found, box = found_box(*shares[0], self.grid.spacing), shares[1][0].box
        if found and not _within(found, box):  # else the second look draws over all of it
            mask = shares[0][0].to_grid(shares[0][1])
        else:
            mask = np.zeros(self.grid.shape, np.uint8, order="F")
        blend(mask, *shares, self.grid.spacing, self.rules)
        return mask


def blend(
    mask: np.ndarray,
    first: Shares,
    second: Shares,
    spacing: Sequence[float],
    rules: Rules = Rules(),
) -> None:
    """Draws into the mask what the second look says inside its box.

    It takes over from the first by and by, over `MARGIN_MM` from the faces of its box, so that no
    seam is left.
    """
    inside = _part(mask, second[0].box)
    _fill(inside, map(classes, _blended(first, second, spacing)))
    inside[rules.dropped(inside)] = 0  # what the first look alone had joined to the liver


def keep(shares: np.ndarray, rules: Rules = Rules()) -> np.ndarray:
    """The shares (2, …), with nothing where the rules drop liver or tumour.

    Elsewhere than in the liver a network now and then takes spleen or heart for it. Lesions that
    it is unsure of become liver: most of them are none.
    """
    kept = np.where(rules.dropped(classes(shares)), np.float32(0), shares)
    lesions, count = ndimage.label(kept[1] >= 0.5)
    means = ndimage.mean(kept[1], lesions, range(1, count + 1))
    unsure = np.append(False, np.less(means, rules.sure))  # first: what is no lesion
    kept[1][unsure[lesions]] = 0
    return kept


def found_box(cube: Cube, shares: np.ndarray, spacing: np.ndarray) -> Box | None:
    """The box, in the scan's voxels, around the liver that the shares of a cube show."""
    width = [
        (stop - start) / n for (start, stop), n in zip(cube.box, shares.shape[1:], strict=True)
    ]
    found = liver_box(shares[0] >= 0.5, np.multiply(width, spacing))
    if found is None:
        return None
    edges = (
        (start + low * w, start + high * w)
        for (low, high), (start, _), w in zip(found, cube.box, width, strict=True)
    )
    return tuple((int(np.floor(low)), int(np.ceil(high))) for low, high in edges)


def apart(liver: np.ndarray) -> np.ndarray:
    """What of a mask is not part of its largest connected piece (6 neighbours)."""
    pieces, count = ndimage.label(liver)
    if count < 2:
        return np.zeros_like(liver)
    return (pieces > 0) & (pieces != 1 + np.argmax(np.bincount(pieces.ravel())[1:]))


def _blended(first: Shares, second: Shares, spacing: Sequence[float]) -> Iterator[np.ndarray]:
    """Slabs (2, X, Y, ≤ SLAB) of the shares in the second look's box."""
    box = second[0].box
    x, y, z = _ramps(second[0], spacing)
    across = x[:, None] * y
    slabs = zip(first[0].slabs(first[1], box), second[0].slabs(second[1], box), strict=True)
    for n, (before, after) in enumerate(slabs):
        weight = (z[n * SLAB : (n + 1) * SLAB, None, None] * across).transpose(1, 2, 0)
        after -= before
        after *= weight
        after += before
        yield after


def _ramps(cube: Cube, spacing: Sequence[float]) -> list[np.ndarray]:
    """Along each axis of a box, from 0 at its faces to 1 at `MARGIN_MM` and deeper.

    A face that is the scan's own is no seam: there it is 1 at once.
    """
    ramps = []
    for (start, stop), whole, mm in zip(cube.box, cube.shape, spacing, strict=True):
        at = np.arange(start, stop) + 0.5
        low = (at - start) * mm / MARGIN_MM if start > 0 else np.ones(len(at))
        high = (stop - at) * mm / MARGIN_MM if stop < whole else np.ones(len(at))
        ramps.append(np.minimum(np.minimum(low, high), 1).astype(np.float32))
    return ramps


def _within(box: Box, whole: Box) -> bool:
    return all(a <= c and d <= b for (c, d), (a, b) in zip(box, whole, strict=True))


def _part(array: np.ndarray, box: Box) -> np.ndarray:
    return array[tuple(slice(start, stop) for start, stop in box)]


def _fill(inside: np.ndarray, slabs: Iterable[np.ndarray]) -> None:
    for n, slab in enumerate(slabs):
        inside[:, :, n * SLAB : (n + 1) * SLAB] = slab
