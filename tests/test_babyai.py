"""Simulated rooms: what is seen, and how it is cut into clips and sentences."""

import logging
from dataclasses import fields
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
import torch

from tempclr.data import simulator
from tempclr.data.babyai import Rooms, one_hot, pictures, procedure_pairs
from tempclr.data.ranges import ROOM_SETS, Bounds, Observation
from tempclr.data.simulator import FIRST_SEED, Procedure, draw, procedures
from tempclr.experiments.choices import BOUNDS, OBSERVATIONS
from tempclr.sequences import BACKGROUND, UNKNOWN


def embed(texts: list[str]) -> torch.Tensor:
    return torch.tensor([[float(hash(text) % 97)] for text in texts])


@pytest.fixture(scope="module")
def rooms() -> list[Procedure]:
    return procedures("validation", 2, steps_per_video=3, hidden_steps=1, orders_per_room=3)


@pytest.fixture(scope="module")
def symbols() -> list[Procedure]:
    return procedures("validation", 2, steps_per_video=3, hidden_steps=1, orders_per_room=3, observation="symbols")


# known answers


def test_a_described_procedure_becomes_clips_and_sentences(generator: torch.Generator):
    frames = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 56, 56, 3), np.uint8)
    video = Procedure("x", frames, ("one", "two"), ((0, 4), (4, 8)), (True, True))
    (pair,) = procedure_pairs([video], embed, generator=generator)
    assert pair.segments.tolist() == [0, 0, 1, 1]
    assert pair.clips[:, :, 0, 0, 0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    (short,) = procedure_pairs([video], embed, clips_per_step=3, frames_per_clip=2, generator=generator)
    assert short.clips[:3, :, 0, 0, 0].tolist() == [[0, 1], [1, 2], [3, 3]]


def test_a_whole_video_is_cut_evenly_and_a_clip_belongs_to_the_step_at_its_middle(generator: torch.Generator):
    frames = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 56, 56, 3), np.uint8)
    video = Procedure("x", frames, ("one", "hidden", "two"), ((0, 2), (2, 3), (3, 8)), (True, False, True))
    for bounds, wanted in (("exact", [0, -1, 1, 1, 1, 1]), ("unknown", [UNKNOWN] * 6)):
        (pair,) = procedure_pairs([video], embed, bounds=bounds, background=True, generator=generator)
        assert pair.segments.tolist() == wanted and pair.captions == ("one", "two")
        numbers = [[0, 1], [1, 2], [3, 3], [4, 5], [5, 6], [7, 7]]
        assert pair.clips[:, :, 0, 0, 0].tolist() == numbers
    (pair,) = procedure_pairs([video], embed, bounds="exact", generator=generator)
    assert pair.segments.tolist() == [0, 1, 1, 1, 1] and pair.clips[1, :, 0, 0, 0].tolist() == [3, 3]


def test_the_symbols_of_a_cell_are_its_kind_and_the_colour_of_an_object():
    view = np.zeros((1, 1, 7, 7, 3), np.uint8)  # out of sight, of colour 0
    view[0, 0, 0, :4] = [[2, 5, 0], [1, 0, 0], [5, 3, 0], [7, 0, 0]]  # a wall, nothing, a purple key, a red box
    cells = one_hot(view).reshape(49, 17)
    assert [cell.nonzero()[:, 0].tolist() for cell in cells[:5]] == [[2], [1], [5, 14], [7, 11], [0]]
    assert cells.max() == 1 and cells.sum() == 51


def test_a_room_without_an_end_is_passed_over_and_counted(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        found = simulator._perform_rooms("train", 2, range(1376, 1379), 5, 0, 1, "symbols")
    assert [message for message in caplog.messages if "passed over" in message] == [
        "1 of 3 rooms are passed over, since the bot searches in them without end"
    ]
    around = [video for seed in (1376, 1378) for video in simulator._room("", seed, 5, 0, 1, "symbols")]
    assert [video.instructions for video in found] == [video.instructions for video in around]
    with pytest.raises(TimeoutError):
        list(simulator._room("train-0", 1377, 5, 0, 1, "symbols"))


def test_sentences_name_the_things_that_are_visited(rooms: list[Procedure]):
    for video in rooms:
        for text in video.instructions:
            words = text.split()
            assert words[:3] == ["go", "to", "the"] and words[4] in ("ball", "box", "key")


# laws


def test_the_steps_cover_the_video_without_gaps(rooms: list[Procedure]):
    for video in rooms:
        ends = [0, *(stop for _, stop in video.bounds)]
        assert [start for start, _ in video.bounds] == ends[:-1]
        assert ends[-1] == len(video.frames)
        assert video.frames.dtype == np.uint8 and video.frames.shape[1:] == (56, 56, 3)


def test_the_videos_of_a_room_show_the_same_steps_in_different_orders(rooms: list[Procedure]):
    assert [video.name for video in rooms[:3]] == [f"validation-0/{k}" for k in range(3)]
    for room in (rooms[:3], rooms[3:]):
        told = [tuple(t for t, seen in zip(v.instructions, v.described, strict=True) if seen) for v in room]
        assert len(set(told)) == 3
        assert len({frozenset(texts) for texts in told}) == 1


def test_rendering_is_reproducible_and_cached(rooms: list[Procedure], monkeypatch: pytest.MonkeyPatch):
    seeds = range(FIRST_SEED["validation"], FIRST_SEED["test"])
    fresh = simulator._perform_rooms("validation", 1, seeds, 3, 1, 3, "pixels")
    for first, second in zip(rooms[:3], fresh, strict=True):
        assert first.instructions == second.instructions and first.bounds == second.bounds
        assert np.array_equal(first.frames, second.frames)
    monkeypatch.setattr(simulator, "_perform_rooms", lambda *_: pytest.fail("performed although it was cached"))
    assert len(procedures("validation", 2, steps_per_video=3, hidden_steps=1, orders_per_room=3)) == 6


def test_symbols_and_pixels_show_the_same_procedures(rooms: list[Procedure], symbols: list[Procedure]):
    assert [field.name for field in fields(Procedure)] == ["name", "frames", "instructions", "bounds", "described"]
    for drawn, known in zip(rooms, symbols, strict=True):
        assert (drawn.name, drawn.instructions, drawn.described) == (known.name, known.instructions, known.described)
        assert drawn.bounds == known.bounds
        assert known.symbols and not drawn.symbols
        assert np.array_equal(draw(known.frames), drawn.frames)


def test_symbols_are_not_rendered(monkeypatch: pytest.MonkeyPatch):
    from minigrid.core.grid import Grid

    monkeypatch.setattr(Grid, "render", lambda *_, **__: pytest.fail("rendered"))
    assert len(simulator._perform_rooms("test", 1, range(2_000_000, 2_000_100), 5, 0, 2, "symbols")) == 2


@pytest.mark.parametrize("bounds", get_args(Bounds))
def test_the_pictures_of_clips_of_symbols_are_the_clips_of_pixels(
    rooms: list[Procedure], symbols: list[Procedure], bounds: Bounds
):
    cut = [
        procedure_pairs(videos, embed, bounds=bounds, background=True, jitter=2, generator=torch.Generator())
        for videos in (rooms, symbols)
    ]
    for pixels, features in zip(*cut, strict=True):
        assert torch.equal(pixels.segments, features.segments) and features.clips.dtype == torch.float32
        assert np.array_equal(pictures(features.clips), pixels.clips.numpy())


@pytest.mark.parametrize("clips_per_step", [1, 2, 5])
def test_clips_of_a_whole_video_follow_exact_fractions(
    rooms: list[Procedure], clips_per_step: int, generator: torch.Generator
):
    cut = procedure_pairs(
        rooms, embed, bounds="exact", clips_per_step=clips_per_step, background=True, generator=generator
    )
    for video, pair in zip(rooms, cut, strict=True):
        count, seen = 4 * clips_per_step, len(video.frames)
        assert len(pair.clips) == count
        for clip in range(count):
            middle = Fraction(2 * clip + 1, 2 * count) * seen
            (step,) = (k for k, (start, stop) in enumerate(video.bounds) if start <= int(middle) < stop)
            wanted = sum(video.described[:step]) if video.described[step] else BACKGROUND
            assert pair.segments[clip] == wanted
            for frame in range(2):
                taken = int(Fraction(2 * (2 * clip + frame) + 1, 4 * count) * seen)
                assert np.array_equal(pair.clips[clip, frame].numpy(), video.frames[taken])


def test_only_training_videos_have_unknown_bounds():
    unknown, exact = (Rooms(2, 1, 1, observation="symbols", bounds=bounds) for bounds in ("unknown", "exact"))
    for split in ("train", "validation", "test"):
        for blind, knowing in zip(unknown.pairs(split, embed), exact.pairs(split, embed), strict=True):
            assert torch.equal(blind.clips, knowing.clips) and blind.captions == knowing.captions
            assert knowing.segments.min() >= 0 and (knowing.segments.diff() >= 0).all()
            assert blind.segments.tolist() == ([UNKNOWN] * 10 if split == "train" else knowing.segments.tolist())


def test_sets_of_training_rooms_differ_and_test_rooms_do_not():
    sets = [Rooms(2, 1, 1, observation="symbols", room_set=number) for number in (0, 1, ROOM_SETS - 1)]
    told = [{video.frames.tobytes() for video in each.procedures("train")} for each in sets]
    assert len(set.union(*told)) == 6
    assert len({each.procedures("test")[0].frames.tobytes() for each in sets}) == 1
    assert FIRST_SEED["validation"] - FIRST_SEED["train"] == ROOM_SETS * simulator._SEEDS


def test_names_in_types_are_those_of_the_tables():
    assert get_args(Observation) == tuple(OBSERVATIONS) and get_args(Bounds) == tuple(BOUNDS)


def test_background_is_dropped_or_kept_without_a_sentence(rooms: list[Procedure], generator: torch.Generator):
    dropped = procedure_pairs(rooms, embed, generator=generator)
    kept = procedure_pairs(rooms, embed, background=True, generator=generator)
    for without, with_it in zip(dropped, kept, strict=True):
        assert without.segments.tolist() == [0, 0, 1, 1, 2, 2]
        assert sorted(with_it.segments.tolist()) == [-1, -1, 0, 0, 1, 1, 2, 2]
        assert without.captions == with_it.captions
        assert torch.equal(with_it.clips[with_it.segments >= 0], without.clips)


def test_jitter_moves_bounds_and_stays_inside(rooms: list[Procedure]):
    def clips(jitter: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.cat([each.clips for each in procedure_pairs(rooms, embed, jitter=jitter, generator=generator)])

    assert clips(30).shape == clips(0).shape
    assert not torch.equal(clips(3), clips(0))


# refusals


def test_more_rooms_than_a_set_has_are_refused():
    with pytest.raises(ValueError, match="expected 2 rooms in each set, found only 1; ask for fewer"):
        simulator._perform_rooms("train", 2, range(1376, 1378), 5, 0, 1, "symbols")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "train, validation, test, got 'dev'"),
        ({"rooms": 0}, "rooms, steps_per_video >= 1"),
        ({"steps_per_video": 6, "hidden_steps": 1}, r"steps_per_video \+ hidden_steps <= 6"),
        ({"steps_per_video": 2, "orders_per_room": 3}, "1 to 2 orders of 2 steps"),
        ({"room_set": 100}, "room_set from 0 to 99, got 100"),
        ({"observation": "sounds"}, "observation to be one of pixels, symbols, got 'sounds'"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_what_cannot_be_performed_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        procedures(**{"split": "train", "rooms": 1} | arguments)


@pytest.mark.parametrize("change", [{"clips_per_step": 0}, {"frames_per_clip": 0}, {"jitter": -1}])
def test_wrong_numbers_of_clips_and_frames_are_refused(
    rooms: list[Procedure], change: dict, generator: torch.Generator
):
    with pytest.raises(ValueError, match="clips_per_step, frames_per_clip >= 1 and jitter >= 0"):
        procedure_pairs(rooms, embed, generator=generator, **change)


@pytest.mark.usefixtures("unchecked_shapes")
def test_bounds_that_nobody_can_know_are_refused(rooms: list[Procedure], generator: torch.Generator):
    with pytest.raises(ValueError, match="background with hidden steps and unknown bounds, since nobody knows"):
        procedure_pairs(rooms, embed, bounds="unknown", generator=generator)
    with pytest.raises(ValueError, match="bounds to be one of trimmed, exact, unknown, got 'rough'"):
        procedure_pairs(rooms, embed, bounds="rough", generator=generator)
