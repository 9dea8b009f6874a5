"""liverlib: the liver and its tumours from CT, in 3D, from the file to the picture.

Importing the package costs nothing: each room is imported by name (``from liverlib import scan``),
and only those that train or apply a network bring torch with them.
"""

__version__ = "0.1.0"

NOT_MEDICAL = "Not a medical device: for teaching and research."


class LiverlibError(ValueError):
    """A user's mistake or a broken file: says which file, what is wrong, and what to do."""
