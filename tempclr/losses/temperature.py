"""The temperature of a softmax: a fixed number, or a trainable parameter."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Temperature(nn.Module):
    """A temperature that is learnt with the model; pass it in place of a number.

    The parameter is log(temperature - least), so the temperature stays above `least`.

    Args:
        start: Value before training, above `least`.
        least: Lower bound, > 0. Without one, a learnt temperature may fall until the softmax is hard; CLIP uses 0.01.

    Raises:
        ValueError: Unless 0 < `least` < `start`.

    Source:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, section 2.5.
    """

    def __init__(self, start: float, *, least: float = 0.01) -> None:
        super().__init__()
        if not 0 < least < start < math.inf:
            raise ValueError(f"expected 0 < least < start, got a least of {least} and a start of {start}")
        self.least = least
        self.logarithm = nn.Parameter(torch.tensor(math.log(start - least)))

    def extra_repr(self) -> str:
        """Return the lower bound."""
        return f"least={self.least}"

    def forward(self) -> Float[Tensor, ""]:
        """Return the current temperature."""
        return self.least + self.logarithm.exp()


def current(temperature: float | Temperature) -> float | Float[Tensor, ""]:
    """Return the current value of a temperature."""
    return temperature() if isinstance(temperature, Temperature) else temperature


def check_temperature(temperature: float | Tensor | Temperature) -> None:
    """Raise `ValueError` unless a temperature is positive, which a learnt one always is."""
    if isinstance(temperature, Temperature) or torch.compiler.is_compiling():
        return
    if isinstance(temperature, Tensor):
        if temperature.is_meta:
            return
        temperature = temperature.item()
    if not 0 < temperature < math.inf:
        raise ValueError(f"expected a temperature > 0, got {temperature}")
