"""Compare alignment with other libraries: all take turns in one run on one machine.

    python benchmarks/alignment.py [--repeats 5] [--threads 1] [--only gradient errors] [--out runs/bench]

Writes alignment.json, alignment.md and alignment.png. What is measured:

    gradient   value and gradient of soft-DTW, given the same float32 cost matrices
    value      the value alone, given the same cost matrices
    errors     of the float32 gradient, as sum|g - g64| / sum|g64|; g64 by `diagonals` in float64
    scaling    nanoseconds per cell from 32 to 4096 steps
    memory     peak memory beyond the inputs, in units of the cost matrix, in a fresh process
    features   all pairs of two sets of series, soft-DTW with gradients
    series     all pairs of one set of series, soft-DTW and DTW without gradients
    tasks      those of `benchmarks/tasks.py`, on two threads

pysdtw and tslearn compute soft-DTW with its gradient. From series, aeon computes the values of soft-DTW and DTW,
and dtaidistance those of DTW. All are called as their documentation shows.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import tasks
import torch
from torch import Tensor
from tqdm import tqdm

import tempclr
from tempclr import pairwise
from tempclr.alignment import AlignmentFn, alignment_of
from tempclr.sequences import Sequences

warnings.filterwarnings("ignore", message="h5py not installed")

SHAPES = [(256, 32, 32), (256, 128, 128), (8, 512, 512), (2, 1024, 1024)]
LENGTHS = [32, 64, 128, 256, 512, 1024, 2048, 4096]
GAMMA = 1.0
Work = Callable[[Tensor, float], Tensor]


def ours(cost: Tensor, gamma: float, *, kernel: str) -> Tensor:
    """Gradient by this project."""
    return alignment_of(partial(tempclr.soft_dtw, gamma=gamma, kernel=kernel), cost)


def pysdtw(cost: Tensor, gamma: float) -> Tensor:
    """Gradient by pysdtw on the CPU."""
    from pysdtw import SoftDTW

    return _by_autograd(SoftDTW(gamma=gamma, use_cuda=False, dist_func=lambda x, y: x), cost)


def tslearn(cost: Tensor, gamma: float) -> Tensor:
    """Gradient by tslearn's PyTorch loss."""
    from tslearn.metrics import SoftDTWLossPyTorch

    return _by_autograd(SoftDTWLossPyTorch(gamma=gamma, dist_func=lambda x, y: x), cost)


def _by_autograd(loss: torch.nn.Module, cost: Tensor) -> Tensor:
    """Gradient of a loss that gets its cost matrix in place of the series x."""
    cost = cost.detach().requires_grad_()
    y = cost.new_zeros(len(cost), cost.shape[2], cost.shape[2])  # only its shape is read
    (gradient,) = torch.autograd.grad(loss(cost, y).sum(), cost)
    return gradient


GRADIENT: Mapping[str, Work] = {
    "cpu": partial(ours, kernel="cpu"),
    "diagonals": partial(ours, kernel="diagonals"),
    "pysdtw": pysdtw,
    "tslearn": tslearn,
}
VALUE: Mapping[str, Work] = {
    "cpu": lambda cost, gamma: tempclr.soft_dtw(cost, gamma=gamma, kernel="cpu"),
    "diagonals": lambda cost, gamma: tempclr.soft_dtw(cost, gamma=gamma, kernel="diagonals"),
}


def in_turn(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds per call of each, called in turn in each round; short calls are repeated for 0.1 s."""
    times: dict[str, list[float]] = {name: [] for name in works}
    calls = dict.fromkeys(works, 1)
    for number in range(-1, repeats + 1):  # the first round loads, the second sets the number of calls per round
        for name, work in works.items():
            began = time.perf_counter()
            for _ in range(calls[name]):
                work()
            seconds = (time.perf_counter() - began) / calls[name]
            if number == 0:
                calls[name] = max(1, round(0.1 / seconds))
            elif number > 0:
                times[name].append(seconds)
    return {name: statistics.median(each) for name, each in times.items()}


def milliseconds(seconds: Mapping[str, float]) -> dict[str, float]:
    """Cells of a table, with the unit in the header."""
    return {f"{name} (ms)": 1e3 * each for name, each in seconds.items()}


def costs(*shape: int) -> Tensor:
    """Uniform random costs, the same in every run."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def speed(works: Mapping[str, Work], repeats: int) -> list[dict]:
    """Time of each on every shape, and the time of the faster peer relative to ours."""
    rows = []
    for shape in tqdm(SHAPES, desc="speed"):
        cost = costs(*shape)
        seconds = in_turn({name: partial(work, cost, GAMMA) for name, work in works.items()}, repeats)
        peers = [seconds[name] for name in ("pysdtw", "tslearn") if name in seconds]
        row = {
            "pairs x n x m": " x ".join(map(str, shape)),
            **milliseconds(seconds),
        }
        row["cpu (ns per cell)"] = 1e9 * seconds["cpu"] / cost.numel()
        if peers:
            row["faster peer / cpu"] = min(peers) / seconds["cpu"]
            row["faster peer / diagonals"] = min(peers) / seconds["diagonals"]
        rows.append(row)
    return rows


def difficult_costs(n: int) -> dict[str, Tensor]:
    """Costs on which single precision has been seen to fail."""
    generator = torch.Generator().manual_seed(0)
    position = torch.linspace(0, 1, n)
    warped = position + 0.1 * torch.sin(6 * position)
    noise = 0.3 * torch.randn(n, generator=generator)
    return {
        "uniform": torch.rand(1, n, n, generator=generator),
        "constant": torch.full((1, n, n), 0.5),
        "smooth cosine": 1 - torch.cos(3 * (position[:, None] - warped))[None],
        "noisy warp": (torch.sin(9 * position)[:, None] - torch.sin(9 * warped) - noise).square()[None],
    }


def errors() -> list[dict]:
    """Gradient errors of each on costs that are hard to get right."""
    rows = []
    cases = [(128, 1e-3), (1024, 0.1), (1024, 1e-3), (4096, 1e-3)]
    for n, gamma in tqdm(cases, desc="errors"):
        for name, cost in difficult_costs(n).items():
            if n == 4096 and name != "uniform":
                continue
            exact = ours(cost.double(), gamma, kernel="diagonals")
            row = {"n": n, "gamma": gamma, "cost": name}
            for library, work in GRADIENT.items():
                difference = (work(cost, gamma).double() - exact).abs().sum() / exact.abs().sum()
                row[library] = difference.item()
            rows.append(row)
    return rows


def scaling(repeats: int) -> list[dict]:
    """Nanoseconds per cell of value and gradient, on about four million cells."""
    rows = []
    for n in tqdm(LENGTHS, desc="scaling"):
        cost = costs(max(1, (1 << 22) // n**2), n, n)
        seconds = in_turn({name: partial(work, cost, GAMMA) for name, work in GRADIENT.items()}, max(1, repeats // 2))
        rows.append({"n": n, **{f"{name} (ns per cell)": 1e9 * each / cost.numel() for name, each in seconds.items()}})
    return rows


def memory() -> list[dict]:
    """Peak memory of value and gradient beyond the inputs, each in a fresh process."""
    rows = []
    for shape in ((65536, 32, 32), (16, 2048, 2048)):
        row: dict = {"pairs x n x m": " x ".join(map(str, shape))}
        for library in tqdm(GRADIENT, desc="memory"):
            command = [sys.executable, __file__, "--peak", library, *map(str, shape)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row[f"{library} (costs)"] = float(done.stdout)
        rows.append(row)
    return rows


def print_peak(library: str, *shape: int) -> None:
    """Print the peak memory of one library beyond its input, in units of the cost."""
    work = GRADIENT[library]
    work(costs(2, *shape[1:])[:, :8, :8].contiguous(), GAMMA)  # imports and compiles
    work(costs(40, 8, 8), GAMMA)
    cost = costs(*shape)
    before = tasks.peak_memory()
    work(cost, GAMMA)
    print((tasks.peak_memory() - before) / (4 * cost.numel()))


def from_features(repeats: int) -> list[dict]:
    """All pairs of 32 x 32 series of 128 x 16 steps with 128 features: soft-DTW with gradients.

    First from the series, with each library called as by default; then from the same costs for all.
    """
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(32, steps, 128, generator=generator) for steps in (128, 16))

    def all_ours() -> None:
        traced = x.clone().requires_grad_()
        sets = [Sequences(each, torch.full((32,), each.shape[1])) for each in (traced, y)]
        pairwise.distances(*sets, partial(tempclr.soft_dtw, gamma=GAMMA, kernel="cpu")).sum().backward()

    def theirs(loss: torch.nn.Module) -> None:
        traced = x.clone().requires_grad_()
        repeated = traced.repeat_interleave(32, 0), y.repeat(32, 1, 1)
        loss(*repeated).sum().backward()

    from pysdtw import SoftDTW
    from tslearn.metrics import SoftDTWLossPyTorch

    works = {
        "cpu": all_ours,
        "tslearn": partial(theirs, SoftDTWLossPyTorch(gamma=GAMMA)),
        "pysdtw": partial(theirs, SoftDTW(gamma=GAMMA, use_cuda=False)),
    }
    same = costs(32 * 32, 128, 16)
    given = {name: partial(GRADIENT[name], same, GAMMA) for name in works}
    rows = []
    for work, by in (("all pairs, 32 x 32 of 128 x 16 steps", works), ("the same pairs from given costs", given)):
        seconds = in_turn(by, repeats)
        rows.append({"work": work, **milliseconds(seconds), "tslearn / cpu": seconds["tslearn"] / seconds["cpu"],
                     "pysdtw / cpu": seconds["pysdtw"] / seconds["cpu"]})  # fmt: skip
    return rows


def values_from_series(repeats: int) -> list[dict]:
    """Distances of 20 series of 128 steps with 8 features, without gradients, as aeon and dtaidistance compute them.

    They compute each pair of the set once, 190 in all; we compare the set with itself as if with another, 400 pairs.
    """
    from aeon.distances import dtw_pairwise_distance, soft_dtw_pairwise_distance
    from dtaidistance import dtw_ndim

    series = torch.randn(20, 128, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    as_set = Sequences(series, torch.full((20,), 128))
    as_channels = series.mT.contiguous().numpy()
    listed = list(series.numpy())

    def squared(x: Tensor, y: Tensor) -> Tensor:
        return tempclr.squared_cost(x[:, None].expand(-1, len(y), -1, -1), y.expand(len(x), -1, -1, -1))

    def own(alignment_fn: AlignmentFn) -> Tensor:
        return pairwise.distances(as_set, as_set, alignment_fn, cost=squared)

    soft = in_turn(
        {
            "cpu": lambda: own(partial(tempclr.soft_dtw, gamma=GAMMA, kernel="cpu")),
            "aeon": lambda: soft_dtw_pairwise_distance(as_channels, gamma=GAMMA),
        },
        repeats,
    )
    hard = in_turn(
        {
            "cpu": lambda: own(partial(tempclr.dtw, kernel="cpu")),
            "aeon": lambda: dtw_pairwise_distance(as_channels),
            "dtaidistance": lambda: dtw_ndim.distance_matrix_fast(listed, parallel=False),
        },
        repeats,
    )
    return [
        {"work": f"{name}, float64, 20 x 20 series of 128 x 8", **milliseconds(seconds)}
        for name, seconds in (("soft-DTW values", soft), ("DTW values", hard))
    ]


def as_cell(value: str | float) -> str:
    """Text of one cell; integers are written in full."""
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else f"{value:.3g}"


def as_markdown(results: Mapping[str, list[dict] | str]) -> str:
    """All tables, with units in their headers."""
    lines = [f"Machine: {results['machine']}", ""]
    for title, rows in results.items():
        if isinstance(rows, str):
            continue
        heads = list(dict.fromkeys(head for row in rows for head in row))
        lines += [f"## {title}", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
        for row in rows:
            cells = [as_cell(row.get(head, "")) for head in heads]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def draw(results: Mapping[str, list[dict] | str], path: Path) -> None:
    """Time per cell over length, and gradient errors."""
    from tempclr.plots import measurements, style

    lengths, cases = results["scaling"], results["errors"]
    figure, ((left, right),) = style.subplots(1, 2, width=style.FULL, height=3.4, width_ratios=[1, 1.4])
    times = {name: np.array([row[f"{name} (ns per cell)"] for row in lengths]) for name in GRADIENT}
    sizes = np.array([row["n"] for row in lengths])
    measurements.scaling(sizes, times, xlabel="steps of x and of y", ylabel="value and gradient (ns per cell)", ax=left)
    names = [f"{row['cost']}, {row['n']}, {row['gamma']}" for row in cases]
    errors = {name: dict(zip(names, (row[name] for row in cases), strict=True)) for name in GRADIENT}
    measurements.intervals(errors, xlabel="error of the float32 gradient, by cost, steps, gamma", floor=1e-10, ax=right)
    figure.savefig(path, dpi=200)


def machine(threads: int) -> str:
    """The machine and the versions."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {threads} thread(s) used, {versions}"


def main() -> None:
    """Run the chosen measurements, print the tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {
        "gradient": lambda repeats: speed(GRADIENT, repeats),
        "value": lambda repeats: speed(VALUE, repeats),
        "errors": lambda repeats: errors(),
        "scaling": scaling,
        "memory": lambda repeats: memory(),
        "features": from_features,
        "series": values_from_series,
        "tasks": lambda repeats: tasks.rows(2),
    }
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="timed rounds (5)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch and numba (1)")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts), help="measurements to run (all)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/bench"), metavar="DIR", help="output folder (runs/bench)"
    )
    parser.add_argument("--peak", nargs=4, metavar=("LIBRARY", "PAIRS", "N", "M"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    import numba

    torch.set_num_threads(options.threads)
    numba.set_num_threads(options.threads)
    if options.peak:
        print_peak(options.peak[0], *map(int, options.peak[1:]))
        return
    results: dict = {"machine": machine(options.threads)}
    for name in options.only:
        results[name] = parts[name](options.repeats)
    text = as_markdown(results)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "alignment.json").write_text(json.dumps(results, indent=2))
    (options.out / "alignment.md").write_text(text)
    if {"scaling", "errors"} <= set(results):
        draw(results, options.out / "alignment.png")
        print(f"written to {options.out}")


if __name__ == "__main__":
    main()
