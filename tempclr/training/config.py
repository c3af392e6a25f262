"""The parameters of the training loop, and what it reports of each step."""

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
CHOICES = {"decay": get_args(Decay), "optimizer": get_args(Optimizer)}


@dataclass(frozen=True)
class TrainConfig:
    """The parameters of the training loop; model and data are passed to `train`."""

    steps: int = 200
    batch: int = 16  # videos per batch, over all processes; each other's in-batch negatives
    accumulate: int = 1  # batches whose mean gradient makes one step
    bucket: int = 1  # batches per group of videos that is sorted by length to save padding; 1 does not sort
    learning_rate: float = 1e-3
    warmup: int = 20  # steps over which the rate rises linearly from 0
    decay: Decay = "cosine"  # of the rate to 0, reached at `decay_steps`
    decay_steps: int = 0  # step at which the decay ends, possibly after the last step; 0: the last step
    power: float = 1.0  # exponent of the polynomial decay; 1 is linear
    optimizer: Optimizer = "adamw"
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    clip_norm: float = 2.0  # largest norm of the gradient; longer ones are scaled down
    ema_decay: float = 0.0  # decay of the exponential moving average of the weights, below 1; 0: no average
    recompute: bool = False  # gradient checkpointing: less memory, more time, the same result
    validate_every: int = 40  # steps; the last step is always validated
    checkpoint_every: int = 20  # steps; the last step is always stored
    patience: int = 0  # validations in a row without a new best score after which training ends; 0: never

    def __post_init__(self) -> None:
        validate(self, RANGES, CHOICES)
        if self.warmup >= self.steps:
            raise ValueError(f"expected a warmup from 0 to less than the {self.steps} steps, got {self.warmup}")
        if self.decay_steps and self.decay_steps <= self.warmup:
            raise ValueError(f"expected decay_steps above the warmup of {self.warmup}, or 0, got {self.decay_steps}")
        if len(self.betas) != 2 or not all(isinstance(beta, Real) and 0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"expected two betas from 0 to less than 1, got {self.betas}")
        object.__setattr__(self, "betas", tuple(map(float, self.betas)))


@dataclass(frozen=True)
class StepRecord:
    """What one training step did, over all its batches and processes."""

    step: int  # from 1
    total: float  # nats, as are the next two
    unit: float
    order: float
    gradient_norm: float  # before clipping
    unit_skipped: int  # videos that the unit loss could not use; see `losses.Losses`
    order_skipped: int  # the same for the order loss
    learning_rate: float
    seconds: float  # of this step, without validation
    score: float | None = None  # of validation, higher is better
    best: bool = False  # whether it is the highest so far
    ended: Ended | None = None  # why this step was the last: all steps done, patience, or a request such as SIGTERM
