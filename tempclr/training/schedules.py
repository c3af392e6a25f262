"""Learning rates: a linear warmup, then a decay. A schedule is a function of the step and has no state."""

import math

from tempclr.training.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of a step.

    The rate rises linearly to `config.learning_rate` at step `config.warmup`, falls to 0 at `config.decay_steps` and
    stays there. When a share p of the decay has passed, the full rate is multiplied by

        cosine       (1 + cos(pi p)) / 2
        linear       1 - p
        polynomial   (1 - p) ** power
        none         1

    Args:
        step: Number of the training step, from 1.
        config: Parameters of the training.

    Example:
        The published schedule after a thousandth of its decay:

        >>> published = TrainConfig(steps=30_000, learning_rate=2e-5, warmup=1000, decay="polynomial",
        ...                         decay_steps=1_000_000)
        >>> round(learning_rate(1999, published) / 2e-5, 4)
        0.999

    Source:
        Polynomial as in the published configuration: power 1 over 1e6 steps, after a warmup of 1000.
        Cosine: Loshchilov & Hutter, "SGDR", ICLR 2017, equation 5, without restarts.
    """
    if step <= config.warmup:
        return config.learning_rate * step / config.warmup
    end = config.decay_steps or config.steps
    left = max(0.0, 1 - (step - config.warmup) / (end - config.warmup))
    factor = {
        "cosine": (1 + math.cos(math.pi * (1 - left))) / 2,
        "linear": left,
        "polynomial": left**config.power,
        "none": 1.0,
    }[config.decay]
    return config.learning_rate * factor
