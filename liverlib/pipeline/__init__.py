"""A whole run: settings, paths, steps, scores."""

__all__ = ["colab", "inputs", "paths", "presets", "run", "scoring"]
