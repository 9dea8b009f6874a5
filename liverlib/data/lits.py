"""Known facts about the scans of LiTS, which are also those of MSD's Task03_Liver.

The facts come from comparing masks and headers, and from lists that several groups published with
equal content; each fact states its source. `splits` and `fingerprint` use them.
"""

import re

# LiTS 28–46 have the liver masks of 3D-IRCADb-1's patients 1–19, voxel for voxel; 47 is patient 20
# by exclusion. A mapping that circulates (28–44 and 46–48) is wrong.
IRCADB = range(28, 48)
FALSE_IDENTITY = IRCADB  # 1×1×1 mm at the origin: false, by factors of 0.5 to 2.2 in volume
# Of the 131 labelled cases, those without a tumour: counted alike by many public repositories; 32,
# 34, 38, 41 and 47 are 3D-IRCADb's patients 5, 7, 11, 14 and 20, tumour-free in its own table too.
TUMOUR_FREE = frozenset({32, 34, 38, 41, 47, 87, 89, 91, 105, 106, 114, 115, 119})
LABELLED = 131
_LITS = re.compile(r"(?:liver|lits|volume|segmentation)[-_]?0*(\d+)(?:_0000)?", re.IGNORECASE)
_IRCADB = re.compile(r"(?:3d[-_ ]?)?ircadb?(?:[-_ ]?0?1[._-])?[-_ ]?0*(\d+)", re.IGNORECASE)


def case_number(name: str) -> int | None:
    """The number in LiTS of a case called "liver_3", "volume-3" or "3Dircadb1.5"; else None.

    MSD kept the numbers of LiTS. Patient n of 3D-IRCADb is n + 27 in LiTS.
    """
    if (match := _LITS.fullmatch(name)) and int(match[1]) < LABELLED:
        return int(match[1])
    if (match := _IRCADB.fullmatch(name)) and 1 <= int(match[1]) <= len(IRCADB):
        return IRCADB[int(match[1]) - 1]
    return None


def patient(name: str) -> str:
    """The person's name: equal for all names that datasets give to the same person's scan."""
    number = case_number(name)
    return name if number is None else f"LiTS {number}"


def tumour_free(name: str) -> bool:
    """Whether the case is known to have no tumour."""
    return case_number(name) in TUMOUR_FREE
