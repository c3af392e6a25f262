"""The time of a training step, and the order loss's share of it.

    python benchmarks/training.py [--repeats 5] [--threads 1] [--only share loop ...] [--out runs/bench]

Batches have the shape of the published pre-training: 16 videos of 16 sentence-clip pairs, of which the order loss uses
5, with 31 wrong orders each. Sentences and clips are frozen features. All variants are timed in turn in one run.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from alignment import as_markdown, in_turn, machine
from tasks import peak_memory
from torch import Tensor, nn
from tqdm import tqdm

from tempclr import TempCLR, TrainConfig, soft_dtw, train
from tempclr.encoders import MLP, ContextEncoder, Projection, TextBert, VideoBert, tune
from tempclr.losses import OrderTerm, UnitTerm, order_loss, unit_loss
from tempclr.negatives import wrong_orders
from tempclr.sequences import Pair, collate
from tempclr.training.processes import AllProcesses

VIDEOS, PAIRS, SENTENCES, NEGATIVES = 16, 16, 5, 31
ORDER = OrderTerm(sentences=SENTENCES, negatives=NEGATIVES)
TEXT, VIDEO, DIM = 384, 512, 768  # dimensions of the features and of the shared space
TOKENS, PIECES = 8, 12  # of a clip (seconds) and of a sentence, for the paper's own encoders


def data(videos: int = VIDEOS, pairs: int = PAIRS) -> list[Pair]:
    """Random features, with one clip per sentence."""
    generator = torch.Generator().manual_seed(0)
    segments, features = torch.arange(pairs), partial(torch.randn, generator=generator)
    return [
        Pair(str(k), features(pairs, TEXT), features(pairs, VIDEO), segments, tuple(f"{k} {i}" for i in range(pairs)))
        for k in range(videos)
    ]


def projections() -> tuple[nn.Module, nn.Module]:
    """The lightest encoders of frozen features: linear projections."""
    return Projection(TEXT, DIM), Projection(VIDEO, DIM)


def perceptrons() -> tuple[nn.Module, nn.Module]:
    """The paper's projection of video features, for both sides."""
    return MLP(TEXT, DIM), MLP(VIDEO, DIM)


def transformers() -> tuple[nn.Module, nn.Module]:
    """Contextual encoders of two layers, which must encode every order separately."""
    text, video = projections()
    return ContextEncoder(text, DIM), ContextEncoder(video, DIM)


def step(
    encoders: Callable[[], tuple[nn.Module, nn.Module]] = perceptrons,
    *,
    pairs: int = PAIRS,
    weight: float = 0.7,
    **options: object,
) -> Callable[[], None]:
    """A training step: both losses, their gradient, and the optimiser."""
    torch.manual_seed(0)
    model = TempCLR(*encoders(), order=replace(ORDER, **options), weight=weight)
    optimizer, generator = torch.optim.Adam(model.parameters(), lr=1e-5), torch.Generator().manual_seed(0)
    batch = collate(data(pairs=pairs))

    def work() -> None:
        optimizer.zero_grad()
        model(batch, generator=generator).total.backward()
        optimizer.step()

    return work


def loop_per_cell(cost: Tensor, lengths: Tensor | None, *, gamma: float = 0.1) -> Tensor:
    """Soft-DTW as it is usually written: a Python loop over cells, where each cell is one operation on all pairs."""
    n, m = cost.shape[-2:]
    rows = [[cost.new_full(cost.shape[:-2], torch.inf) for _ in range(m + 1)] for _ in range(n + 1)]
    rows[0][0] = torch.zeros_like(rows[0][0])
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            before = torch.stack((rows[i - 1][j - 1], rows[i - 1][j], rows[i][j - 1]))
            rows[i][j] = cost[..., i - 1, j - 1] - gamma * torch.logsumexp(-before / gamma, 0)
    return rows[n][m]


def share(repeats: int) -> list[dict]:
    """Time of a training step with both losses and with the unit loss only, by encoder."""
    rows = []
    for name, encoders in tqdm({"linear": projections, "perceptron": perceptrons, "transformer": transformers}.items()):
        works = {"both": step(encoders, weight=0.7), "unit": step(encoders, weight=0.0)}
        seconds = in_turn(works, repeats)
        rows.append({"encoders": name, **as_row(seconds)})
    return rows


def as_row(seconds: dict[str, float]) -> dict[str, float]:
    """Time with and without the order loss, and the share of the order loss."""
    return {
        "step (ms)": 1e3 * seconds["both"],
        "without order loss (ms)": 1e3 * seconds["unit"],
        "share of the order loss": 1 - seconds["unit"] / seconds["both"],
    }


def loops(repeats: int) -> list[dict]:
    """Training steps per second with our kernels and with a loop over cells."""
    rows = []
    for count in (5, 16):
        works = {
            "auto": step(sentences=count),
            "cpu": step(sentences=count, alignment_fn=partial(soft_dtw, kernel="cpu")),
            "diagonals": step(sentences=count, alignment_fn=partial(soft_dtw, kernel="diagonals")),
            "loop": step(sentences=count, alignment_fn=loop_per_cell),
        }
        seconds = in_turn(works, repeats)
        named = {f"{name} (steps per s)": 1 / each for name, each in seconds.items()}
        rows.append({"sentences in the order loss": count, **named, "auto / loop": seconds["loop"] / seconds["auto"]})
    return rows


def paper(repeats: int) -> list[dict]:
    """Time of a training step with the paper's own encoders and trainable LayerNorms, and of the order loss alone.

    The order loss is measured separately because it is below the noise of the whole step.
    """
    generator = torch.Generator().manual_seed(0)
    segments, captions = torch.arange(PAIRS), tuple(map(str, range(PAIRS)))
    pairs = [
        Pair(
            str(k),
            torch.randint(1000, 30_000, (PAIRS, PIECES), generator=generator),
            torch.randn(PAIRS, TOKENS, VIDEO, generator=generator),
            segments,
            tuple(f"{k} {i}" for i in captions),
        )
        for k in range(VIDEOS)
    ]
    model = TempCLR(TextBert(), VideoBert(), unit=UnitTerm(partial(unit_loss, cosine=False)), order=ORDER)
    learn = sum(tune(encoder, "layernorm") for encoder in (model.text, model.video))
    optimizer = torch.optim.Adam((weight for weight in model.parameters() if weight.requires_grad), lr=1e-5)
    batch = collate(pairs)

    def whole() -> None:
        optimizer.zero_grad()
        model(batch, generator=generator).total.backward()
        optimizer.step()

    def alone() -> None:
        x, y = (torch.randn(VIDEOS, SENTENCES, DIM, requires_grad=True) for _ in "xy")
        orders = wrong_orders(torch.arange(SENTENCES).expand(VIDEOS, -1), NEGATIVES, generator=generator)
        order_loss(x, y, orders).backward()

    seconds = in_turn({"whole": whole}, 1) | in_turn({"alone": alone}, repeats)
    times = {"step (ms)": 1e3 * seconds["whole"], "order loss alone (ms)": 1e3 * seconds["alone"]}
    return [{"trainable parameters": learn, **times, "share of the order loss": seconds["alone"] / seconds["whole"]}]


def scaling(repeats: int) -> list[dict]:
    """Time of a training step by the number of sentences and of wrong orders in the order loss."""
    rows = []
    shapes = [(count, NEGATIVES) for count in (3, 5, 8, 16, 32)] + [(SENTENCES, count) for count in (7, 63, 119)]
    for sentences, negatives in tqdm(shapes, desc="scaling"):
        pairs = max(PAIRS, sentences)
        options = {"pairs": pairs, "sentences": sentences, "negatives": negatives}
        seconds = in_turn({"both": step(**options), "unit": step(weight=0.0, **options)}, repeats)
        rows.append({"sentences": sentences, "wrong orders": negatives, "pairs per video": pairs, **as_row(seconds)})
    return rows


def memory() -> list[dict]:
    """Peak memory of a training step beyond the model and the batch, each measured in a separate process."""
    rows = []
    for weight in (0.0, 0.7):
        command = [sys.executable, __file__, "--peak", str(weight)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append({"weight of the order loss": weight, "peak memory of a step (MB)": float(done.stdout) / 1e6})
    return rows


def print_peak(weight: float) -> None:
    """Print the peak memory of a second training step in bytes, relative to that before the first."""
    work, before = step(weight=weight), peak_memory()
    work()
    work()
    print(peak_memory() - before)


def processes(repeats: int) -> list[dict]:
    """Training steps per second on the same batch of 16 videos, with one and with two processes of one thread."""
    rows = []
    for count in (1, 2):
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
        done = subprocess.run([*launch, __file__, "--worker", str(repeats)], capture_output=True, text=True, check=True)
        rows.append({"processes": count, "steps per s": float(done.stdout.split()[-1])})
    rows[1]["relative to one process"] = rows[1]["steps per s"] / rows[0]["steps per s"]
    return rows


def work_in_one(repeats: int) -> None:
    """Train on this process's share of every batch, and print the training steps per second."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = TempCLR(*perceptrons(), order=ORDER, gather=AllProcesses())
    accelerator = Accelerator(cpu=True)
    config = TrainConfig(steps=8 * repeats + 2, batch=VIDEOS, warmup=1, learning_rate=1e-5)
    loop = train(model, data(), config, accelerator=accelerator, generator=torch.Generator().manual_seed(0))
    rate = 1 / median_seconds(loop)
    if accelerator.is_main_process:
        print(rate)


def median_seconds(loop: Iterator) -> float:
    """Median of the seconds between two records, without the first."""
    times = []
    for _ in loop:
        times.append(time.perf_counter())
    return torch.tensor(times).double().diff()[1:].median().item()


def main() -> None:
    """Run the chosen measurements, print the tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = {
        "share": share,
        "paper": paper,
        "loop": loops,
        "scaling": scaling,
        "memory": lambda repeats: memory(),
        "processes": processes,
    }
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="timed rounds (5)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of torch and numba (1)")
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts), help="measurements to run (all)")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"), metavar="DIR", help="output folder")
    parser.add_argument("--peak", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak is not None:
        return print_peak(options.peak)
    if options.worker is not None:
        return work_in_one(options.worker)
    results: dict = {"machine": machine(options.threads)}
    for name in options.only:
        results[name] = parts[name](options.repeats)
    text = as_markdown(results)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "training.json").write_text(json.dumps(results, indent=2))
    (options.out / "training.md").write_text(text)
    return None


if __name__ == "__main__":
    main()
