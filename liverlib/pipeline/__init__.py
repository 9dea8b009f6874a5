"""A whole run: settings, paths, steps, scores."""

__all__ = ["colab", "paths", "presets", "run", "scoring"]
