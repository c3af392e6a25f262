"""The training loop, top to bottom on one screen.

    for record in train(model, pairs, TrainConfig(steps=300), generator=generator, folder=folder):
        ...  # log, plot, stop: the caller decides

It yields a record per step, writes checkpoints that are whole or not there, and continues
from the last one exactly as if it had never stopped.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from tempclr.files import written_whole
from tempclr.losses import TempCLR
from tempclr.sequences import Pair, collate


@dataclass(frozen=True)
class TrainConfig:
    """How the loop runs; what it trains is passed to `train`."""

    steps: int = 300
    batch: int = 16  # videos
    learning_rate: float = 1e-3
    warmup: int = 20  # steps of linear rise from 0
    decay: Literal["cosine", "linear", "none"] = "cosine"  # to 0 at the last step
    optimizer: Literal["adamw", "adam"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip_norm: float = 2.0  # largest norm of the gradient
    validate_every: int = 50  # steps; also after the last one
    checkpoint_every: int = 50  # steps; also after the last one

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "learning_rate", "clip_norm", "validate_every", "checkpoint_every"):
            if not getattr(self, name) > 0:
                raise ValueError(f"expected {name} > 0, got {getattr(self, name)}")
        if not 0 <= self.warmup < self.steps:
            raise ValueError(f"expected a warmup from 0 to less than the {self.steps} steps, got {self.warmup}")
        if self.decay not in ("cosine", "linear", "none") or self.optimizer not in ("adamw", "adam"):
            raise ValueError(
                f"expected decay cosine, linear or none and optimizer adamw or adam, "
                f"got {self.decay} and {self.optimizer}"
            )


@dataclass(frozen=True)
class StepRecord:
    """What one step of training did."""

    step: int  # from 1
    total: float  # nats, as are the next two
    unit: float
    order: float
    skipped: int  # videos too short for a wrong order
    learning_rate: float
    gradient_norm: float  # before clipping
    seconds: float  # of this step, without validation
    score: float | None = None  # of validation, higher is better
    best: bool = False  # whether it is the highest so far


def train(
    model: TempCLR,
    pairs: Sequence[Pair],
    config: TrainConfig,
    *,
    generator: Generator,
    validate: Callable[[TempCLR], float] | None = None,
    folder: Path | None = None,
) -> Iterator[StepRecord]:
    """Train a model in place and yield a record per step.

    Args:
        model: On the device where training shall run.
        pairs: Training data, at least a batch of it.
        config: How the loop runs.
        generator: Source of batches and wrong orders, on the CPU.
        validate: Scores the model on held-out data, higher is better; it must use no randomness of the
            loop. The weights that score best are kept.
        folder: Where `last.pt` and `best.pt` are written. When it holds a `last.pt`, training
            continues after that step, exactly.

    Raises:
        ValueError: If there are fewer pairs than a batch, the loss is not finite, or the
            checkpoint belongs to another configuration or model.
    """
    if len(pairs) < config.batch:
        raise ValueError(f"expected at least one batch of {config.batch} pairs, got {len(pairs)}")
    device = next(model.parameters()).device
    optimizer = _optimizer(model, config)
    state = _State()
    if folder is not None and (folder / "last.pt").exists():
        state = _restore(folder / "last.pt", model, optimizer, generator, config)
    while state.step < config.steps:
        began = time.perf_counter()
        chosen = state.next_batch(len(pairs), config.batch, generator)
        batch = collate([pairs[index] for index in chosen]).to(device)
        state.step += 1
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(state.step, config)
        model.train()
        losses = model(batch, generator=generator, progress=(state.step - 1) / config.steps)
        if not losses.total.isfinite():
            names = ", ".join(pairs[index].name for index in chosen)
            raise ValueError(f"expected a finite loss, got {losses.total.item()} at step {state.step} on {names}")
        optimizer.zero_grad()
        losses.total.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        seconds = time.perf_counter() - began

        score, best = None, False
        last = state.step == config.steps
        if validate is not None and (last or state.step % config.validate_every == 0):
            model.eval()
            with torch.no_grad():
                score = validate(model)
            best = score > state.best
            state.best = max(score, state.best)
        if folder is not None and best:
            save({"model": model.state_dict(), "step": state.step, "score": score}, folder / "best.pt")
        if folder is not None and (last or state.step % config.checkpoint_every == 0):
            save(_snapshot(state, model, optimizer, generator, config), folder / "last.pt")
        yield StepRecord(
            state.step,
            losses.total.item(),
            losses.unit.item(),
            losses.order.item(),
            losses.skipped,
            learning_rate(state.step, config),
            norm.item(),
            seconds,
            score,
            best,
        )


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of a step, from 1: a linear rise, then the decay."""
    if step <= config.warmup:
        return config.learning_rate * step / config.warmup
    done = (step - config.warmup) / (config.steps - config.warmup)
    factor = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "none": 1.0}[config.decay]
    return config.learning_rate * factor


def save(content: dict, path: Path) -> None:
    """Write tensors and plain containers to a file that is whole or not there."""
    with written_whole(path) as temporary:
        torch.save(content, temporary)


def load(path: Path) -> dict:
    """Return what `save` wrote, on the CPU. Nothing but tensors and plain containers is unpickled.

    Raises:
        ValueError: If the file is missing or is not such a checkpoint.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"expected a checkpoint at {path}, found none; train first") from error
    except Exception as error:
        raise ValueError(f"expected a checkpoint of tensors and plain containers at {path}: {error}") from error


@dataclass
class _State:
    """Where the loop stands: the step, the best score, and what is left of the epoch."""

    step: int = 0
    best: float = -math.inf
    queue: Tensor | None = None  # indices of pairs not yet seen in this epoch

    def next_batch(self, pairs: int, batch: int, generator: Generator) -> list[int]:
        """Indices of the next batch; every epoch is a new permutation, whose incomplete rest is dropped."""
        if self.queue is None or len(self.queue) < batch:
            self.queue = torch.randperm(pairs, generator=generator)
        chosen, self.queue = self.queue[:batch], self.queue[batch:]
        return chosen.tolist()


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser over everything that is trainable."""
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimizer]
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return kind(trainable, config.learning_rate, config.betas, weight_decay=config.weight_decay)


def _snapshot(
    state: _State, model: nn.Module, optimizer: torch.optim.Optimizer, generator: Generator, config: TrainConfig
) -> dict:
    """Everything the next step depends on."""
    return {
        "config": asdict(config),
        "step": state.step,
        "best": state.best,
        "queue": state.queue.clone(),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
        "dropout": torch.get_rng_state(),
    }


def _restore(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, generator: Generator, config: TrainConfig
) -> _State:
    """Put everything back as it was after the checkpoint's step."""
    stored = load(path)
    if stored["config"] != asdict(config):
        changed = [name for name, value in asdict(config).items() if stored["config"].get(name) != value]
        raise ValueError(f"expected the configuration of {path} to continue it, got other {', '.join(changed)}")
    try:
        model.load_state_dict(stored["model"])
    except RuntimeError as error:
        raise ValueError(f"expected {path} to hold weights of this model: {error}") from error
    optimizer.load_state_dict(stored["optimizer"])
    generator.set_state(stored["generator"])
    torch.set_rng_state(stored["dropout"])
    return _State(stored["step"], stored["best"], stored["queue"])
