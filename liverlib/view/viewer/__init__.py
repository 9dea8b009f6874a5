"""The slice browser: a page that stands alone, and widgets."""

__all__ = ["bundle", "checks", "editor", "page", "payload", "scan_grid", "widgets"]
