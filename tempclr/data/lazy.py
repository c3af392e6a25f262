"""Pairs that are made when they are drawn, so that a data set may be larger than memory."""

from collections.abc import Callable, Collection, Sequence
from typing import overload

from tempclr.sequences import UNKNOWN, Pair


class LazyPairs(Sequence[Pair]):
    """Pairs that are made anew each time they are drawn. Only their names and lengths are known in advance.

    A slice is lazy too.

    Args:
        names: Name of each pair.
        sentences: How many sentences each has.
        draw: Makes a pair, given its number from 0.
        untimed: Whether each `lacks_times`; by default, none does.
    """

    def __init__(
        self,
        names: Sequence[str],
        sentences: Sequence[int],
        draw: Callable[[int], Pair],
        untimed: Sequence[bool] | None = None,
    ) -> None:
        self.names, self.sentences, self._draw = names, sentences, draw
        self.untimed = [False] * len(names) if untimed is None else untimed

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> "LazyPairs":
        """Return any pairs as lazy ones."""
        if isinstance(pairs, LazyPairs):
            return pairs
        names, sentences = [pair.name for pair in pairs], [len(pair.sentences) for pair in pairs]
        untimed = [lacks_times(pair.segments.tolist(), len(pair.sentences)) for pair in pairs]
        return cls(names, sentences, pairs.__getitem__, untimed)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> "LazyPairs": ...
    def __getitem__(self, index):
        """Return one pair, made now, or a slice of them."""
        chosen = range(len(self))[index]
        if isinstance(chosen, int):
            return self._draw(chosen)
        names, sentences = ([each[number] for number in chosen] for each in (self.names, self.sentences))
        untimed = [self.untimed[number] for number in chosen]
        return LazyPairs(names, sentences, lambda number: self._draw(chosen[number]), untimed)


def lacks_times(segments: Collection[int], sentences: int) -> bool:
    """Return whether some clips are unknown, and some of so many sentences are shown by no known clip.

    Example:
        >>> lacks_times([0, -2, 2], 3), lacks_times([0, -2, 1], 2)
        (True, False)
    """
    return UNKNOWN in segments and not set(segments).issuperset(range(sentences))
