"""A JupyterLab of its own on a loopback port, for tests and benchmarks in a real browser."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

TOKEN = "only-here"
READY = "Python 3 (ipykernel) | Idle"
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """The address of a server on `folder`, which touches nobody's settings; stopped at the end."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={folder}",
            "--LabApp.expose_app_in_browser=True",  # window.jupyterapp, to run commands by name
        ],
        env=os.environ | own_places(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stderr:
            if f"http://127.0.0.1:{port}/lab" in line:
                break
        else:
            raise RuntimeError(f"JupyterLab did not start (exit code {process.wait()}).")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # or the pipe fills up
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def own_places(folder: Path) -> dict[str, str]:
    """Variables that keep the settings, data and layouts of this JupyterLab in a folder of its own.

    Without the prompt for news, which would cover a corner and ask the network.
    """
    home = folder / ".jupyter"
    (home / "config" / "labconfig").mkdir(parents=True, exist_ok=True)
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "config" / "labconfig" / "page_config.json").write_text(json.dumps(quiet))
    return {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "IPYTHONDIR": str(home / "ipython"),
    }


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def write_notebook(path: Path, cells: list[str], outputs: list | None = None) -> Path:
    """A notebook of code cells; `outputs` are those of the last one, as if it had been run."""
    made = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{i}",
            "metadata": {},
            "outputs": outputs if outputs and i == len(cells) - 1 else [],
            "source": cell,
        }
        for i, cell in enumerate(cells)
    ]
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    content = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))
    return path


def open_notebook(page: object, address: str, name: str) -> None:
    """Opens a notebook in a Playwright page and waits until its kernel can be used.

    In a workspace of its own: JupyterLab would open again what was open the last time.
    """
    page.goto(f"{address}/lab/workspaces/{uuid4().hex}/tree/{name}?token={TOKEN}")
    page.get_by_text(READY).wait_for(timeout=60_000)


def command(page: object, name: str, **arguments: object) -> None:
    """Runs one of JupyterLab's commands, as its menus do."""
    run = "([name, arguments]) => jupyterapp.commands.execute(name, arguments)"
    page.evaluate(run, [name, arguments])
