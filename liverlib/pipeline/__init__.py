"""A whole run: settings, paths, steps, scores."""

__all__ = ["checks", "colab", "inputs", "paths", "presets", "run", "scoring"]
