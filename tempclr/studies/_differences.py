"""What studies say of differences between training runs: the level of several at once, and when one is clear."""

from tempclr.metrics import Interval

INTERVAL = (
    "95 % percentile bootstrap over seeds and rooms, 10,000 draws; for a difference, no narrower than Student's t over "
    "seeds"
)


def level_of_all(comparisons: int) -> float:
    """Return the level of each interval at which all hold together with 95 % (Bonferroni)."""
    return 1 - 0.05 / max(1, comparisons)


def adjustment(comparisons: int) -> str:
    """Return in words how intervals are adjusted for the number of comparisons."""
    return f"the same at {level_of_all(comparisons):.2%}, so that all {comparisons} hold together (Bonferroni)"


def excludes_zero(difference: Interval) -> bool:
    """Return whether an interval lies on one side of 0."""
    return not difference.low <= 0 <= difference.high


def signed_range(difference: Interval) -> str:
    """Return the ends of an interval as text, with signs."""
    return f"{difference.low:+.2f} to {difference.high:+.2f}"
