"""The network, its weight files, and what it minimises."""

__all__ = ["losses", "unet", "weights"]
