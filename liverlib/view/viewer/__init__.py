"""The slice browser: a page that stands alone, and widgets."""

__all__ = ["bundle", "page", "payload", "widgets"]
