"""Pictures of scans, labels and masks: slices, figures, charts, films, reports, the browser."""

__all__ = ["animation", "charts", "figures", "preview", "report", "slices", "teaching", "viewer"]
