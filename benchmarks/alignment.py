"""Soft-DTW against tslearn, on the same cost matrices, in one run on this machine.

    python benchmarks/alignment.py [--repeats 5] [--out results.json]

For each shape: median seconds of value and gradient by both, taken in turns, their ratio, and the
error of the float32 gradient against float64 as sum|g - g64| / sum|g64|. tslearn works in float64.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tslearn.metrics import SoftDTW

import tempclr

SHAPES = [(256, 32, 32), (64, 128, 128), (8, 512, 512), (2, 1024, 1024)]
GAMMA = 1.0


def ours(cost: torch.Tensor) -> torch.Tensor:
    """Value and gradient by this project, on the batch."""
    return tempclr.expected_alignment(cost, gamma=GAMMA)


def theirs(cost: torch.Tensor) -> torch.Tensor:
    """Value and gradient by tslearn, pair by pair."""
    gradients = []
    for matrix in cost.double().numpy():
        solver = SoftDTW(matrix, gamma=GAMMA)
        solver.compute()
        gradients.append(solver.grad())
    return torch.from_numpy(np.stack(gradients))


def seconds(work: Callable[[torch.Tensor], torch.Tensor], cost: torch.Tensor) -> float:
    """Time of one call."""
    began = time.perf_counter()
    work(cost)
    return time.perf_counter() - began


def measure(shape: tuple[int, int, int], repeats: int) -> dict:
    """Both sides in turns on one shape."""
    cost = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    exact = ours(cost.double())
    errors = [((work(cost).double() - exact).abs().sum() / exact.abs().sum()).item() for work in (ours, theirs)]
    times = [(seconds(ours, cost), seconds(theirs, cost)) for _ in range(repeats)]
    own, other = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "shape": list(shape),
        "ours_seconds": own,
        "tslearn_seconds": other,
        "ratio": statistics.median(b / a for a, b in times),
        "ours_error": errors[0],
        "tslearn_error": errors[1],
    }


def main() -> None:
    """Measure every shape, print a table, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    machine = f"{platform.processor() or platform.machine()}, 1 thread, torch {torch.__version__}"
    print(f"value and gradient, float32 in, gamma {GAMMA}; {machine}\n")
    heads = {"pairs x n x m": 16, "ours (s)": 9, "tslearn (s)": 12, "ratio": 6, "our error": 10, "tslearn error": 14}
    print(" ".join(f"{head:>{width}}" for head, width in heads.items()))
    rows = []
    for shape in SHAPES:
        row = measure(shape, options.repeats)
        rows.append(row)
        print(
            f"{' x '.join(map(str, shape)):>16} {row['ours_seconds']:9.3f} {row['tslearn_seconds']:12.3f} "
            f"{row['ratio']:6.2f} {row['ours_error']:10.1e} {row['tslearn_error']:14.1e}"
        )
    if options.out:
        options.out.write_text(json.dumps({"machine": machine, "gamma": GAMMA, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
