"""A mean and its confidence interval, over seeds and over units that may be grouped."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from tempclr._util.optional import import_optional


def group_means(values: Float[Tensor, "*rows units"], groups: Sequence[str]) -> Float[Tensor, "*rows groups"]:
    """Return the mean of each group of units, such as the queries of one room, in order of first appearance.

    Units of one group are not independent, but the means of groups are. `bootstrap` takes these means.

    Raises:
        ValueError: If there is not one group per unit.

    Example:
        >>> group_means(torch.tensor([1.0, 2.0, 6.0]), ["a", "b", "b"])
        tensor([1., 4.])
    """
    if len(groups) != values.shape[-1]:
        raise ValueError(f"expected one group for each of {values.shape[-1]} units, got {len(groups)}")
    names = list(dict.fromkeys(groups))
    numbers = torch.tensor([names.index(name) for name in groups], device=values.device)
    return torch.stack([values[..., numbers == number].mean(-1) for number in range(len(names))], -1)


def groups(names: Sequence[str]) -> list[str]:
    """Return the group of each name, the part before its slash; with a single group, return the names themselves.

    Example:
        >>> groups(["a/1", "a/2", "b/1"]), groups(["a/1", "a/2"])
        (['a', 'a', 'b'], ['a/1', 'a/2'])
    """
    first = [name.split("/")[0] for name in names]
    return first if len(set(first)) > 1 else list(names)


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float
    n: int  # number of independent units

    def __str__(self) -> str:
        return f"{self.mean:.2f} ({self.low:.2f} to {self.high:.2f})"

    def signed(self) -> str:
        """Return the interval of a difference as text, with signs.

        Example:
            >>> Interval(0.25, -0.5, 1.0, 8).signed()
            '+0.25 (-0.50 to +1.00)'
        """
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def bootstrap(
    values: Float[Tensor, "seeds units"],
    *,
    generator: Generator,
    level: float = 0.95,
    draws: int = 10_000,
) -> Interval:
    """Return the mean of values and its percentile bootstrap interval.

    Both axes are resampled: the training runs (seeds), and the units on which all of them were tested. For a paired
    comparison, pass the differences. With few seeds the interval is too narrow, because only the observed seeds are
    resampled.

    Args:
        values: One row per seed, one column per independent unit (a query, or a group of related ones).
        generator: Source of randomness.
        level: Coverage, 0 to 1.
        draws: Number of resamples.

    Raises:
        ValueError: If there are no values, one is not finite, or the level is out of range.

    Source:
        Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    if values.ndim != 2 or values.numel() == 0 or not values.isfinite().all():
        raise ValueError(f"expected finite values [seeds, units], got shape {tuple(values.shape)}")
    _check_level(level, draws)
    seeds, units = values.shape
    device = generator.device
    rows = torch.randint(seeds, (draws, seeds), generator=generator, device=device)
    columns = torch.randint(units, (draws, units), generator=generator, device=device)
    # the mean over drawn rows and columns, weighted by how often each was drawn
    row_counts = torch.zeros(draws, seeds, dtype=torch.float64, device=device).scatter_add_(
        1, rows, torch.ones_like(rows, dtype=torch.float64)
    )
    column_counts = torch.zeros(draws, units, dtype=torch.float64, device=device).scatter_add_(
        1, columns, torch.ones_like(columns, dtype=torch.float64)
    )
    means = ((row_counts @ values.double().to(device)) * column_counts).sum(1) / (seeds * units)
    low, high = _quantiles(means, level)
    return Interval(values.double().mean().item(), low, high, units)


def bootstrap_ratio(
    parts: Float[Tensor, " units"],
    wholes: Float[Tensor, " units"],
    *,
    generator: Generator,
    level: float = 0.95,
    draws: int = 10_000,
) -> Interval:
    """Return sum(parts) / sum(wholes) and its percentile bootstrap interval, for measures pooled over units.

    Args:
        parts: What is counted in each unit, such as the frames of a video that are labelled right.
        wholes: Of how many, > 0.
        generator: Source of randomness.
        level: Coverage, 0 to 1.
        draws: Number of resamples.

    Raises:
        ValueError: If there is no unit, the sizes differ, a number is not finite, a whole is not positive, or the
            level is out of range.

    Source:
        As `bootstrap`.
    """
    counts = torch.stack([parts, wholes]).double() if parts.shape == wholes.shape else torch.empty(0)
    if counts.ndim != 2 or counts.numel() == 0 or not counts.isfinite().all() or not (counts[1] > 0).all():
        raise ValueError(f"expected finite parts and positive wholes, one per unit, got {parts} and {wholes}")
    _check_level(level, draws)
    units = len(parts)
    drawn = torch.randint(units, (draws, units), generator=generator, device=generator.device)
    sums = counts.to(generator.device)[:, drawn].sum(2)
    low, high = _quantiles(sums[0] / sums[1], level)
    return Interval((counts[0].sum() / counts[1].sum()).item(), low, high, units)


def student(values: Float[Tensor, "seeds units"], *, level: float = 0.95) -> Interval:
    """Return the mean of values and its Student's t interval over seeds, for the units that were tested.

    With few seeds it is wide, as it should be; `bootstrap` is too narrow. It does not generalise to other units.

    Args:
        values: One row per seed, at least 2. For a paired comparison, pass the differences.
        level: Coverage, 0 to 1.

    Raises:
        ValueError: If there are fewer than 2 seeds, a value is not finite, the level is out of range, or SciPy is
            not installed.

    Example:
        Two seeds say little:

        >>> print(student(torch.tensor([[0.1], [0.2]])))
        0.15 (-0.49 to 0.79)
    """
    if values.ndim != 2 or len(values) < 2 or values.shape[1] == 0 or not values.isfinite().all():
        raise ValueError(f"expected finite values [seeds, units] of at least 2 seeds, got shape {tuple(values.shape)}")
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, got {level}")
    means = values.double().mean(1)
    quantile = import_optional("scipy.stats", "notebooks").t.ppf((1 + level) / 2, len(means) - 1)
    mean, half = means.mean().item(), float(quantile) * (means.std() / len(means) ** 0.5).item()
    return Interval(mean, mean - half, mean + half, len(means))


def paired_interval(
    differences: Float[Tensor, "seeds units"], *, generator: Generator, level: float = 0.95, draws: int = 10_000
) -> Interval:
    """Return the mean of paired differences and the interval that covers those of `bootstrap` and of `student`.

    The first is too narrow for few seeds; the second does not generalise to other units. With a single seed, only the
    first exists.

    Args:
        differences: One row per seed, one column per independent unit.
        generator: Source of randomness of the bootstrap.
        level: Coverage, 0 to 1. For k comparisons that are to hold at once, 1 - 0.05 / k (Bonferroni).
        draws: Resamples of the bootstrap.

    Raises:
        ValueError: As `bootstrap`.
    """
    found = bootstrap(differences, generator=generator, level=level, draws=draws)
    if len(differences) == 1:
        return found
    other = student(differences, level=level)
    return Interval(found.mean, min(found.low, other.low), max(found.high, other.high), found.n)


def _check_level(level: float, draws: int) -> None:
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"expected a level between 0 and 1 and at least one draw, got {level} and {draws}")


def _quantiles(means: Tensor, level: float) -> list[float]:
    """The bounds of the middle share of the means."""
    return means.quantile(means.new_tensor([(1 - level) / 2, (1 + level) / 2])).tolist()
