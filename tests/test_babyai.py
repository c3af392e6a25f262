"""Simulated rooms: what is rendered, and how it is cut into clips and sentences."""

import numpy as np
import pytest
import torch

from tempclr.data import simulator
from tempclr.data.babyai import procedure_pairs
from tempclr.data.simulator import Procedure, procedures


def embed(texts: list[str]) -> torch.Tensor:
    return torch.tensor([[float(hash(text) % 97)] for text in texts])


@pytest.fixture(scope="module")
def rooms() -> list[Procedure]:
    return procedures("validation", 2, steps_per_video=3, hidden_steps=1, orders_per_room=3)


# known answers


def test_a_described_procedure_becomes_clips_and_sentences(generator: torch.Generator):
    frames = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 56, 56, 3), np.uint8)
    video = Procedure("x", frames, ("one", "two"), ((0, 4), (4, 8)), (True, True))
    (pair,) = procedure_pairs([video], embed, generator=generator)
    assert pair.segments.tolist() == [0, 0, 1, 1]
    assert pair.clips[:, :, 0, 0, 0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    (short,) = procedure_pairs([video], embed, clips_per_step=3, frames_per_clip=2, generator=generator)
    assert short.clips[:3, :, 0, 0, 0].tolist() == [[0, 1], [1, 2], [3, 3]]


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
    fresh = simulator._render("validation", 1, 3, 1, 3)
    for first, second in zip(rooms[:3], fresh, strict=True):
        assert first.instructions == second.instructions and first.bounds == second.bounds
        assert np.array_equal(first.frames, second.frames)
    monkeypatch.setattr(simulator, "_render", lambda *_: pytest.fail("rendered although it was cached"))
    assert len(procedures("validation", 2, steps_per_video=3, hidden_steps=1, orders_per_room=3)) == 6


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "train, validation, test, got 'dev'"),
        ({"rooms": 0}, "rooms, steps_per_video >= 1"),
        ({"steps_per_video": 6, "hidden_steps": 1}, r"steps_per_video \+ hidden_steps <= 6"),
        ({"steps_per_video": 2, "orders_per_room": 3}, "1 to 2 orders of 2 steps"),
    ],
)
def test_what_cannot_be_rendered_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        procedures(**{"split": "train", "rooms": 1} | arguments)


@pytest.mark.parametrize("change", [{"clips_per_step": 0}, {"frames_per_clip": 0}, {"jitter": -1}])
def test_wrong_numbers_of_clips_and_frames_are_refused(
    rooms: list[Procedure], change: dict, generator: torch.Generator
):
    with pytest.raises(ValueError, match="clips_per_step, frames_per_clip >= 1 and jitter >= 0"):
        procedure_pairs(rooms, embed, generator=generator, **change)
