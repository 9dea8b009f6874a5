"""What every package uses and what knows no CT: errors, settings, files, threads, arrays, text."""

__all__ = [
    "arrays",
    "device",
    "errors",
    "files",
    "parallel",
    "random",
    "settings",
    "text",
    "verdict",
]
