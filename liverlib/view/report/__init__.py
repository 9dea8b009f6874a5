"""Reports as self-contained pages of HTML: of a run, and of one scan's lesions."""

__all__ = ["html", "run_report", "scan_report"]
