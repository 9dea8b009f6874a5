"""Names, colours and codes of what a mask holds: the one place where they stand."""

from dataclasses import dataclass

Code = tuple[str, str]  # of SNOMED CT: value and meaning


@dataclass(frozen=True)
class Segment:
    """A class of a mask as other programs name it.

    Args:
        value: of its voxels.
        name: for lists of segments.
        colour: red, green and blue, 0 to 255.
        category: what kind of thing it is, as in DICOM's CID 7150.
        kind: what it is.
        region: where in the body it is, if that is not said by `kind`.
    """

    value: int
    name: str
    colour: tuple[int, int, int]
    category: Code
    kind: Code
    region: Code | None = None


_LIVER = ("10200004", "Liver")
# Colours of Okabe and Ito's palette, <https://jfly.uni-koeln.de/color/>. A tumour is a neoplasm in
# the region of the liver, as in TCIA's data sets.
SEGMENTS = (
    Segment(1, "Liver", (86, 180, 233), ("91723000", "Anatomical Structure"), _LIVER),
    Segment(
        2,
        "Tumour",
        (230, 159, 0),
        ("49755003", "Morphologically Abnormal Structure"),
        ("108369006", "Neoplasm"),
        _LIVER,
    ),
)
