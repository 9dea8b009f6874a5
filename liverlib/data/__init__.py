"""Datasets: which scans there are, whose they are, what each is used for, and how to fetch them."""

__all__ = [
    "cases",
    "download",
    "fingerprint",
    "lits",
    "remote_tar",
    "splits",
    "transfer",
]
