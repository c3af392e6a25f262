"""Step localization: given the list of a task's steps, find when each happens in a video.

The protocol is CrossTask's. A clip (there, a second) is scored against every step of the list, a softmax over the
steps makes these comparable, and each step gets exactly one clip, in the order of the list; the rest of the video
is background. A step counts as found if its clip lies in one of the step's instances. Recall is the share of the
steps present that are found, per task over all of its videos; then the mean over tasks.

    lists = canonical_lists(pairs)  # or true_lists(pairs): the order in which each video has them
    found = judge(pairs, lists, place(model, pairs, lists))
    found.macro, found.micro

A video is a pair: its captions are the steps it shows, and its name begins with its task and a slash; a video
without a slash is a task of its own.

Source:
    Zhukov et al., "Cross-task weakly supervised learning from instructional videos", CVPR 2019, section 5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.functional import normalize

from tempclr.encoders import encode
from tempclr.losses import TempCLR
from tempclr.metrics import Interval, bootstrap, group_means
from tempclr.sequences import Pair, pad

PROTOCOL = "CrossTask average recall: log-softmax over steps, one clip per step in the order of the list"

StepList = tuple[str, ...]


def best_places(scores: Float[Tensor, "steps clips"]) -> Int[Tensor, " steps"]:
    """Return a clip for each step, one after the other, so that the sum of their scores is the highest.

    Raises:
        ValueError: If there are fewer clips than steps, no step, or a score is not finite.

    Example:
        The second step scores best before the first, which does not count:

        >>> best_places(torch.tensor([[0.0, 0.0, 5.0, 0.0], [9.0, 0.0, 0.0, 1.0]]))
        tensor([2, 3])
    """
    steps, clips = scores.shape
    if not 0 < steps <= clips:
        raise ValueError(f"expected at least one step, and a clip for each, got {steps} steps and {clips} clips")
    if not scores.isfinite().all():
        raise ValueError(f"expected finite scores, got {int((~scores.isfinite()).sum())} that are not")
    reached, before = scores[0], []
    for row in scores[1:]:
        best = reached.cummax(0)  # of the steps so far, up to each clip
        before.append(best.indices)
        reached = row + torch.nn.functional.pad(best.values[:-1], (1, 0), value=-torch.inf)
    places = [int(reached.argmax())]
    for indices in reversed(before):
        places.append(int(indices[places[-1] - 1]))
    return torch.tensor(places[::-1])


def shown_by(
    instances: Sequence[tuple[int, float, float]], steps: int, clips: int, *, seconds: float = 1.0
) -> Bool[Tensor, "{steps} {clips}"]:
    """Return which clips lie in an instance of which step, by the protocol's rounding outwards.

    Args:
        instances: Step, from 0, and start and stop in seconds.
        steps: Of the list.
        clips: Of the video.
        seconds: Duration of a clip.

    Raises:
        ValueError: If an instance is of no step of the list, or does not begin before it stops, at 0 or later.

    Example:
        >>> shown_by([(0, 1.9, 3.1)], 1, 5).int()
        tensor([[0, 1, 1, 1, 0]], dtype=torch.int32)
    """
    shown = torch.zeros(steps, clips, dtype=torch.bool)
    for step, start, stop in instances:
        if not (0 <= step < steps and 0 <= start < stop):
            raise ValueError(
                f"expected a step from 0 to {steps - 1} and 0 <= start < stop, got {step}, {start}, {stop}"
            )
        shown[step, math.floor(start / seconds) : math.ceil(stop / seconds)] = True
    return shown


def task_of(pair: Pair) -> str:
    """Return the task that a video is of: its name up to the first slash."""
    return pair.name.split("/")[0]


def true_lists(pairs: Sequence[Pair]) -> list[StepList]:
    """Return for each video the steps that it shows, in the order in which they first come."""
    return [tuple(dict.fromkeys(pair.captions)) for pair in pairs]


def canonical_lists(pairs: Sequence[Pair]) -> list[StepList]:
    """Return for each video the list of its task: the steps of its first video, then what others add to them."""
    lists: dict[str, dict[str, None]] = {}
    for pair in pairs:
        lists.setdefault(task_of(pair), {}).update(dict.fromkeys(pair.captions))
    return [tuple(lists[task_of(pair)]) for pair in pairs]


def place(
    model: TempCLR,
    pairs: Sequence[Pair],
    lists: Sequence[StepList],
    *,
    cosine: bool = False,
    temperature: float = 1.0,
) -> list[Int[Tensor, " _"] | None]:
    """Return for each video the clip of each step of its list; None where there are fewer clips than steps.

    Args:
        model: Embeds steps and clips.
        pairs: Videos, with background.
        lists: Steps in the order in which they are to be found.
        cosine: Whether to compare by cosine; if not, by the dot product, as the step loss does.
        temperature: Of the softmax over the steps, > 0.

    Raises:
        ValueError: If a list holds a step that no video shows, or a score is not finite.
    """
    device = next(model.parameters()).device
    features = {text: each for pair in pairs for text, each in zip(pair.captions, pair.sentences, strict=True)}
    unknown = sorted({text for steps in lists for text in steps if text not in features})
    if unknown:
        raise ValueError(f"expected steps that a video shows, got {unknown[0]!r}")
    places = []
    for pair, steps in zip(pairs, lists, strict=True):
        if len(pair.clips) < len(steps):
            places.append(None)
            continue
        with torch.no_grad():
            listed = encode(model.text, pad([torch.stack([features[text] for text in steps])]).to(device)).values[0]
            clips = encode(model.video, pad([pair.clips]).to(device)).values[0]
        if cosine:
            listed, clips = normalize(listed, dim=-1), normalize(clips, dim=-1)
        places.append(best_places((listed @ clips.T / temperature).log_softmax(0).cpu()))
    return places


def place_evenly(pairs: Sequence[Pair], lists: Sequence[StepList]) -> list[Int[Tensor, " _"] | None]:
    """Return steps spread evenly over each video, whatever it shows: what the order of the list alone can do."""
    return [
        None
        if len(pair.clips) < len(steps)
        else ((torch.arange(len(steps)) + 0.5) * len(pair.clips) / len(steps)).long()
        for pair, steps in zip(pairs, lists, strict=True)
    ]


@dataclass(frozen=True)
class Localization:
    """Which steps were found, over all steps present in all videos."""

    hits: Bool[Tensor, " present"]
    tasks: tuple[str, ...]  # of each
    skipped: tuple[str, ...] = ()  # videos with fewer clips than steps
    protocol: str = PROTOCOL

    @property
    def by_task(self) -> dict[str, float]:
        """Recall of each task, 0 to 1, over the steps present in its videos."""
        means = group_means(self.hits.double(), self.tasks)
        return dict(zip(dict.fromkeys(self.tasks), means.tolist(), strict=True))

    @property
    def macro(self) -> float:
        """Mean recall over tasks: the number that is published."""
        return sum(self.by_task.values()) / len(self.by_task)

    @property
    def micro(self) -> float:
        """Share of all steps present that were found."""
        return self.hits.double().mean().item()

    def interval(self, *, generator: Generator) -> Interval:
        """Return the macro recall with its bootstrap interval over tasks."""
        return bootstrap(group_means(self.hits.double(), self.tasks)[None], generator=generator)


def judge(pairs: Sequence[Pair], lists: Sequence[StepList], places: Sequence[Int[Tensor, " _"] | None]) -> Localization:
    """Return which steps were found: those whose clip shows them.

    Steps of a list that a video does not show do not count, nor do those that have no clip in it.

    Raises:
        ValueError: If no video could be judged.
    """
    hits, tasks, skipped = [], [], []
    for pair, steps, placed in zip(pairs, lists, places, strict=True):
        if placed is None:
            skipped.append(pair.name)
            continue
        spoken = [pair.captions[number] if number >= 0 else None for number in pair.segments.tolist()]
        for text, clip in zip(steps, placed.tolist(), strict=True):
            if text in spoken:
                hits.append(spoken[clip] == text)
                tasks.append(task_of(pair))
    if not hits:
        raise ValueError(f"expected at least one video with as many clips as steps, got none of {len(pairs)}")
    return Localization(torch.tensor(hits), tuple(tasks), tuple(skipped))


def step_recall(model: TempCLR, pairs: Sequence[Pair], *, cosine: bool = False, temperature: float = 1.0) -> float:
    """Return the macro recall under the lists of the tasks, 0 to 1: the score that training is validated by."""
    lists = canonical_lists(pairs)
    return judge(pairs, lists, place(model, pairs, lists, cosine=cosine, temperature=temperature)).macro
