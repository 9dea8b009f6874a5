"""What a training step costs: seconds a volume and memory, ours beside the original network's.

A step is the network forward, its loss, the gradients and the optimiser, on one whole cube; each
is measured in a fresh process, whose peak memory is told. The original runs in float32, as it did.
Then ours alone from 64³ to 160³. `python benchmarks/step.py [--sizes 64 96 128 160] [--compiled]`
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
from train import peak_gb


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=128, help="of the cube beside the original's")
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 96, 128, 160])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compiled", action="store_true", help="ours with torch.compile as well")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(**json.loads(options.measure))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, "
          f"Python {platform.python_version()}\n")  # fmt: skip
    ways = ["liverlib", "original"] + ["liverlib, compiled"] * options.compiled
    found = {}
    for way in ways:
        repeats = 2 if way == "original" else options.repeats
        found[way] = fresh(way=way, size=options.size, repeats=repeats)
    print(f"| one step, {options.size}³ | s a volume | of the original's | peak GB | "
          "of the original's |\n| --- | --- | --- | --- | --- |")  # fmt: skip
    slow, large = found["original"]
    for way, (seconds, gb) in found.items():
        part = f"1/{slow / seconds:.1f}" if way != "original" else ""
        print(f"| {way} | {seconds:.2f} | {part} | {gb:.2f} | "
              f"{f'1/{large / gb:.1f}' if part else ''} |", flush=True)  # fmt: skip
    print("\n| liverlib | s a volume | µs a voxel | peak GB |\n| --- | --- | --- | --- |")
    for size in options.sizes:
        seconds, gb = fresh(way="liverlib", size=size, repeats=options.repeats)
        print(f"| {size}³ | {seconds:.2f} | {1e6 * seconds / size**3:.3f} | {gb:.2f} |", flush=True)


def fresh(**task) -> tuple[float, float]:
    command = [sys.executable, "-W", "ignore", __file__, "--measure", json.dumps(task)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def measure(way: str, size: int, repeats: int) -> None:
    """In a process of its own: prints the median seconds of a step, and the peak memory in GB."""
    import torch
    from peers import original

    from liverlib.training.settings import ROI_DEFAULTS
    from liverlib.training.trainer import Trainer

    image = torch.rand(1, 1, size, size, size)
    soft_labels = torch.rand(1, 2, size, size, size).sort(dim=1, descending=True).values
    if way == "original":
        recipe, classes = original(size), (soft_labels >= 0.5).sum(1, keepdim=True)
        del soft_labels
        steps = (lambda: recipe.update(image, classes) for _ in range(repeats + 1))
    else:
        settings = replace(ROI_DEFAULTS, batch=1, window=0, compiled=way.endswith("compiled"))
        training = Trainer(settings, size)
        steps = (lambda: training.update(image, soft_labels, 1e-3, 50) for _ in range(repeats + 1))
    seconds = []
    for step in steps:
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    print(json.dumps([float(np.median(seconds[1:])), peak_gb()]))


if __name__ == "__main__":
    main()
