"""Long videos are split into parts."""

from dataclasses import replace

import pytest
import torch

from tempclr.data.excerpts import excerpts
from tempclr.data.lazy import LazyPairs
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair


def video(name: str, sentences: int) -> Pair:
    """Two clips per sentence, whose values are its number, and a clip of background after them."""
    segments = torch.stack(
        (torch.arange(sentences), torch.arange(sentences), torch.full((sentences,), -1)), 1
    ).flatten()
    numbers = torch.arange(sentences).float()
    clips = torch.where(segments >= 0, segments, 99)[:, None].float()
    return Pair(name, numbers[:, None], clips, segments, tuple(f"{name} {k}" for k in range(sentences)))


# known answers


def test_videos_that_are_long_enough_and_not_too_long_stay_whole(generator: torch.Generator):
    videos = [video("a", 4), video("b", 5), video("c", 16)]
    assert list(excerpts(videos, 16, 5, generator=generator)) == videos[1:]
    assert list(excerpts(videos, generator=generator)) == videos


# laws


@pytest.mark.parametrize("sentences", [17, 32, 33, 50])
def test_a_long_video_is_split_evenly_and_in_order(sentences: int, generator: torch.Generator):
    whole = video("a", sentences)
    parts = excerpts([whole], 16, 5, generator=generator)
    sizes = [len(part.sentences) for part in parts]
    assert len(parts) == -(-sentences // 16) and max(sizes) - min(sizes) <= 1 and sum(sizes) == sentences
    seen = torch.cat([part.sentences[:, 0] for part in parts])
    assert torch.equal(seen.sort().values, whole.sentences[:, 0])
    for part in parts:
        numbers = part.sentences[:, 0]
        assert (numbers.diff() > 0).all() and part.name == "a"
        assert torch.equal(part.clips[:, 0], numbers.repeat_interleave(2))  # no background, only its own clips
        assert torch.equal(numbers[part.segments], part.clips[:, 0])
        assert part.captions == tuple(f"a {int(k)}" for k in numbers)
    assert any((part.sentences[:, 0].diff() > 1).any() for part in parts)  # at random, not cut into pieces


def test_videos_are_split_without_being_drawn(generator: torch.Generator):
    drawn: list[int] = []

    def draw(number: int) -> Pair:
        drawn.append(number)
        return video(str(number), sentences[number])

    sentences = [3, 20, 7, 40] * 100
    parts = excerpts(LazyPairs([str(k) for k in range(400)], sentences, draw), 16, 5, generator=generator)
    assert len(parts) == 100 * (2 + 1 + 3) and len(parts[100:200]) == 100
    assert len(drawn) < 20  # only by the type checks of the tests, which look at one item of a sequence
    drawn.clear()
    assert parts[0].name == "1" and len(parts[0].sentences) == 10 and drawn == [1, 1]


@pytest.mark.parametrize("sentences", [17, 32, 33])
def test_unknown_clips_stay_between_their_sentences(sentences: int, generator: torch.Generator):
    # of each sentence a clip of it and two of which it is unknown whether they show it or the next, and background
    whole = video("a", sentences)
    truth = torch.stack((torch.arange(sentences),) * 3 + (torch.full((sentences,), BACKGROUND),), 1).flatten()
    unknown = torch.tensor([False, True, True, False]).repeat(sentences)
    clips = torch.where(truth < 0, 99, truth)[:, None].float()
    points = Pair("a", whole.sentences, clips, torch.where(unknown, UNKNOWN, truth), whole.captions)
    parts = list(excerpts([points], 16, 5, generator=generator))
    assert [int(k) for part in parts for k in part.sentences[:, 0]] == list(range(sentences))  # in runs
    assert [text for part in parts for text in part.captions] == list(points.captions)
    for number, part in enumerate(parts):
        own = part.sentences[:, 0]
        assert 5 <= len(own) <= 16 and torch.isin(part.clips[:, 0], own).all()  # clips of no other part, no background
        known = part.segments >= 0
        assert torch.equal(own[part.segments[known]], part.clips[known, 0])
        assert len(part.clips) == 3 * len(own) - 2 * (number < len(parts) - 1)


# refusals


def test_a_video_with_a_sentence_without_time_is_not_split(generator: torch.Generator):
    whole = video("a", 20)
    gap = torch.where(whole.segments == 3, UNKNOWN, whole.segments)
    with pytest.raises(ValueError, match=r"a time for each of the 20 sentences of a.*to 0 or to at least 20"):
        excerpts([replace(whole, segments=gap)], 16, 5, generator=generator)


def test_videos_that_are_all_too_short_are_refused(generator: torch.Generator):
    with pytest.raises(ValueError, match="a video with at least 10 sentences, got at most 5 in one"):
        excerpts([video("a", 3), video("b", 5)], min_sentences=10, generator=generator)


@pytest.mark.parametrize(("most", "least"), [(8, 5), (-1, 1), (0, 0)])
def test_numbers_out_of_range_are_refused(most: int, least: int, generator: torch.Generator):
    with pytest.raises(ValueError, match="min_sentences >= 1, and max_sentences 0 or at least twice min_sentences"):
        excerpts([video("a", 3)], most, least, generator=generator)
