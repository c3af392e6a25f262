"""A bar over the steps of a training, in notebooks and terminals."""

from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext

from tqdm.auto import tqdm

from tempclr.training.config import StepRecord


def progress(records: Iterable[StepRecord], steps: int, *, shown: bool = True) -> Iterator[StepRecord]:
    """Yield records as they come, and show how far training is.

    Args:
        records: Of `train`, which is left when this is. One that continues an earlier training starts where that ended.
        steps: Of the whole training.
        shown: Whether this process shows the bar; among several, one should.
    """
    score = {}
    left = closing(records) if hasattr(records, "close") else nullcontext()
    with left, tqdm(total=steps, unit="step", disable=not shown) as bar:
        for record in records:
            if record.score is not None:
                score = {"score": f"{record.score:.3f}"}
            bar.update(record.step - bar.n)
            bar.set_postfix(loss=f"{record.total:.3f}", **score, refresh=False)
            yield record
