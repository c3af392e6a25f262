"""Step localization: given the list of a task's steps, find when each happens in a video.

The protocol is that of CrossTask. Every clip (in CrossTask, a second) is scored against every task step, and a softmax
over the task steps makes the scores comparable. Each task step gets exactly one clip, in the order of the list; all
other clips are background. A task step counts as found if its clip lies in one of its instances. Recall is the share
of the task steps present that are found; it is computed per task over all of its videos, then averaged over tasks.

    lists = canonical_lists(pairs)  # or true_lists(pairs): the order in which each video shows them
    found = judge(pairs, lists, place(model, pairs, lists))
    found.macro, found.micro

A video is a pair: its captions are the task steps that it shows, and its name begins with its task and a slash. A
video without a slash is a task of its own.

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
from tempclr.metrics import Interval, bootstrap, check_finite, group_means
from tempclr.sequences import UNKNOWN, Pair, pad

PROTOCOL = "CrossTask average recall: log-softmax over steps, one clip per step in the order of the list"

StepList = tuple[str, ...]


def best_places(scores: Float[Tensor, "steps clips"]) -> Int[Tensor, " steps"]:
    """Return one clip per task step, in increasing order, so that the sum of their scores is maximal.

    Raises:
        ValueError: If there are fewer clips than task steps, no task step, or a score is not finite.

    Example:
        The best clip of the second step lies before that of the first, so it cannot be used:

        >>> best_places(torch.tensor([[0.0, 0.0, 5.0, 0.0], [9.0, 0.0, 0.0, 1.0]]))
        tensor([2, 3])
    """
    steps, clips = scores.shape
    if not 0 < steps <= clips:
        raise ValueError(f"expected at least one step and a clip for each, got {steps} steps and {clips} clips")
    check_finite(scores)
    reached, before = scores[0], []
    for row in scores[1:]:
        best = reached.cummax(0)  # best sum of the steps so far, up to each clip
        before.append(best.indices)
        reached = row + torch.nn.functional.pad(best.values[:-1], (1, 0), value=-torch.inf)
    places = [int(reached.argmax())]
    for indices in reversed(before):
        places.append(int(indices[places[-1] - 1]))
    return torch.tensor(places[::-1])


def shown_by(
    instances: Sequence[tuple[int, float, float]], steps: int, clips: int, *, seconds: float = 1.0
) -> Bool[Tensor, "{steps} {clips}"]:
    """Return which clips lie in an instance of which task step; instances are rounded outwards, as in the protocol.

    Args:
        instances: Task step, from 0, and start and stop in seconds.
        steps: Number of task steps in the list.
        clips: Number of clips in the video.
        seconds: Duration of a clip.

    Raises:
        ValueError: If the task step of an instance is out of range, or not 0 <= start < stop.

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
    """Return the task of a video: its name up to the first slash."""
    return pair.name.split("/")[0]


def true_lists(pairs: Sequence[Pair]) -> list[StepList]:
    """Return for each video the task steps that it shows, in order of first appearance."""
    return [tuple(dict.fromkeys(pair.captions)) for pair in pairs]


def canonical_lists(pairs: Sequence[Pair]) -> list[StepList]:
    """Return for each video the list of its task: the steps of the task's first video, then new steps of the others."""
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
    """Return for each video the clip of each task step, or None if it has fewer clips than task steps.

    Args:
        model: Embeds task steps and clips.
        pairs: Videos, with background.
        lists: Task steps in the order in which to find them.
        cosine: Whether to compare by cosine similarity; otherwise by the dot product, as in the step loss.
        temperature: Temperature of the softmax over the task steps, > 0.

    Raises:
        ValueError: If no video shows a task step of a list, or a score is not finite.
    """
    device = next(model.parameters()).device
    features = {text: each for pair in pairs for text, each in zip(pair.captions, pair.sentences, strict=True)}
    unknown = sorted({text for steps in lists for text in steps if text not in features})
    if unknown:
        raise ValueError(f"expected steps that a video shows, got {unknown[0]!r}")
    places: list[Tensor | None] = []
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
    """Return task steps spread evenly over each video: a baseline that uses only the order of the list."""
    return [
        None
        if len(pair.clips) < len(steps)
        else ((torch.arange(len(steps)) + 0.5) * len(pair.clips) / len(steps)).long()
        for pair, steps in zip(pairs, lists, strict=True)
    ]


@dataclass(frozen=True)
class Localization:
    """Which task steps were found, over all task steps present in all videos."""

    hits: Bool[Tensor, " present"]
    tasks: tuple[str, ...]  # the task of each hit or miss
    skipped: tuple[str, ...] = ()  # videos with fewer clips than task steps
    protocol: str = PROTOCOL

    @property
    def by_task(self) -> dict[str, float]:
        """Recall of each task, 0 to 1, over the task steps present in its videos."""
        means = group_means(self.hits.double(), self.tasks)
        return dict(zip(dict.fromkeys(self.tasks), means.tolist(), strict=True))

    @property
    def macro(self) -> float:
        """Mean recall over tasks: the number that papers report."""
        return sum(self.by_task.values()) / len(self.by_task)

    @property
    def micro(self) -> float:
        """Share of all task steps present that were found."""
        return self.hits.double().mean().item()

    def interval(self, *, generator: Generator) -> Interval:
        """Return the macro recall with its bootstrap interval over tasks."""
        return bootstrap(group_means(self.hits.double(), self.tasks)[None], generator=generator)


def judge(pairs: Sequence[Pair], lists: Sequence[StepList], places: Sequence[Int[Tensor, " _"] | None]) -> Localization:
    """Return which task steps were found, that is, placed at a clip that shows them.

    Task steps that a video does not show do not count, and videos without places are skipped.

    Raises:
        ValueError: If no video could be judged, or which step a clip shows is unknown.
    """
    hits, tasks, skipped = [], [], []
    for pair, steps, placed in zip(pairs, lists, places, strict=True):
        if placed is None:
            skipped.append(pair.name)
            continue
        if (pair.segments == UNKNOWN).any():
            raise ValueError(
                f"expected the step that each clip of {pair.name} shows, or background, to judge what was found, "
                f"got unknown clips; give [start, stop] of all its steps"
            )
        spoken = [pair.captions[number] if number >= 0 else None for number in pair.segments.tolist()]
        for text, clip in zip(steps, placed.tolist(), strict=True):
            if text in spoken:
                hits.append(spoken[clip] == text)
                tasks.append(task_of(pair))
    if not hits:
        raise ValueError(f"expected at least one video with as many clips as steps, got none of {len(pairs)}")
    return Localization(torch.tensor(hits), tuple(tasks), tuple(skipped))


def step_recall(model: TempCLR, pairs: Sequence[Pair], *, cosine: bool = False, temperature: float = 1.0) -> float:
    """Return the macro recall with the canonical lists, 0 to 1: the validation score of training."""
    lists = canonical_lists(pairs)
    return judge(pairs, lists, place(model, pairs, lists, cosine=cosine, temperature=temperature)).macro
