"""What one does first, and what looks after the program: no scan of one's own in it."""

__all__ = ["completion", "demo", "notebooks", "where"]
