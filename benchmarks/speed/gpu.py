"""Training steps on a GPU: liverlib's beside other networks, in every precision.

Reports steps and volumes a second, peak memory, and the part of the machine's own rate of matrix
products in the same precision; torch counts what a step computes. Then, of liverlib's training
loop, the part of the time that it waits for its patches. Without a GPU it runs on the CPU, to see
that it runs: `--size 32 --matrix 512 --repeats 1 --cases 0 --precisions fp32`.
"""

import argparse
import importlib.util
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))
import peers
from report import Report

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
COLUMNS = ("network", "precision", "compiled", "channels last", "steps/s", "volumes/s", "GB",
           "% of matrix rate")  # fmt: skip


def main() -> None:
    options, device = arguments(), best_device()
    with Report(__file__, "monai", "nnunetv2", "dynamic-network-architectures") as report:
        report.text(f"{options.batch} volumes of {options.size}³ a step, {options.repeats} steps")
        rates = {
            name: matrix_rate(device, PRECISIONS[name], options.matrix)
            for name in options.precisions
        }
        text = ", ".join(f"{name} {rate / 1e12:.2f}" for name, rate in rates.items())
        report.text(f"TFLOP/s of products of {options.matrix}² matrices: {text}")
        report.columns(*COLUMNS)
        for name in options.only:
            make, package = NETWORKS[name]
            if importlib.util.find_spec(package):
                compare(report, name, make, rates, options)
            else:
                report.row(name, "not installed", *[""] * (len(COLUMNS) - 2))
        if options.cases:
            report.text(waiting(options.cases, options.steps))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128, help="edge of a volume")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20, help="steps that are timed")
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=PRECISIONS)
    parser.add_argument("--only", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--matrix", type=int, default=8192, help="edge of the matrices")
    parser.add_argument("--eager", action="store_true", help="nothing with torch.compile")
    parser.add_argument("--cases", type=int, default=8, help="phantoms of the loop; 0: no loop")
    parser.add_argument("--steps", type=int, default=200, help="of the loop")
    return parser.parse_args()


def compare(
    report: Report,
    name: str,
    make: Callable[[int], peers.Recipe],
    rates: dict[str, float],
    options: argparse.Namespace,
) -> None:
    """The rows of one network: each precision, eager and compiled, in both memory formats."""
    modes = [True] if options.eager else [True, False]
    for precision, eager, last in itertools.product(rates, modes, [False, True]):
        step = measure(make, PRECISIONS[precision], eager, last, options)
        part = 100 * step["flops"] * step["rate"] / rates[precision]
        report.row(
            name, precision, "no" if eager else "yes", "yes" if last else "no",
            f"{step['rate']:.2f}", f"{step['rate'] * options.batch:.2f}", f"{step['gb']:.2f}",
            f"{part:.1f}",
        )  # fmt: skip


def measure(
    make: Callable[[int], peers.Recipe],
    dtype: torch.dtype,
    eager: bool,
    last: bool,
    options: argparse.Namespace,
) -> dict[str, float]:
    """Steps a second, floating-point operations of one, and the most memory used."""
    torch.manual_seed(0)
    device = best_device()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    recipe = make(options.size)
    form = torch.channels_last_3d if last else torch.contiguous_format
    network = recipe.network.to(device, memory_format=form)
    shape = (options.batch, 1, *(options.size,) * 3)
    image = torch.rand(shape, device=device).to(memory_format=form)
    classes = torch.randint(3, shape, device=device).float()
    recipe.network, recipe.float32 = InPrecision(network, device, dtype), True
    with FlopCounterMode(display=False) as counter:
        recipe.update(image, classes)
    if not eager:
        recipe.network.network = torch.compile(network)
    for _ in range(2):
        recipe.update(image, classes)
    started = time.perf_counter()
    for _ in range(options.repeats):
        recipe.update(image, classes)  # it returns the loss, and so waits for the device
    rate = options.repeats / (time.perf_counter() - started)
    return {"rate": rate, "flops": counter.get_total_flops(), "gb": peak_gb(device)}


class InPrecision(nn.Module):
    """A network applied in one precision."""

    def __init__(self, network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.device, self.dtype = network, device, dtype

    def forward(self, image: torch.Tensor) -> torch.Tensor:
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


def waiting(cases: int, steps: int) -> str:
    """The part of the training loop's time that passes in waiting for the next batch, in words."""
    run = Run(RunSettings(phantom=PhantomSettings(cases=cases, unlabelled=0)))
    settings = replace(ROI_DEFAULTS, epochs=1, steps=steps)
    sampler = PatchSampler(run.cubes("train", "roi"), settings)
    trainer = Trainer(settings, sampler.edge)
    batches = prefetch(lambda step: sampler.batch(trainer.draws(step)), range(steps), THREADS)
    waited, first = 0.0, min(10, steps // 2)
    for step in range(steps):
        asked = time.perf_counter()
        if step == first:  # the steps before it set things up
            waited, begun = 0.0, asked
        batch = next(batches)
        waited += time.perf_counter() - asked
        train_step(trainer, batch, step, steps)
    seconds = time.perf_counter() - begun
    return (
        f"liverlib's loop: {steps} steps, {(steps - first) / seconds:.2f} a second. It waited "
        f"{100 * waited / seconds:.1f} % of the time for patches."
    )


if __name__ == "__main__":
    main()
