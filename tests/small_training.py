"""Training small enough for a test: data, model, configuration, and a run of it."""

from dataclasses import replace
from functools import cache

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from tempclr import Pair, TempCLR, TrainConfig, train
from tempclr.encoders import Projection
from tempclr.losses import OrderTerm

CONFIG = TrainConfig(steps=12, batch=4, warmup=2, validate_every=5, checkpoint_every=4)
ALL = replace(CONFIG, accumulate=2, bucket=2, ema_decay=0.9, recompute=True, decay="polynomial", power=2.0)


def data(count: int = 10) -> list[Pair]:
    """Videos whose clips are a fixed linear map of their sentences plus noise, so that there is something to learn."""
    generator = torch.Generator().manual_seed(0)
    mapping = torch.randn(6, 8, generator=generator)
    pairs = []
    for k in range(count):
        n = 3 + k % 3
        sentences = torch.randn(n, 6, generator=generator)
        clips = (sentences @ mapping).repeat_interleave(2, 0) + 0.1 * torch.randn(2 * n, 8, generator=generator)
        captions = tuple(f"{k} {i}" for i in range(n))
        pairs.append(Pair(f"video-{k}", sentences, clips, torch.arange(n).repeat_interleave(2), captions))
    return pairs


def model(dropout: float = 0.2) -> TempCLR:
    """A model whose encoders use dropout, which draws from another source than the loop."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text = Projection(6, 16)
        text.norm = nn.Sequential(text.norm, nn.Dropout(dropout))
        return TempCLR(text, Projection(8, 16), order=OrderTerm(negatives=5))


def run(trained: nn.Module, config: TrainConfig = CONFIG, stop: int | None = None, **settings: object) -> list:
    """Train, up to a step if `stop` is given, and return the records with their seconds set to 0."""
    torch.manual_seed(2)
    records = []
    for record in train(trained, data(), config, **{**defaults(), **settings}):
        records.append(replace(record, seconds=0.0))
        if record.step == stop:
            break
    return records


def defaults() -> dict:
    """Arguments of `train` for one process on the CPU."""
    generator = torch.Generator().manual_seed(1)
    return {"accelerator": Accelerator(cpu=True), "generator": generator, "validate": length}


@cache
def uninterrupted(config: TrainConfig) -> tuple[list, TempCLR]:
    """Records and model of training that is never interrupted."""
    trained = model()
    return run(trained, config), trained


def weights(trained: nn.Module) -> list[Tensor]:
    """A copy of all weights."""
    return [weight.clone() for weight in trained.state_dict().values()]


def same(ours: nn.Module, theirs: nn.Module) -> bool:
    """Whether two models have equal weights, to the last bit."""
    return all(torch.equal(a, b) for a, b in zip(weights(ours), weights(theirs), strict=True))


def length(trained: nn.Module) -> float:
    """A score that depends on the weights."""
    return sum(weight.double().abs().sum().item() for weight in trained.parameters())
