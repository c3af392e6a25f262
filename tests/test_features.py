import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tempclr.data.features import pairs, read_manifest

ENTRY = {
    "video": "pasta",
    "split": "train",
    "rows": 6,
    "dim": 3,
    "seconds": 2.0,
    "sentences": ["boil the water", "add the pasta"],
    "segments": [[0, 5], [4, 9.5]],
}


def embed(texts: list[str]) -> torch.Tensor:
    """Length of each text, as a feature."""
    return torch.tensor([[float(len(text))] for text in texts])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features" / "pasta.npy", np.arange(18, dtype=np.float32).reshape(6, 3))
    write(tmp_path / "features", ENTRY)
    return tmp_path / "features"


def write(folder: Path, *entries: object) -> None:
    (folder / "manifest.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


# known answers


def test_rows_belong_to_the_sentence_at_their_middle(folder: Path):
    (pair,) = pairs(folder, "train", embed)
    # middles at 1, 3, 5, 7, 9, 11 seconds; 5 is the first that only the second segment holds
    assert pair.segments.tolist() == [0, 0, 1, 1, 1]
    assert pair.clips[-1].tolist() == [12, 13, 14]
    assert pair.sentences.tolist() == [[14.0], [13.0]]
    assert pair.captions == ("boil the water", "add the pasta")


def test_background_is_kept_on_request(folder: Path):
    (pair,) = pairs(folder, "train", embed, background=True)
    assert pair.segments.tolist() == [0, 0, 1, 1, 1, -1]


def test_rows_between_bounds_are_the_tokens_of_a_clip(folder: Path):
    rows = torch.arange(18.0).reshape(6, 3)
    (pair,) = pairs(folder, "train", embed, tokens=4)
    # middles at 1, 3, 5, 7, 9, 11 seconds; the clips [0, 5) and [4, 9.5) share none of these, but time
    assert pair.clips.shape == (2, 4, 3) and pair.segments.tolist() == [0, 1]
    assert torch.equal(pair.clips[0], torch.cat((rows[:2], torch.zeros(2, 3))))
    assert torch.equal(pair.clips[1], torch.cat((rows[2:5], torch.zeros(1, 3))))
    write(folder, {**ENTRY, "segments": [[0, 8], [4, 12]]})
    (pair,) = pairs(folder, "train", embed, tokens=3)
    assert torch.equal(pair.clips, torch.stack((rows[:3], rows[2:5])))  # row 2 is in both; each is cut to 3


def test_sentences_that_overlap_an_earlier_one_are_left_out_greedily(folder: Path):
    sentences = ["one", "two", "three", "four"]
    write(folder, {**ENTRY, "sentences": sentences, "segments": [[0, 4], [3, 8], [4, 8], [7, 12]]})
    (pair,) = pairs(folder, "train", embed, apart=True)  # "three" overlaps "two" alone, which is not kept
    assert pair.captions == ("one", "three") and pair.segments.tolist() == [0, 0, 1, 1]


def test_a_group_comes_before_the_name(folder: Path):
    write(folder, {**ENTRY, "group": "cook pasta"})
    assert pairs(folder, "train", embed)[0].name == "cook pasta/pasta"


# laws


def test_only_the_split_that_was_asked_for_is_read(folder: Path):
    write(folder, ENTRY, {**ENTRY, "video": "absent", "split": "test"})
    assert len(pairs(folder, "train", embed)) == 1
    assert len(read_manifest(folder)) == 2


def test_the_right_checksum_is_accepted(folder: Path):
    write(folder, {**ENTRY, "sha256": hashlib.sha256((folder / "pasta.npy").read_bytes()).hexdigest()})
    assert len(pairs(folder, "train", embed)) == 1


# refusals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": "../pasta"}, "file name without folders"),
        ({"video": ".."}, "file name without folders"),
        ({"video": ""}, "file name without folders"),
        ({"video": "absent"}, "found no file"),
        ({"rows": 7}, r"to hold floats \(7, 3\)"),
        ({"rows": True}, "field 'rows'"),
        ({"dim": 0}, "rows, dim and seconds > 0"),
        ({"seconds": None}, "field 'seconds'"),
        ({"sentences": ["one"]}, "as many segments as sentences"),
        ({"sentences": [" ", "x"]}, "not empty"),
        ({"segments": [[0, 5], [7, 7]]}, "0 <= start < stop"),
        ({"segments": [[0, 5], [40, 50]]}, "got none for number 1"),
        ({"sha256": "0" * 64}, "the file changed"),
        ({"split": "test"}, "videos of split 'train'"),
        ({"group": "a/b"}, "a text without / as group, got 'a/b'"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(folder: Path, change: dict, message: str):
    write(folder, {**ENTRY, **change})
    with pytest.raises(ValueError, match=message):
        pairs(folder, "train", embed)


def test_files_of_different_width_are_refused(folder: Path):
    write(folder, ENTRY, {**ENTRY, "video": "other", "split": "validation", "dim": 4})
    with pytest.raises(ValueError, match="line 2: expected dim 3 as before, got 4"):
        pairs(folder, "train", embed)


def test_clips_of_tokens_that_cannot_be_made_are_refused(folder: Path):
    with pytest.raises(ValueError, match="no background with them, got 4 and True"):
        pairs(folder, "train", embed, tokens=4, background=True)
    np.save(folder / "pasta.npy", np.zeros((6, 3), np.float32))
    with pytest.raises(ValueError, match="not all 0 in the clips of pasta, got such in 0"):
        pairs(folder, "train", embed, tokens=4)
    write(folder, {**ENTRY, "segments": [[0, 5], [40, 50]]})
    with pytest.raises(ValueError, match="got none for number 1"):
        pairs(folder, "train", embed, tokens=4)


def test_the_line_at_fault_is_named(folder: Path):
    (folder / "manifest.jsonl").write_text(json.dumps(ENTRY) + "\n{not json}\n")
    with pytest.raises(ValueError, match="line 2"):
        pairs(folder, "train", embed)
    write(folder, ENTRY, [1])
    with pytest.raises(ValueError, match="line 2: expected a JSON object, got list"):
        pairs(folder, "train", embed)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="expected a manifest"):
        pairs(tmp_path, "train", embed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.full((6, 3), np.nan, np.float32), "finite features"),
        (np.zeros((6, 3), np.int64), "got int64"),
        (np.zeros((3, 6), np.float32), r"got float32 \(3, 6\)"),
    ],
)
def test_features_that_do_not_fit_are_refused(folder: Path, content: np.ndarray, message: str):
    np.save(folder / "pasta.npy", content)
    with pytest.raises(ValueError, match=message):
        pairs(folder, "train", embed)


def test_pickled_features_are_refused(folder: Path):
    np.save(folder / "pasta.npy", np.array([[{}] * 3] * 6, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="array of numbers"):
        pairs(folder, "train", embed)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path):
    outside = folder.parent / "outside.npy"
    (folder / "pasta.npy").rename(outside)
    (folder / "pasta.npy").symlink_to(outside)
    with pytest.raises(ValueError, match="in that folder"):
        pairs(folder, "train", embed)
