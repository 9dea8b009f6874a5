"""A stand-in for Colab's own package, of which the project uses `drive.mount` alone."""
