"""The training loop, its settings, and what a step sees."""

__all__ = ["augment", "history", "loop", "sampler", "settings", "trainer", "workers"]
