"""The temperature of a contrast: a number, or learnt."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Temperature(nn.Module):
    """A temperature that is learnt with the model; pass it where a number is expected.

    The parameter is the logarithm of what it is above `least`, so that it stays above.

    Args:
        start: Before training, more than `least`.
        least: > 0. Without a bound, a temperature that is learnt may fall until the softmax is hard; 0.01 is CLIP's.

    Raises:
        ValueError: If it does not start above a positive `least`.

    Source:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section 2.5.
    """

    def __init__(self, start: float, *, least: float = 0.01) -> None:
        super().__init__()
        if not 0 < least < start < math.inf:
            raise ValueError(f"expected a temperature that starts above a least > 0, got {start} and {least}")
        self.least = least
        self.logarithm = nn.Parameter(torch.tensor(math.log(start - least)))

    def extra_repr(self) -> str:
        """Return what is not learnt."""
        return f"least={self.least}"

    def forward(self) -> Float[Tensor, ""]:
        """Return the temperature as it is now."""
        return self.least + self.logarithm.exp()


def current(temperature: float | Temperature) -> float | Float[Tensor, ""]:
    """Return a temperature as it is now."""
    return temperature() if isinstance(temperature, Temperature) else temperature


def check_temperature(temperature: float | Tensor | Temperature) -> None:
    """Raise `ValueError` unless a temperature is positive; what is learnt is so by its making."""
    if isinstance(temperature, Temperature) or torch.compiler.is_compiling():
        return
    if isinstance(temperature, Tensor):
        if temperature.is_meta:
            return
        temperature = temperature.item()
    if not 0 < temperature < math.inf:
        raise ValueError(f"expected a temperature > 0, got {temperature}")
