import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from tempclr.data.excerpts import excerpts
from tempclr.data.features import labelled, pairs
from tempclr.data.manifest import read_manifest
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair

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


def random_folder(folder: Path, videos: int) -> list[dict]:
    """Videos of random features of several float types, with segments that overlap and have fractional bounds."""
    numbers, entries = np.random.default_rng(0), []
    folder.mkdir()
    for video in range(videos):
        rows, sentences = int(numbers.integers(80, 120)), int(numbers.integers(2, 12))
        kind = (np.float32, np.float64, np.float16, np.dtype(">f4"))[video % 4]
        np.save(folder / f"v{video}.npy", np.asfortranarray(numbers.normal(size=(rows, 5)).astype(kind)))
        starts = np.sort(numbers.uniform(0, 12, sentences))
        stops = np.maximum.accumulate(starts + numbers.uniform(1, 6, sentences)) + 0.4 * np.arange(sentences)
        segments = np.stack((starts, stops), 1).tolist()  # each ends later by more than a row
        entries.append(
            {"video": f"v{video}", "split": "train", "rows": rows, "dim": 5, "seconds": 0.3}
            | {"sentences": [f"{number} {'o' * number}" for number in range(sentences)], "segments": segments}
        )
    write(folder, *entries)
    return entries


def at_once(folder: Path, entry: dict, background: bool, tokens: int) -> Pair:
    """The slow, obvious version: one video, read whole, row by row."""
    rows = torch.from_numpy(np.load(folder / f"{entry['video']}.npy").astype(np.float32))
    own: list[list[int]] = [[] for _ in entry["sentences"]]
    segments = []
    for row in range(len(rows)):
        middle = np.float32(np.float32(row + 0.5) * np.float32(entry["seconds"]))
        holds = [
            number
            for number, (start, stop) in enumerate(entry["segments"])
            if np.float32(start) <= middle < np.float32(stop)
        ]
        segments.append(holds[0] if holds else -1)
        for number in holds:
            own[number].append(row)
    texts, sentences = tuple(entry["sentences"]), embed(entry["sentences"])
    if tokens:
        windows = [rows[each][:tokens] for each in own]
        clips = torch.stack([torch.cat((each, torch.zeros(tokens - len(each), 5))) for each in windows])
        return Pair(entry["video"], sentences, clips, torch.arange(len(own)), texts)
    kept = [row for row, segment in enumerate(segments) if background or segment >= 0]
    return Pair(entry["video"], sentences, rows[kept], torch.tensor(segments)[kept], texts)


def check_equal(one: Pair, other: Pair) -> None:
    """Assert that two pairs are equal, types included."""
    assert (one.name, one.captions) == (other.name, other.captions)
    for part in ("sentences", "clips", "segments"):
        torch.testing.assert_close(getattr(one, part), getattr(other, part), rtol=0, atol=0)


# known answers


def test_a_row_belongs_to_the_sentence_whose_segment_holds_its_middle(folder: Path):
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


def test_sentences_that_overlap_an_earlier_one_can_be_dropped(folder: Path, caplog: pytest.LogCaptureFixture):
    sentences = ["one", "two", "three", "four"]
    write(folder, {**ENTRY, "sentences": sentences, "segments": [[0, 4], [3, 8], [4, 8], [7, 12]]})
    (pair,) = pairs(folder, "train", embed, drop_overlapping=True)  # "three" overlaps only "two", which is dropped
    assert pair.captions == ("one", "three") and pair.segments.tolist() == [0, 0, 1, 1]
    assert caplog.messages == ["2 of 4 train sentences overlap an earlier one and are left out"]


def test_truncated_clips_are_counted(folder: Path, caplog: pytest.LogCaptureFixture):
    write(folder, {**ENTRY, "segments": [[0, 8], [8, 12]]})  # of 4 and 2 rows
    pairs(folder, "train", embed, tokens=4)
    assert caplog.messages == []
    pairs(folder, "train", embed, tokens=3)
    assert caplog.messages == ["1 of 2 train clips have more than 3 rows and are cut"]


def test_a_group_comes_before_the_name(folder: Path):
    write(folder, {**ENTRY, "group": "cook pasta"})
    assert pairs(folder, "train", embed)[0].name == "cook pasta/pasta"


def test_a_transcript_alone_is_a_video_of_unknown_rows(folder: Path, caplog: pytest.LogCaptureFixture):
    transcript = {name: value for name, value in ENTRY.items() if name != "segments"}
    for entry in (transcript, {**ENTRY, "segments": None}, {**ENTRY, "segments": [None, None]}):
        write(folder, entry)
        for background in (True, False):  # rows may show a sentence, so none is dropped
            (pair,) = pairs(folder, "train", embed, background=background)
            assert pair.segments.tolist() == [UNKNOWN] * 6 and pair.clips.flatten().tolist() == list(range(18))
            assert pair.captions == ("boil the water", "add the pasta")
    assert set(caplog.messages) == {"1 of 1 train videos have rows whose sentence is unknown"}


def test_bounds_points_and_nothing_mix(folder: Path, caplog: pytest.LogCaptureFixture):
    changes = {"rows": 9, "sentences": list("abcd"), "segments": [[0, 4], 7.5, None, [12, 16]]}
    np.save(folder / "pasta.npy", np.arange(27, dtype=np.float32).reshape(9, 3))
    write(folder, {**ENTRY, **changes})
    for background, last in ((True, [-1]), (False, [])):
        (pair,) = pairs(folder, "train", embed, background=background)
        assert pair.segments.tolist() == [0, 0, -2, 1, -2, -2, 3, 3, *last]
        assert pair.clips[:, 0].tolist() == [3 * row for row in range(len(pair.clips))]
    assert set(caplog.messages) == {"1 of 1 train videos have rows whose sentence is unknown"}


def test_a_sentence_twice_in_a_row_without_bounds_is_counted(folder: Path, caplog: pytest.LogCaptureFixture):
    for segments in ([[0, 2], [2, 4]], [1.0, 3.0]):  # their times tell them apart
        write(folder, {**ENTRY, "sentences": ["stir", "stir"], "segments": segments})
        assert len(pairs(folder, "train", embed)) == 1
    assert not any("twice in a row" in message for message in caplog.messages)
    write(folder, {**ENTRY, "sentences": ["stir", "stir"], "segments": None})
    assert len(pairs(folder, "train", embed)) == 1
    expected = "1 of 1 train videos have a sentence twice in a row without bounds, which no alignment tells apart"
    assert caplog.messages[-1] == expected


def test_only_known_bounds_overlap(folder: Path):
    changes = {"sentences": list("abcd"), "segments": [[0, 4], None, [3, 6], 9.0]}
    write(folder, {**ENTRY, **changes})
    (pair,) = pairs(folder, "train", embed, drop_overlapping=True)
    assert pair.captions == ("a", "b", "d") and pair.segments.tolist() == [0, 0, -2, -2, 2, -2]


# laws


@pytest.mark.parametrize("background", [False, True])
def test_removing_times_never_changes_what_a_row_shows(background: bool, tmp_path: Path):
    entries = random_folder(tmp_path / "features", 8)
    for entry in entries:  # bounds that do not overlap: where they do, a row shows two sentences
        stops = [segment[0] for segment in entry["segments"][1:]] + [entry["rows"] * entry["seconds"]]
        entry["segments"] = [[start, stop] for (start, _), stop in zip(entry["segments"], stops, strict=True)]
    fits = [entry for entry in entries if all(stop - start > 0.7 for start, stop in entry["segments"])]
    assert len(fits) > 1
    write(tmp_path / "features", *fits)
    whole = list(pairs(tmp_path / "features", "train", embed, background=background))
    for entry in fits:
        entry["segments"] = [segment if k % 2 else None for k, segment in enumerate(entry["segments"])]
    write(tmp_path / "features", *fits)
    found = pairs(tmp_path / "features", "train", embed, background=background)
    for before, after in zip(whole, found, strict=True):
        assert after.captions == before.captions and len(after.clips) >= len(before.clips)
        shown = dict(zip(map(tuple, before.clips.tolist()), before.segments.tolist(), strict=True))
        for clip, segment in zip(map(tuple, after.clips.tolist()), after.segments.tolist(), strict=True):
            removed = shown.get(clip, BACKGROUND) in (BACKGROUND, *range(0, 99, 2))
            assert segment == shown.get(clip) or (segment == UNKNOWN and removed)


def test_transcripts_are_read_when_they_are_drawn(tmp_path: Path):
    entries = random_folder(tmp_path / "features", 4)
    write(tmp_path / "features", *({**entry, "segments": None} for entry in entries))
    found = pairs(tmp_path / "features", "train", embed)
    assert found.untimed == [True] * 4 == found[::-1].untimed
    for number, entry in enumerate(entries):
        rows = np.load(tmp_path / "features" / f"v{number}.npy").astype(np.float32)
        assert torch.equal(found[number].clips, torch.from_numpy(rows)) and (found[number].segments == UNKNOWN).all()
        assert found.sentences[number] == len(entry["sentences"])


def test_only_the_split_that_was_asked_for_is_read(folder: Path):
    write(folder, ENTRY, {**ENTRY, "video": "absent", "split": "test"})
    assert len(pairs(folder, "train", embed)) == 1
    assert len(read_manifest(folder)) == 2


@pytest.mark.parametrize("kept", [{}, {"background": True}, {"tokens": 4}, {"tokens": 40}])
def test_lazy_reading_gives_what_reading_the_whole_file_gives(kept: dict, tmp_path: Path):
    folder = tmp_path / "features"
    entries = random_folder(folder, 8)
    found = pairs(folder, "train", embed, **kept)
    expected = [at_once(folder, entry, kept.get("background", False), kept.get("tokens", 0)) for entry in entries]
    for _ in range(2):  # each time anew
        for number in (3, 0, -1, *range(8)):
            check_equal(found[number], expected[number])
    assert found.names == [pair.name for pair in found] == [pair.name for pair in expected]
    assert found.sentences == [len(pair.sentences) for pair in expected]
    part = found[6:2:-2]
    assert len(part) == 2 and part.names == ["v6", "v4"]
    check_equal(part[1], expected[4])


def test_features_are_read_when_they_are_drawn_and_not_kept(folder: Path):
    found = pairs(folder, "train", embed)
    parts = excerpts(found, generator=torch.Generator().manual_seed(0))
    for value in (7.0, 8.0):
        np.save(folder / "pasta.npy", np.full((6, 3), value, np.float32))
        assert found[0].clips.unique().tolist() == parts[0].clips.unique().tolist() == [value]


def test_slices_of_lazy_pairs_are_those_of_a_list(tmp_path: Path):
    random_folder(tmp_path / "features", 12)
    found = pairs(tmp_path / "features", "train", embed, tokens=6)
    lazy, eager = (excerpts(each, 8, 4, generator=torch.Generator().manual_seed(3)) for each in (found, list(found)))
    assert len(lazy) == len(eager) > len(set(lazy.names)) and len(set(lazy.names)) < 12
    assert (lazy.names, lazy.sentences) == (eager.names, eager.sentences)
    assert lazy.sentences == [len(pair.sentences) for pair in lazy]
    for one, other in zip(lazy, eager, strict=True):
        check_equal(one, other)


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
        ({"seconds": math.nan}, "seconds > 0 and finite, got 6, 3 and nan"),
        ({"seconds": None}, "field 'seconds'"),
        ({"sentences": ["one"]}, "as many segments as sentences"),
        ({"sentences": [" ", "x"]}, "not empty"),
        ({"segments": [[0, 5], [7, 7]]}, "0 <= start < stop"),
        ({"segments": [[0, 5], [40, 50]]}, "got none for number 1"),
        ({"sha256": "0" * 64}, "the file changed"),
        ({"split": "test"}, "videos of split 'train'"),
        ({"split": "training"}, "line 1: expected split to be one of train, validation, test, got 'training'"),
        ({"segments": [[4, 9], [3, 12]]}, r"line 1: expected sentences in order of time, got segment \[3, 12\] after"),
        ({"segments": [[0, 5]]}, "line 1: expected as many segments as sentences, or no field 'segments', got 1 and 2"),
        ({"segments": "none"}, "line 1: expected as many segments as sentences, or no field 'segments', got 'none'"),
        ({"segments": [None, True]}, r"line 1: .* a point in seconds, or null, got True"),
        ({"segments": [None, "5"]}, r"line 1: .* a point in seconds, or null, got '5'"),
        ({"segments": [None, 12]}, "line 1: expected a point from 0 to below 12 s, the end of the video, got 12"),
        ({"segments": [-1, None]}, "line 1: expected a point from 0 to below 12 s"),
        ({"segments": [5, [3, 9]]}, r"line 1: expected sentences in order of time, got segment \[3, 9\] after 5"),
        ({"sentences": list("abc"), "segments": [[5, 9], None, 3]}, r"in order of time, got segment 3 after \[5, 9\]"),
        ({"sentences": list("abcdefg"), "segments": None}, "line 1: expected a row .* got 7 sentences and 6 rows"),
        ({"sentences": list("abc"), "segments": [[0, 5], None, [5, 9]]}, "pasta: .* got 0 for numbers 1 to 1"),
        ({"segments": [[0, 6], 4.5]}, "pasta: expected one sentence at 4.5 s, a point of number 1, got number 0"),
        ({"group": "a/b"}, "a string without / as group, got 'a/b'"),
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


def test_a_video_in_two_lines_is_refused(folder: Path):
    write(folder, ENTRY, {**ENTRY, "split": "test"})
    with pytest.raises(ValueError, match="line 2: expected every video once, got 'pasta' in line 1 too"):
        pairs(folder, "train", embed)
    with pytest.raises(ValueError, match="line 2: expected every video once"):
        labelled(folder, "train", clips=2)


def test_shapes_of_all_files_are_checked_before_numbers_are_read(folder: Path):
    np.save(folder / "pasta.npy", np.full((6, 3), np.nan, np.float32))
    write(folder, ENTRY, {**ENTRY, "video": "absent"})
    with pytest.raises(ValueError, match=r"absent\.npy, found no file"):
        pairs(folder, "train", embed)
    np.save(folder / "absent.npy", np.zeros((6, 3), np.float32))
    with pytest.raises(ValueError, match=r"finite features in .*pasta\.npy, got 18 that are not"):
        pairs(folder, "train", embed)


def test_a_file_that_is_damaged_later_is_refused_when_it_is_drawn(folder: Path):
    found = pairs(folder, "train", embed)
    np.save(folder / "pasta.npy", np.full((6, 3), np.nan, np.float32))
    with pytest.raises(ValueError, match="finite features, got NaN or infinity in the clips of pasta"):
        found[0]
    np.save(folder / "pasta.npy", np.zeros((5, 3), np.float32))
    with pytest.raises(ValueError, match=r"to hold floats \(6, 3\) as the manifest says"):
        found[0]
    with pytest.raises(IndexError):
        found[1]


def test_impossible_clips_of_tokens_are_refused(folder: Path):
    with pytest.raises(ValueError, match="no background if tokens > 0, got 4 and True"):
        pairs(folder, "train", embed, tokens=4, background=True)
    np.save(folder / "pasta.npy", np.zeros((6, 3), np.float32))
    with pytest.raises(ValueError, match="clips of pasta that are not all 0, got only zeros in clip 0"):
        pairs(folder, "train", embed, tokens=4)
    write(folder, {**ENTRY, "segments": [[0, 5], [40, 50]]})
    with pytest.raises(ValueError, match="got none for number 1"):
        pairs(folder, "train", embed, tokens=4)


@pytest.mark.parametrize("segments", [None, [[0, 5], None], [2.0, [5, 9]]])
def test_clips_of_tokens_need_bounds(folder: Path, segments: list | None):
    write(folder, {**ENTRY, "segments": segments})
    with pytest.raises(ValueError, match=r"pasta: expected \[start, stop\] of every sentence.*give its bounds"):
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
        (np.full((6, 3), 1e300), "finite features"),  # in single precision
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


def test_truncated_files_and_archives_are_refused(folder: Path):
    whole = (folder / "pasta.npy").read_bytes()
    for content in (whole[:-4], whole[:20], b""):
        (folder / "pasta.npy").write_bytes(content)
        with pytest.raises(ValueError, match="array of numbers"):
            pairs(folder, "train", embed)
    with (folder / "pasta.npy").open("wb") as file:
        np.savez(file, np.zeros((6, 3)))
    with pytest.raises(ValueError, match="array of numbers"):
        pairs(folder, "train", embed)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path):
    outside = folder.parent / "outside.npy"
    (folder / "pasta.npy").rename(outside)
    (folder / "pasta.npy").symlink_to(outside)
    with pytest.raises(ValueError, match="in that folder"):
        pairs(folder, "train", embed)
