"""Weakly supervised segmentation: label the frames of a video from frame scores and the order of its steps.

A transcript is the list of the steps of a video, in order and without times. `align_transcript` finds where in the
video each step of a known transcript lies, given the scores of any network. `decode` does so without knowing the
transcript: it finds the best among a set of candidates, such as all transcripts of the training videos. `evaluate`
compares labels with the truth by every measure of `tempclr.metrics.segmentation`.

    found = align_transcript(scores, [3, 1, 7])
    found.labels  # one label per frame
    print(evaluate(truths, predictions, background=0, generator=generator))

Sources:
    Huang, Fei-Fei & Niebles, "Connectionist Temporal Modeling for Weakly Supervised Action Labeling", ECCV 2016.
    Chang, Huang, Sui, Fei-Fei & Niebles, "D3TW: Discriminative Differentiable Dynamic Time Warping for Weakly
    Supervised Action Alignment and Segmentation", CVPR 2019.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from tempclr.alignment import aligned_steps, segment_dtw
from tempclr.losses import even_split
from tempclr.metrics import Interval, bootstrap, bootstrap_ratio, check_finite
from tempclr.metrics import segmentation as measures
from tempclr.metrics.segmentation import Labels, Videos
from tempclr.sequences import UNKNOWN

Scores = Float[Tensor, "frames classes"] | Float[np.ndarray, "frames classes"]
Transcript = Sequence[int]  # labels of the steps of a video, in order
CELLS = 2**22  # most cells of transcripts and frames that are decoded at a time


@dataclass(frozen=True)
class Labelling:
    """A label for every frame, and what it costs."""

    labels: Int[Tensor, " frames"]
    cost: float  # minus the sum of the scores of the labels


@dataclass(frozen=True)
class Decoding:
    """The best of the candidate transcripts of a video."""

    best: int  # index of the candidate
    transcript: tuple[int, ...]
    labelling: Labelling
    costs: Float[Tensor, " candidates"]  # +inf for a candidate with more steps than the video has frames


def align_transcript(scores: Scores, transcript: Transcript, *, background: int | None = None) -> Labelling:
    """Return the labels of the frames that follow a transcript and have the highest sum of scores.

    Every step of the transcript gets one run of at least one frame, in order.

    Args:
        scores: Log-probability of each class in each frame, or logits: what is added to all scores of a frame changes
            the cost, but no label. Raise probabilities of 0 to a small number before taking their logarithm.
        transcript: Classes of the steps.
        background: Class of frames before, between and after the steps, which the transcript does not list; it
            takes any number of frames there, or none. None: every frame belongs to a step.

    Raises:
        ValueError: If there is no frame or no step, more steps than frames, a label is not among the classes, two
            steps in a row have one label (no score can tell where the first ends: merge them), the transcript lists
            the background, or a score is not finite.

    Example:
        The second frame looks like class 1, which the transcript does not allow there:

        >>> scores = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]]).log()
        >>> align_transcript(scores, [0, 1]).labels.tolist()
        [0, 0, 0, 1]
    """
    values = _checked_scores(scores)
    steps = _checked_transcript(transcript, values.shape[1], background).to(values.device)
    if len(steps) > len(values):
        raise ValueError(f"expected at most as many steps as the {len(values)} frames, got {len(steps)}")
    cost = -values.T[steps]
    between = None if background is None else -values[:, background]
    numbers = aligned_steps(partial(segment_dtw, between=between), cost)
    labels = steps[numbers]
    if background is not None:
        labels = torch.where(numbers >= 0, labels, background)
    picked = values.double().gather(1, labels[:, None])
    return Labelling(labels, -picked.sum().item())


def decode(scores: Scores, candidates: Sequence[Transcript], *, background: int | None = None) -> Decoding:
    """Return which candidate transcript has the labels with the highest sum of scores, and those labels.

    Args:
        scores: As for `align_transcript`.
        candidates: Transcripts, such as those of all training videos. Of equally good ones, the first is returned.
        background: As for `align_transcript`.

    Raises:
        ValueError: As `align_transcript`, or if there is no candidate, or all have more steps than there are frames.
    """
    values = _checked_scores(scores)
    if not candidates:
        raise ValueError("expected at least one candidate transcript, got none")
    steps = [_checked_transcript(each, values.shape[1], background) for each in candidates]
    between = None if background is None else -values[:, background]
    at_once = max(1, CELLS // (len(values) * max(map(len, steps))))
    costs = torch.cat([_costs(values, steps[part : part + at_once], between) for part in range(0, len(steps), at_once)])
    best = int(costs.argmin())
    if costs[best] == torch.inf:
        raise ValueError(
            f"expected a candidate with at most as many steps as the {len(values)} frames, "
            f"got {len(candidates)} of at least {min(map(len, steps))} steps"
        )
    chosen = tuple(steps[best].tolist())
    return Decoding(best, chosen, align_transcript(values, chosen, background=background), costs)


def transcript_of(labels: Labels, *, background: measures.Background = ()) -> tuple[int, ...]:
    """Return the transcript of a labelled video: its steps without background, and without repeats in a row.

    Example:
        >>> transcript_of(torch.tensor([3, 3, 0, 3, 1, 1]), background=0)
        (3, 1)
    """
    steps = [each.label for each in measures.segments_of(labels, background=background)]
    return tuple(label for number, label in enumerate(steps) if number == 0 or label != steps[number - 1])


def split_evenly(transcript: Transcript, frames: int) -> Int[Tensor, " {frames}"]:
    """Return the labels of steps that all take equally many frames: a baseline without scores.

    Frame t of m belongs to step floor(t n / m) of n.

    Raises:
        ValueError: If there is no step, or more steps than frames.
    """
    if not 0 < len(transcript) <= frames:
        raise ValueError(f"expected 1 to {frames} steps for as many frames, got {len(transcript)}")
    numbers = even_split(torch.full((1, frames), UNKNOWN), torch.tensor([len(transcript)]))[0]
    return torch.tensor(list(transcript))[numbers]


@dataclass(frozen=True)
class Measured:
    """One measure over all videos."""

    name: str
    protocol: str  # how papers that print it compute it
    value: Interval  # over videos


@dataclass(frozen=True)
class Evaluation:
    """Labels of videos compared with the truth by every measure."""

    rows: tuple[Measured, ...]
    videos: int
    frames: int
    without_truth: int | None = None  # videos whose transcript is not among the candidates

    def __getitem__(self, name: str) -> Interval:
        """Return a measure by its name.

        Raises:
            KeyError: If there is none of that name.
        """
        return {row.name: row.value for row in self.rows}[name]

    def __str__(self) -> str:
        """Return the table."""
        wide = max(len(row.name) for row in self.rows)
        lines = [f"{self.videos} videos, {self.frames} frames; in brackets: 95 % interval, bootstrap over videos"]
        if self.without_truth is not None:
            lines.append(f"{self.without_truth} videos have a transcript that is not among the candidates")
        for row in self.rows:
            value = f"{row.value.mean:.3f} ({row.value.low:.3f} to {row.value.high:.3f})"
            lines.append(f"{row.name:<{wide}}  {value}  {row.protocol}")
        return "\n".join(lines)


# name -> the measure of one video, and how papers that print it compute it
PER_VIDEO: dict[str, tuple[Callable[..., float], str]] = {
    "accuracy": (measures.frame_accuracy, "mean over videos (Lea et al. 2017)"),
    "F1@10": (partial(measures.segment_f1, overlap=0.1), "mean over videos (Lea et al. 2017)"),
    "F1@25": (partial(measures.segment_f1, overlap=0.25), "mean over videos (Lea et al. 2017)"),
    "F1@50": (partial(measures.segment_f1, overlap=0.5), "mean over videos (Lea et al. 2017)"),
    "edit": (measures.edit_score, "mean over videos (Lea et al. 2016)"),
    "IoU by frames": (measures.frame_iou, "mean over classes, then videos (TASL, Lu & Elhamifar 2021)"),
    "IoD by frames": (measures.frame_iod, "mean over classes, then videos (TASL, Lu & Elhamifar 2021)"),
    "IoU by segments": (measures.segment_iou, "mean over segments, then videos (ISBA, Ding & Xu 2018)"),
    "IoD by segments": (measures.segment_iod, "mean over segments, then videos (ISBA, Ding & Xu 2018)"),
}
# name -> counts of one video, which are summed over videos before their ratio is taken
POOLED: dict[str, tuple[Callable[..., tuple[int, int]], str]] = {
    "MoF": (measures.frame_hits, "frames of all videos pooled (Kuehne et al. 2017)"),
    "pooled F1@10": (partial(measures.segment_hits, overlap=0.1), "segments of all videos pooled (MS-TCN 2019)"),
    "pooled F1@25": (partial(measures.segment_hits, overlap=0.25), "segments of all videos pooled (MS-TCN 2019)"),
    "pooled F1@50": (partial(measures.segment_hits, overlap=0.5), "segments of all videos pooled (MS-TCN 2019)"),
}


def evaluate(
    truths: Videos,
    predictions: Videos,
    *,
    background: measures.Background = (),
    candidates: Iterable[Transcript] | None = None,
    generator: Generator,
) -> Evaluation:
    """Return every measure of labelled frames over all videos, with its interval.

    Args:
        truths: True labels of each video.
        predictions: Predicted labels of each video.
        background: Labels of background. If given, each measure is there twice: with background kept, and left out.
        candidates: Transcripts that `decode` chose from; videos whose own is not among them are counted.
        generator: Source of randomness of the bootstrap.

    Raises:
        ValueError: If there is no video or not one prediction for each, or as the measures.
    """
    videos = measures.labels_by_video(truths, predictions)
    kept: dict[str, measures.Background] = {"": ()}
    if background != ():
        kept = {"": (), " without background": background}
    rows = []
    for suffix, left_out in kept.items():
        for name, (measure, protocol) in PER_VIDEO.items():
            each = [measure(*pair, background=left_out) for pair in videos]
            found = bootstrap(torch.tensor([each], dtype=torch.float64), generator=generator)
            rows.append(Measured(name + suffix, protocol, found))
        for name, (count, protocol) in POOLED.items():
            counts = [count(*pair, background=left_out) for pair in videos]
            parts, wholes = torch.tensor(counts, dtype=torch.float64).T
            rows.append(Measured(name + suffix, protocol, bootstrap_ratio(parts, wholes, generator=generator)))
    absent = None
    if candidates is not None:
        listed = {tuple(each) for each in candidates}
        absent = sum(transcript_of(truth, background=background) not in listed for truth in truths)
    return Evaluation(tuple(rows), len(videos), sum(map(len, truths)), absent)


def _checked_scores(scores: Scores) -> Float[Tensor, "frames classes"]:
    values = torch.as_tensor(scores).detach()
    if values.ndim != 2 or 0 in values.shape or not values.is_floating_point():
        raise ValueError(f"expected floating-point scores [frames, classes], got {values.dtype} {tuple(values.shape)}")
    check_finite(values)
    return values


def _checked_transcript(transcript: Transcript, classes: int, background: int | None) -> Int[Tensor, " steps"]:
    steps = [int(label) for label in transcript]
    if not steps:
        raise ValueError("expected a transcript of at least one step, got none")
    unknown = [label for label in (*steps, *([] if background is None else [background])) if not 0 <= label < classes]
    if unknown:
        raise ValueError(f"expected labels from 0 to {classes - 1}, one per column of the scores, got {unknown[0]}")
    if background in steps:
        raise ValueError(
            f"expected a transcript without the background class {background}, which may lie anywhere between steps, "
            f"got it at step {steps.index(background)}"
        )
    for number, (one, other) in enumerate(pairwise(steps)):
        if one == other:
            raise ValueError(
                f"expected different labels in a row, got {one} at steps {number} and {number + 1}; "
                "no score tells where the first ends, so merge them"
            )
    return torch.tensor(steps)


def _costs(
    values: Float[Tensor, "frames classes"], steps: Sequence[Tensor], between: Float[Tensor, " frames"] | None
) -> Float[Tensor, " candidates"]:
    """The cost of aligning each candidate with the frames."""
    padded = torch.nn.utils.rnn.pad_sequence(list(steps), batch_first=True).to(values.device)
    lengths = torch.tensor([[len(each), len(values)] for each in steps], device=values.device)
    every = None if between is None else between.expand(len(steps), -1)
    return segment_dtw(-values.T[padded], lengths, between=every)
