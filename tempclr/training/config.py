"""How the loop runs, and what it tells of each step."""

from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

from tempclr._util.settings import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, Range, validate

Decay = Literal["cosine", "linear", "polynomial", "none"]
Optimizer = Literal["adamw", "adam"]
Ended = Literal["steps", "patience", "terminated"]

RANGES = {
    **dict.fromkeys(("steps", "batch", "accumulate", "bucket", "validate_every", "checkpoint_every"), AT_LEAST_ONE),
    **dict.fromkeys(("learning_rate", "power", "clip_norm"), POSITIVE),
    **dict.fromkeys(("warmup", "weight_decay", "patience"), NON_NEGATIVE),
    "ema_decay": Range(0, 1, most_open=True),
}


@dataclass(frozen=True)
class TrainConfig:
    """How the loop runs; what it trains is passed to `train`."""

    steps: int = 200
    batch: int = 16  # videos that are each other's negatives, over all processes
    accumulate: int = 1  # batches whose gradients are averaged into one step
    bucket: int = 1  # batches' worth of videos that are sorted by length before they are cut into batches
    learning_rate: float = 1e-3
    warmup: int = 20  # steps of linear rise from 0
    decay: Decay = "cosine"  # to 0, at the last step or at `decay_steps`
    decay_steps: int = 0  # step at which the decay would be over; 0 is the last one
    power: float = 1.0  # of the polynomial decay; 1 is linear
    optimizer: Optimizer = "adamw"
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip_norm: float = 2.0  # largest norm of the gradient
    ema_decay: float = 0.0  # decay of the moving average of the weights (EMA), below 1; 0 keeps none
    recompute: bool = False  # gradient checkpointing: less memory, more time, the same result
    validate_every: int = 40  # steps; also after the last one
    checkpoint_every: int = 20  # steps; also after the last one
    patience: int = 0  # validations in a row without a new best score that end training; 0 never does

    def __post_init__(self) -> None:
        validate(self, RANGES)
        if self.warmup >= self.steps:
            raise ValueError(f"expected a warmup from 0 to less than the {self.steps} steps, got {self.warmup}")
        if self.decay not in get_args(Decay) or self.optimizer not in get_args(Optimizer):
            raise ValueError(
                f"expected decay among {', '.join(get_args(Decay))} and optimizer among "
                f"{', '.join(get_args(Optimizer))}, got {self.decay} and {self.optimizer}"
            )
        if self.decay_steps and self.decay_steps <= self.warmup:
            raise ValueError(f"expected decay_steps above the warmup of {self.warmup}, or 0, got {self.decay_steps}")
        if len(self.betas) != 2 or not all(isinstance(beta, Real) and 0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"expected two betas from 0 to less than 1, got {self.betas}")
        object.__setattr__(self, "betas", tuple(map(float, self.betas)))


@dataclass(frozen=True)
class StepRecord:
    """What one step of training did, over all its batches and processes."""

    step: int  # from 1
    total: float  # nats, as are the next two
    unit: float
    order: float
    gradient_norm: float  # before clipping
    unit_skipped: int  # videos of this step that the unit loss did without, as does the next; see `Losses`
    order_skipped: int
    learning_rate: float
    seconds: float  # of this step, without validation
    score: float | None = None  # of validation, higher is better
    best: bool = False  # whether it is the highest so far
    ended: Ended | None = None  # why this was the last step: all done, no better score, or asked to, as by SIGTERM
