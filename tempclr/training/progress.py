"""A progress bar for training, in notebooks and terminals."""

from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext

from tqdm.auto import tqdm

from tempclr.training.config import StepRecord


def progress(records: Iterable[StepRecord], steps: int, *, shown: bool = True) -> Iterator[StepRecord]:
    """Yield records as they come, and show a progress bar.

    Args:
        records: From `train`, which is closed when this generator is. If they continue an interrupted run, the bar
            starts where it stopped.
        steps: Total number of training steps.
        shown: Whether this process shows the bar; only one of several processes should.
    """
    score = {}
    closed = closing(records) if hasattr(records, "close") else nullcontext()  # type: ignore[type-var]
    with closed, tqdm(total=steps, unit="step", disable=not shown) as bar:
        for record in records:
            if record.score is not None:
                score = {"score": f"{record.score:.3f}"}
            bar.update(record.step - bar.n)
            bar.set_postfix(loss=f"{record.total:.3f}", **score, refresh=False)
            yield record
