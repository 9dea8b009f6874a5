"""Training steps on a GPU: ours beside the original's network and others, in every precision.

Prints steps and volumes a second, peak memory, and the share of the machine's own rate of matrix
products, measured in the same precision (what a step computes is counted by torch). Then, of our
real training loop, the share of the time that it waits for its windows. Without a GPU it runs on
the CPU, to see that it runs: `python benchmarks/gpu.py --size 32 --matrix 512 --repeats 1`
"""

import argparse
import importlib.util
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import peers
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from liverlib.core.device import best_device, peak_gb
from liverlib.core.parallel import prefetch
from liverlib.pipeline.presets import RunSettings
from liverlib.pipeline.run import Run
from liverlib.synthesis.phantom.phantom import PhantomSettings
from liverlib.training.loop import THREADS, train_step
from liverlib.training.sampler import PatchSampler
from liverlib.training.settings import ROI_DEFAULTS
from liverlib.training.trainer import Trainer

NETWORKS = {  # the package that each needs
    "liverlib": (peers.liverlib, "torch"),
    "original": (peers.original, "torch"),
    "MONAI UNet": (peers.monai_unet, "monai"),
    "MONAI DynUNet": (peers.dynunet, "monai"),
    "nnU-Net's PlainConvUNet": (peers.plain_conv_unet, "nnunetv2"),
}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
HEAD = """\
| network | precision | compiled | channels last | steps/s | volumes/s | GB | % of matrix rate |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=128, help="edge of a volume")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20, help="steps that are timed")
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--only", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--matrix", type=int, default=8192, help="edge of the matrices")
    parser.add_argument("--eager", action="store_true", help="nothing with torch.compile")
    parser.add_argument("--cases", type=int, default=8, help="phantoms of the loop; 0: no loop")
    parser.add_argument("--steps", type=int, default=200, help="of the loop")
    options = parser.parse_args()
    device = best_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {options.batch} volumes of {options.size}³ a step\n")
    rates = {one: matrix_rate(device, PRECISIONS[one], options.matrix)
             for one in options.precisions}  # fmt: skip
    text = ", ".join(f"{one} {rate / 1e12:.2f}" for one, rate in rates.items())
    print(f"TFLOP/s of products of {options.matrix}² matrices: {text}\n\n{HEAD}", flush=True)
    for name in options.only:
        make, package = NETWORKS[name]
        if not importlib.util.find_spec(package):
            print(f"| {name} | not installed |" + " |" * 6)
            continue
        ways = itertools.product(options.precisions, [False, True][: 2 - options.eager], [0, 1])
        for precision, compiled, last in ways:
            row = measure(make, device, PRECISIONS[precision], compiled, bool(last), options)
            share = 100 * row["flops"] * row["rate"] / rates[precision]
            print(f"| {name} | {precision} | {'yes' if compiled else 'no'} | "
                  f"{'yes' if last else 'no'} | {row['rate']:.2f} | "
                  f"{row['rate'] * options.batch:.2f} | {row['gb']:.2f} | {share:.1f} |",
                  flush=True)  # fmt: skip
    if options.cases:
        waits(options.cases, options.steps)


def measure(
    make: Callable[[int], peers.Recipe],
    device: torch.device,
    dtype: torch.dtype,
    compiled: bool,
    last: bool,
    options: argparse.Namespace,
) -> dict[str, float]:
    """Steps a second, floating-point operations of one, and the most memory used."""
    torch.manual_seed(0)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    recipe = make(options.size)
    form = torch.channels_last_3d if last else torch.contiguous_format
    network = recipe.network.to(device, memory_format=form)
    shape = (options.batch, 1, *(options.size,) * 3)
    image = torch.rand(shape, device=device).to(memory_format=form)
    classes = torch.randint(3, shape, device=device).float()
    recipe.network, recipe.float32 = At(network, device, dtype), True
    with FlopCounterMode(display=False) as counter:
        recipe.update(image, classes)
    if compiled:
        recipe.network.network = torch.compile(network)
    for _ in range(2):
        recipe.update(image, classes)
    started = time.perf_counter()
    for _ in range(options.repeats):
        recipe.update(image, classes)  # it returns the loss, and so waits for the device
    rate = options.repeats / (time.perf_counter() - started)
    return {"rate": rate, "flops": counter.get_total_flops(), "gb": peak_gb(device)}


class At(nn.Module):
    """A network applied in one precision."""

    def __init__(self, network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.device, self.dtype = network, device, dtype

    def forward(self, image: torch.Tensor):
        lower = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype if lower else None, enabled=lower):
            return self.network(image)


def matrix_rate(device: torch.device, dtype: torch.dtype, edge: int, repeats: int = 10) -> float:
    """Floating-point operations a second of large matrix products."""
    a, b = (torch.rand(edge, edge, device=device, dtype=dtype) for _ in range(2))

    def products(n: int) -> float:
        started = time.perf_counter()
        for _ in range(n):
            c = a @ b
        c[0, 0].item()
        return time.perf_counter() - started

    products(2)
    return repeats * 2 * edge**3 / products(repeats)


def waits(cases: int, steps: int) -> None:
    """The share of our training loop's time that passes in waiting for the next batch."""
    phantom = PhantomSettings(cases=cases, unlabelled=0)
    cubes: list[Path] = Run(RunSettings(phantom=phantom)).cubes("train", "liver")
    settings = replace(ROI_DEFAULTS, epochs=1, steps=steps)
    windows = PatchSampler(cubes, settings.window, settings.tumour, settings.liver, settings.seed)
    training = Trainer(settings, windows.edge)
    batches = prefetch(lambda step: windows.batch(training.share(step)), range(steps), THREADS)
    waited = 0.0
    for step in range(steps):
        asked = time.perf_counter()
        if step == min(10, steps // 2):  # the first steps set things up
            waited, begun = 0.0, asked
        batch = next(batches)
        waited += time.perf_counter() - asked
        train_step(training, batch, step, steps)
    seconds = time.perf_counter() - begun
    print(f"\nOur loop: {steps} steps, of which it waited {100 * waited / seconds:.1f} % of the "
          f"time for windows; {(steps - min(10, steps // 2)) / seconds:.2f} steps/s")  # fmt: skip


if __name__ == "__main__":
    main()
