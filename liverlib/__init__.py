"""liverlib: the liver and its tumours from CT, in 3D, from the file to the picture."""

__version__ = "0.1.0"
