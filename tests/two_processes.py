"""A program for two processes: `torchrun --nproc-per-node 2 two_processes.py FOLDER`."""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tempclr import Pair, TempCLR, TrainConfig, train
from tempclr.encoders import Projection
from tempclr.losses import OrderTerm, Temperature
from tempclr.training.checkpoints import save
from tempclr.training.processes import AllProcesses

CONFIG = TrainConfig(
    steps=6, batch=5, accumulate=2, warmup=1, learning_rate=0.01, ema_decay=0.5, validate_every=2, checkpoint_every=2
)


def data() -> list[Pair]:
    """Videos of different lengths, some with equal captions, some too short for a wrong order."""
    generator = torch.Generator().manual_seed(3)
    pairs = []
    for k in range(13):
        sentences = 3 if k % 5 else 1
        segments = torch.arange(sentences).repeat_interleave(1 + k % 3)
        x, y = (torch.randn(n, d, generator=generator).double() for n, d in ((sentences, 6), (len(segments), 7)))
        pairs.append(Pair(f"video-{k}", x, y, segments, tuple(f"{k % 4} {i}" for i in range(sentences))))
    return pairs


def model(seed: int = 0) -> TempCLR:
    """A model that uses all five wrong orders of three segments, so that random draws make no difference."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text, video = Projection(6, 8), Projection(7, 8)
    order = OrderTerm(negatives=5, anchor="both", in_batch_negatives=True, temperature=Temperature(1.0))
    return TempCLR(text, video, order=order, gather=AllProcesses()).double()


def score(trained: nn.Module) -> float:
    return float(trained.text.linear.weight.sum())


def run(
    accelerator: Accelerator,
    folder: Path | None = None,
    *,
    seed: int = 0,
    videos: int = 13,
    validate: Callable | None = score,
    **changes: int,
) -> list[dict]:
    """Train and return the records. Process 1 passes other weights and another generator, which process 0's replace."""
    trained, config = model(seed), replace(CONFIG, **changes)
    generator = torch.Generator().manual_seed(seed)
    settings = {"accelerator": accelerator, "generator": generator, "validate": validate, "folder": folder}
    loop = train(trained, data()[:videos], config, **settings)
    records = [asdict(record) for record in loop]
    run.weights = list(trained.state_dict().values())
    return records


def gathered(rank: int) -> dict[str, Tensor]:
    """Gather items whose number, length and gradient differ between processes."""
    items = (torch.arange(6.0).view(2, 3) if rank == 0 else -torch.arange(5.0).view(1, 5)).requires_grad_()
    joined = AllProcesses()(items)
    ((rank + 1) * joined * torch.arange(15.0).view(3, 5)).sum().backward()
    numbers = AllProcesses()(torch.arange(2 * rank))
    return {"joined": joined.detach(), "gradient": items.grad, "numbers": numbers}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    rank = accelerator.process_index
    save(gathered(rank), folder / f"gathered-{rank}.pt")
    whole = run(accelerator, folder / "whole", seed=rank)
    weights = run.weights

    def stop(trained: nn.Module) -> float:
        if rank == 1 and not (folder / "asked").exists():
            (folder / "asked").touch()
            os.kill(os.getpid(), signal.SIGTERM)
        return score(trained)

    stopped = run(accelerator, folder / "stopped", seed=rank, validate=stop)
    rest = run(accelerator, folder / "stopped")
    refused = []
    for settings in (
        {"batch": 1},
        {"videos": 13 - rank},
        {"accumulate": 1 + rank},
        {"folder": [folder / "one", None][rank]},
        {"validate": [None, score][rank]},
    ):
        try:
            run(accelerator, **settings)
        except ValueError as error:
            refused.append(str(error))
    save({"weights": weights, "continued": run.weights}, folder / f"weights-{rank}.pt")
    records = {"whole": whole, "stopped": stopped, "rest": rest, "refused": refused}
    (folder / f"records-{rank}.json").write_text(json.dumps(records))
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
