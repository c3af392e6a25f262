"""Align real frame scores with right and wrong transcripts: 50 Salads, "mid" labels, two published networks.

    TEMPCLR_DATA=folder python benchmarks/salads.py [--network ED-TCN]

The folder holds the predictions published with "Temporal Convolutional Networks for Action Segmentation and Detection"
(Lea et al., CVPR 2017) as `tcn/predictions/50Salads/mid/mid_video_*/*.mat`, one file per fold: the truth `Y`, the
prediction `P` and the frame scores `S` of each of 50 videos. It prints a table per network, of frame accuracy over
17 actions and background, and all measures of the published predictions.
"""

import argparse
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat

import tempclr
from tempclr.metrics import bootstrap, frame_accuracy
from tempclr.tasks.segmentation import align_transcript, decode, evaluate, split_evenly, transcript_of

NETWORKS = {"ED-TCN": "mid_video_ED-TCN_L2_C15", "Dilated TCN": "mid_video_DilatedTCN_B3_L5"}
BACKGROUND = 0
LEAST = 1e-10  # probabilities below are raised to it, as the dilated network has zeros
PROTOCOL = "frame accuracy, background kept, mean over videos (Lea et al. 2017)"
Transcript = tuple[int, ...]


@dataclass(frozen=True)
class Video:
    """One video of 50 Salads and what a network says of it."""

    fold: int  # of the test set that it is in
    truth: np.ndarray  # [frames]
    predicted: np.ndarray  # [frames], as published
    scores: torch.Tensor  # [frames, classes], log-probabilities

    @property
    def transcript(self) -> Transcript:
        """The true steps in order, background included."""
        return transcript_of(self.truth)


def read(network: str) -> list[Video]:
    """Return the 50 videos with the scores of a network.

    Raises:
        SystemExit: If TEMPCLR_DATA is not set, or lacks the files.
    """
    if "TEMPCLR_DATA" not in os.environ:
        raise SystemExit("expected the environment variable TEMPCLR_DATA to name a folder with tcn/, got none")
    folder = Path(os.environ["TEMPCLR_DATA"]) / "tcn" / "predictions" / "50Salads" / "mid" / NETWORKS[network]
    files = sorted(folder.glob("*.mat"))
    if not files:
        raise SystemExit(f"expected the published predictions as {folder / '*.mat'}, got no such file")
    videos = []
    for fold, path in enumerate(files):
        content = loadmat(path)
        for truth, predicted, scores in zip(content["Y"][0], content["P"][0], content["S"][0], strict=True):
            logs = torch.from_numpy(scores).double().clamp_min(LEAST).log()
            videos.append(Video(fold, truth.ravel(), predicted.ravel(), logs))
    return videos


def merged(steps: Sequence[int]) -> Transcript:
    """A transcript whose equal neighbours are one step."""
    return transcript_of(np.array(steps))


def shuffled(steps: Transcript, generator: torch.Generator) -> Transcript:
    """The steps in a random order."""
    return merged([steps[k] for k in torch.randperm(len(steps), generator=generator).tolist()])


def neighbours_swapped(steps: Transcript) -> Transcript:
    """The first and second step exchanged, the third and fourth, and so on."""
    pairs = [steps[k : k + 2][::-1] for k in range(0, len(steps), 2)]
    return merged([step for pair in pairs for step in pair])


def labelled(videos: Sequence[Video], *, draws: int = 10) -> dict[str, list[list[np.ndarray]]]:
    """Labels of every video by every way to use its transcript, each as one or more draws of the wrong order."""
    generator = torch.Generator().manual_seed(0)

    def aligned(transcripts: Sequence[Transcript]) -> list[np.ndarray]:
        pairs = zip(videos, transcripts, strict=True)
        return [align_transcript(video.scores, steps).labels.numpy() for video, steps in pairs]

    true = [video.transcript for video in videos]
    actions = [merged([step for step in steps if step != BACKGROUND]) for steps in true]
    between = zip(videos, actions, strict=True)
    others = [[each.transcript for each in videos if each.fold != video.fold] for video in videos]
    return {
        "highest score of each frame": [[video.scores.argmax(1).numpy() for video in videos]],
        "true transcript": [aligned(true)],
        "true actions, background anywhere between": [
            [align_transcript(video.scores, steps, background=BACKGROUND).labels.numpy() for video, steps in between]
        ],
        "neighbours swapped": [aligned([neighbours_swapped(steps) for steps in true])],
        "reversed": [aligned([steps[::-1] for steps in true])],
        "shuffled": [aligned([shuffled(steps, generator) for steps in true]) for _ in range(draws)],
        "true transcript, spread evenly without scores": [
            [split_evenly(steps, len(video.truth)).numpy() for video, steps in zip(videos, true, strict=True)]
        ],
        "best of the transcripts of the other folds": [
            [decode(video.scores, each).labelling.labels.numpy() for video, each in zip(videos, others, strict=True)]
        ],
        "best of all 50 transcripts": [[decode(video.scores, true).labelling.labels.numpy() for video in videos]],
    }


def accuracies(videos: Sequence[Video], labels: Sequence[Sequence[np.ndarray]]) -> torch.Tensor:
    """Frame accuracy [videos], the mean over draws."""
    every = [[frame_accuracy(v.truth, each) for v, each in zip(videos, draw, strict=True)] for draw in labels]
    return torch.tensor(every, dtype=torch.float64).mean(0)


def report(network: str) -> str:
    """The tables of one network."""
    videos, generator = read(network), torch.Generator().manual_seed(0)
    found = {name: accuracies(videos, labels) for name, labels in labelled(videos).items()}
    own = found["highest score of each frame"]
    absent = sum(v.transcript not in {o.transcript for o in videos if o.fold != v.fold} for v in videos)
    lines = [
        f"\n{network}: {PROTOCOL}; n = {len(videos)} videos, 95 % bootstrap intervals over videos",
        f"{absent} of {len(videos)} videos have a transcript that no video of another fold has",
        "",
        "| labels | accuracy | minus the highest score |",
        "| --- | --- | --- |",
    ]
    for name, each in found.items():
        value, gain = (bootstrap(part[None], generator=generator) for part in (each, each - own))
        shown = f"{value.mean:.3f} ({value.low:.3f} to {value.high:.3f})"
        lines.append(f"| {name} | {shown} | {gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) |")
    measured = evaluate(
        [video.truth for video in videos],
        [video.predicted for video in videos],
        background=BACKGROUND,
        generator=generator,
    )
    return "\n".join([*lines, "", f"{network}: the published predictions", "", str(measured)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, help="one of the two (both)")
    chosen = parser.parse_args().network
    tables = [report(network) for network in ([chosen] if chosen else NETWORKS)]
    print(f"tempclr {tempclr.__version__}, torch {torch.__version__}, {platform.machine()} {platform.system()}")
    print("\n".join(tables))
