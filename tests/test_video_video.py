"""Labelled videos, pairs of them, and the model that a recognition describes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tempclr.data import features
from tempclr.data.babyai_classes import class_procedures
from tempclr.data.labelled import Video, even_clips, pairs_within
from tempclr.encoders import is_contextual
from tempclr.experiments import video_video
from tempclr.experiments.choices import ALIGNMENTS
from tempclr.experiments.recognition import Recognition
from tempclr.sequences import collate


def videos(generator: torch.Generator) -> list[Video]:
    return [
        Video(f"{label}/{k}", torch.randn(6, 5, generator=generator), label)
        for label, count in (("a", 3), ("b", 2), ("alone", 1))
        for k in range(count)
    ]


# known answers


def test_frames_are_taken_evenly_from_the_whole_video():
    frames = np.arange(8)[:, None, None, None]
    assert even_clips(frames, 2, 2).flatten().tolist() == [1, 3, 5, 7]
    assert even_clips(frames[:2], 2, 2).flatten().tolist() == [0, 0, 1, 1]


def test_pairs_are_two_different_videos_of_a_class(generator: torch.Generator, caplog: pytest.LogCaptureFixture):
    pairs = pairs_within(videos(generator), generator=generator)
    names = {pair.name for pair in pairs}
    assert len(pairs) == len(names) == 3 * 2 + 2 * 1
    assert {"a/0 and a/1", "a/1 and a/0", "b/1 and b/0"} <= names
    assert all(pair.segments.eq(-1).all() and set(pair.captions) == {pair.name[0]} for pair in pairs)
    assert "1 of 3 classes have a single video" in caplog.text
    few = pairs_within(videos(generator), most=2, generator=generator)
    assert [pair.captions[0] for pair in few] == ["a", "a", "b", "b"] and {pair.name for pair in few} <= names


# laws


def test_classes_of_a_set_share_rooms_and_steps_and_differ_in_order():
    found = class_procedures("validation", 2, things=2, orders_per_set=2, videos_per_class=2)
    assert [each.name for each in found] == [f"validation-{s}.{o}/{k}" for s in (0, 1) for o in (0, 1) for k in (0, 1)]
    for start in (0, 4):
        one, other = found[start].instructions, found[start + 2].instructions
        assert one == other[::-1]
        assert all(each.instructions == one for each in found[start : start + 2])
        assert all(each.instructions == other for each in found[start + 2 : start + 4])
    assert set(found[0].instructions) != set(found[4].instructions)
    rooms = [each.frames[0] for each in found]  # before the agent moves, it sees only the room
    assert not np.array_equal(rooms[0], rooms[1])


def test_no_set_is_in_two_splits():
    sets = {
        split: {
            frozenset(each.instructions)
            for each in class_procedures(split, 3, things=2, orders_per_set=1, videos_per_class=1)
        }
        for split in ("train", "validation", "test")
    }
    assert len(sets["train"] | sets["validation"] | sets["test"]) == 9


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("encoder", ["per-step", "contextual"])
def test_both_videos_train_one_encoder(alignment: str, encoder: str, generator: torch.Generator):
    wanted = Recognition(alignment=alignment, encoder=encoder, dim=8, negatives=5)
    model = video_video.model(wanted, videos(generator))
    assert model.text is model.video and is_contextual(model) == (encoder == "contextual")
    losses = model(collate(video_video.training_pairs(wanted, videos(generator))), generator=generator)
    assert losses.order_skipped == 0 and losses.unit == 0 and torch.equal(losses.total, losses.order)
    losses.total.backward()
    assert all(weight.grad.any() for weight in model.parameters() if weight.ndim > 1)


def test_videos_of_one_class_are_not_negatives_of_each_other(generator: torch.Generator):
    wanted = Recognition(negatives=1, dim=8)
    own = [each for each in videos(generator) if each.label == "a"]
    pairs = video_video.training_pairs(wanted, own)
    alone = [
        video_video.model(Recognition(negatives=1, dim=8, in_batch_negatives=contrasted), own)
        for contrasted in (True, False)
    ]
    found = [model(collate(pairs), generator=torch.Generator().manual_seed(1)).order for model in alone]
    torch.testing.assert_close(*found)


def test_features_are_read_with_their_group_as_class(tmp_path: Path):
    lines = []
    for k, rows in enumerate((3, 9)):
        np.save(tmp_path / f"v{k}.npy", np.arange(2.0 * rows, dtype=np.float32).reshape(rows, 2))
        lines.append({"video": f"v{k}", "split": "train", "rows": rows, "dim": 2, "seconds": 1.0, "group": "jump"})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = video_video.videos(Recognition(data=str(tmp_path), clips=3), "train")
    assert [each.clips[:, 0].tolist() for each in found] == [[0, 2, 4], [2, 8, 14]]
    assert [(each.name, each.label) for each in found] == [("jump/v0", "jump"), ("jump/v1", "jump")]
    with pytest.raises(ValueError, match=r"split 'test' in .*, each with a group"):
        features.labelled(tmp_path, "test", clips=3)
    lines.append({**lines[0], "video": "v2", "split": "test"})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ValueError, match="every class in one split only, got 'jump' in 'train' and 'test'"):
        features.labelled(tmp_path, "train", clips=3)


# refusals


def test_wrong_classes_pairs_and_parameters_are_refused(generator: torch.Generator):
    with pytest.raises(ValueError, match="one of train, validation, test, got 'all'"):
        class_procedures("all", 1)
    with pytest.raises(ValueError, match="2 to 4 things, at most as many orders_per_set as they have"):
        class_procedures("train", 1, things=2, orders_per_set=3)
    with pytest.raises(ValueError, match="expected a class with at least two videos, got none"):
        pairs_within(videos(generator)[-1:], generator=generator)
    with pytest.raises(ValueError, match="most >= 0 pairs of each class, got -1"):
        pairs_within(videos(generator), most=-1, generator=generator)
    with pytest.raises(ValueError, match=r"expected alignment to be one of .*, got 'TRX'"):
        Recognition(alignment="TRX")
    for change, message in (
        ({"gamma": -1.0}, "gamma > 0"),
        ({"clips_per_segment": 0}, "clips_per_segment >= 1"),
        ({"things": 5}, "2 to 4 things"),
        ({"encoder": "contextual", "dim": 12}, "a dim that is a multiple of 8"),
    ):
        with pytest.raises(ValueError, match=message):
            Recognition(**change)
