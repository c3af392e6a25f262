"""Time the tasks of the project at full size, each in a fresh process: seconds, and peak memory beyond the inputs.

    python benchmarks/tasks.py "retrieval by DTW" [--threads 2]

prints one line of JSON. `benchmarks/alignment.py` runs them all.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

import tempclr
from tempclr import pairwise
from tempclr.alignment import AlignmentFn
from tempclr.sequences import Sequences, pad

Work = Callable[[], object]
BUDGET = 500_000_000  # bytes


def peak_memory() -> int:
    """Peak memory of this process in bytes; unlike getrusage, without that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normally distributed embeddings, the same in every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def retrieval(alignment_fn: AlignmentFn, count: int = 436) -> Work:
    """All videos against all paragraphs of 3 to 16 steps."""
    generator = torch.Generator().manual_seed(0)
    x, y = (
        pad([noise(length, 512) for length in torch.randint(3, 17, (count,), generator=generator).tolist()])
        for _ in range(2)
    )
    return lambda: pairwise.distances(x, y, alignment_fn)


def few_shot(episodes: int = 10_000) -> Work:
    """Every query of a 5-way 1-shot episode against every support, 8 x 8 frames, OTAM both ways."""
    support, queries = noise(200, 8, 512), noise(200, 8, 512, seed=1)
    chosen = torch.randint(200, (2, episodes, 5), generator=torch.Generator().manual_seed(0))

    def work() -> None:
        for part in range(0, episodes, 500):
            one, other = (
                source[index[part : part + 500]] for source, index in zip((support, queries), chosen, strict=True)
            )
            shape = (len(one), 5, 5, 8, 512)
            cost = tempclr.cosine_cost(one[:, :, None].expand(shape), other[:, None].expand(shape))
            _ = tempclr.otam(cost) + tempclr.otam(cost.mT)

    return work


def drop(n: int = 200, m: int = 2000) -> Work:
    """One long video against one long text, where steps of both may be dropped: value and alignment."""
    cost = torch.rand(1, n, m, generator=torch.Generator().manual_seed(0))
    drop = partial(tempclr.drop_dtw, drop_x=0.3, drop_y=0.3)
    return lambda: tempclr.alignment_of(drop, cost)


def train(count: int = 256) -> Work:
    """All pairs of 512 x 32 steps, value and gradient, within a budget."""
    x, y = (Sequences(noise(count, steps, 16).requires_grad_(), torch.full((count,), steps)) for steps in (512, 32))
    return lambda: pairwise.distances(x, y, memory=BUDGET).mean().backward()


# each with a small size, run first so that everything is loaded before measuring
TASKS: dict[str, tuple[Callable[..., Work], int]] = {
    "retrieval by DTW, 436 x 436 of 3 to 16 steps": (partial(retrieval, tempclr.dtw), 20),
    "retrieval by OTAM, 436 x 436 of 3 to 16 steps": (partial(retrieval, tempclr.otam), 20),
    "10,000 episodes 5-way 1-shot of 8 x 8 frames, OTAM both ways": (few_shot, 2),
    "Drop-DTW of both sides with alignment, 200 x 2,000": (drop, 20),
    "training on 256 x 256 pairs of 512 x 32 within 500 MB": (train, 2),
}


def measure(name: str) -> dict[str, float]:
    """Seconds of one task, the best of up to three calls within about 10 seconds, and its peak memory."""
    make, small = TASKS[name]
    make(small)()
    work = make()
    before, seconds = peak_memory(), []
    while not seconds or (len(seconds) < 3 and sum(seconds) < 10):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return {"seconds": min(seconds), "peak memory beyond the inputs (MB)": (peak_memory() - before) / 1e6}


def rows(threads: int) -> list[dict]:
    """All tasks, each in a fresh process."""
    found = []
    for name in TASKS:
        command = [sys.executable, __file__, name, "--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append({"work": name, "threads": threads, **json.loads(done.stdout)})
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS, help="what to measure")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of PyTorch (1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(json.dumps(measure(options.task)))
