from pathlib import Path


def mount(mountpoint: str) -> None:
    """As Colab does, leaves a folder MyDrive in `mountpoint`."""
    (Path(mountpoint) / "MyDrive").mkdir(parents=True, exist_ok=True)
