"""Labels of frames from scores and transcripts."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tempclr.metrics import frame_accuracy, pooled_segment_f1, segment_f1
from tempclr.tasks.segmentation import align_transcript, decode, evaluate, split_evenly, transcript_of

seeds = st.integers(0, 10_000)


def random_scores(frames: int, classes: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, classes, generator=generator, dtype=torch.float64).log_softmax(1)


def total(scores: Tensor, labels: tuple[int, ...]) -> float:
    return sum(scores[t, label].item() for t, label in enumerate(labels))


def follows(labels: tuple[int, ...], steps: list[int], background: int | None) -> bool:
    """Whether labels are the steps in order, one run of frames for each, with background at most between runs."""
    runs = [label for t, label in enumerate(labels) if t == 0 or label != labels[t - 1]]
    return [label for label in runs if label != background] == steps


# known answers


def test_planted_steps_are_found():
    truth = torch.tensor([2, 2, 0, 0, 0, 3, 1, 1])
    scores = torch.nn.functional.one_hot(truth, 4).float().mul(5).log_softmax(1)
    found = align_transcript(scores, [2, 0, 3, 1])
    assert found.labels.tolist() == truth.tolist()
    assert found.cost == pytest.approx(-scores.max(1).values.sum().item(), rel=1e-6)
    found = align_transcript(scores, [2, 3], background=0)  # class 1 is not allowed at the end
    assert found.labels[:6].tolist() == [2, 2, 0, 0, 0, 3]
    assert decode(scores, [[0, 1], [2, 0, 3, 1], [2, 3]]).best == 1


def test_transcripts_are_the_runs_without_background():
    labels = np.array([0, 4, 4, 0, 4, 2, 0])
    assert transcript_of(labels) == (0, 4, 0, 4, 2, 0)
    assert transcript_of(labels, background=0) == (4, 2)


def test_an_even_split_gives_frame_t_of_m_to_step_floor_t_n_over_m():
    assert split_evenly([5, 1, 3], 7).tolist() == [5, 5, 5, 1, 1, 3, 3]


def test_ten_thousand_frames_are_labelled_right(generator: torch.Generator):
    lengths = torch.randint(50, 500, (40,), generator=generator)
    steps = [k % 18 for k in range(40)]
    truth = torch.tensor(steps).repeat_interleave(lengths)
    scores = torch.randn(len(truth), 18, generator=generator)
    scores[torch.arange(len(truth)), truth] += 2
    found = align_transcript(scores, steps)
    assert len(truth) > 9_000
    assert frame_accuracy(truth, found.labels) > 0.99 > 0.8 > frame_accuracy(truth, scores.argmax(1))


# laws


@given(st.integers(1, 7), st.lists(st.integers(0, 2), min_size=1, max_size=4), st.sampled_from([None, 3]), seeds)
def test_no_labelling_that_follows_the_transcript_has_a_higher_score(
    frames: int, drawn: list[int], background: int | None, seed: int
):
    steps = [label for k, label in enumerate(drawn) if k == 0 or label != drawn[k - 1]][:frames]
    scores = random_scores(frames, 4, seed)
    found = align_transcript(scores, steps, background=background)
    allowed = [each for each in product(range(4), repeat=frames) if follows(each, steps, background)]
    best = max(allowed, key=lambda each: total(scores, each))
    assert tuple(found.labels.tolist()) == best
    assert found.cost == pytest.approx(-total(scores, best))


@given(st.integers(3, 9), st.sampled_from([None, 4]), seeds)
def test_decoding_takes_the_candidate_that_aligns_best(frames: int, background: int | None, seed: int):
    scores = random_scores(frames, 5, seed)
    candidates = [[0, 1, 2], [1], [2, 0], [3, 2, 1, 0, 3, 1, 2, 3, 0, 1]]
    found = decode(scores, candidates, background=background)
    costs = [align_transcript(scores, each, background=background).cost for each in candidates[:3]]
    assert found.costs[:3].tolist() == pytest.approx(costs) and found.costs[3] == torch.inf  # 10 steps
    assert found.best == int(np.argmin(costs)) and list(found.transcript) == candidates[found.best]
    assert found.labelling.cost == pytest.approx(min(costs))


def test_many_candidates_are_decoded_in_parts(monkeypatch: pytest.MonkeyPatch):
    scores = random_scores(30, 5, 0)
    candidates = [list(each) for each in product(range(5), repeat=3) if each[0] != each[1] != each[2]]
    whole = decode(scores, candidates)
    monkeypatch.setattr("tempclr.tasks.segmentation.CELLS", 500)
    parts = decode(scores, candidates)
    torch.testing.assert_close(whole.costs, parts.costs)
    assert whole.best == parts.best and len(whole.costs) == len(candidates)


@given(st.integers(4, 30), seeds)
def test_what_all_scores_of_a_frame_share_changes_no_label(frames: int, seed: int):
    logits = random_scores(frames, 5, seed) * 3 + torch.arange(frames)[:, None]
    for background in (None, 4):
        one, other = (
            align_transcript(each, [2, 0, 3], background=background) for each in (logits, logits.log_softmax(1))
        )
        assert one.labels.tolist() == other.labels.tolist()
        shared = logits.logsumexp(1).sum().item()
        assert one.cost == pytest.approx(other.cost - shared)


def test_arrays_and_single_precision_give_the_same_labels():
    scores = random_scores(50, 5, 1)
    expected = align_transcript(scores, [0, 3, 1]).labels.tolist()
    for each in (scores.numpy(), scores.float(), scores.float().numpy()):
        assert align_transcript(each, (0, 3, 1)).labels.tolist() == expected


def test_the_table_holds_every_measure_with_background_kept_and_left_out():
    truths = [np.array([0, 1, 1, 2, 2, 0]), np.array([1, 1, 0, 3])]
    named = [np.array([0, 1, 1, 1, 2, 2]), np.array([1, 1, 0, 3])]
    found = evaluate(truths, named, background=0, candidates=[(1, 2), (2, 1)], generator=torch.Generator())
    assert found["accuracy"].mean == pytest.approx((4 / 6 + 1) / 2)
    assert found["MoF"].mean == pytest.approx(8 / 10)
    pairs = list(zip(truths, named, strict=True))
    f1 = np.mean([segment_f1(*pair, 0.5, background=0) for pair in pairs])
    assert found["F1@50 without background"].mean == pytest.approx(f1)
    assert found["pooled F1@50"].mean == pytest.approx(pooled_segment_f1(truths, named, 0.5))
    assert found.without_truth == 1  # of the second video
    shown = str(found)
    assert "2 videos, 10 frames" in shown and "1 videos have a transcript that is not among" in shown
    assert shown.count("(Lea et al. 2017)") == 8 and "edit without background" in shown
    without = evaluate(truths, named, generator=torch.Generator())
    assert len(found.rows) == 2 * len(without.rows) == 26


# refusals


@pytest.mark.parametrize(
    ("transcript", "background", "message"),
    [
        ([0, 1, 2, 0], None, "at most as many steps as the 3 frames, got 4"),
        ([], None, "at least one step, got none"),
        ([0, 3], None, "labels from 0 to 2, one per column of the scores, got 3"),
        ([-1], None, "labels from 0 to 2, one per column of the scores, got -1"),
        ([0], 5, "labels from 0 to 2, one per column of the scores, got 5"),
        ([1, 0, 0], None, "different labels in a row, got 0 at steps 1 and 2; no score tells"),
        ([1, 1], 0, "different labels in a row, got 1 at steps 0 and 1"),
        ([1, 0], 0, "without the background class 0, which may lie anywhere between steps, got it at step 1"),
    ],
)
def test_transcripts_that_do_not_fit_are_refused(transcript: list[int], background: int | None, message: str):
    with pytest.raises(ValueError, match=message):
        align_transcript(torch.zeros(3, 3), transcript, background=background)


@pytest.mark.usefixtures("unchecked_shapes")
def test_scores_that_do_not_fit_are_refused():
    for bad in (torch.nan, torch.inf, -torch.inf):
        with pytest.raises(ValueError, match="finite scores, got 1 that are not"):
            align_transcript(torch.tensor([[0.0, bad]]), [0])
    with pytest.raises(ValueError, match=r"floating-point scores \[frames, classes\], got torch.int64"):
        align_transcript(torch.zeros(3, 3, dtype=torch.int64), [0])
    with pytest.raises(ValueError, match=r"floating-point scores \[frames, classes\], got torch.float32 \(0, 3\)"):
        decode(torch.zeros(0, 3), [[0]])


def test_candidates_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="at least one candidate transcript, got none"):
        decode(torch.zeros(3, 3), [])
    with pytest.raises(ValueError, match="at most as many steps as the 2 frames, got 2 of at least 3 steps"):
        decode(torch.zeros(2, 3), [[0, 1, 2], [0, 1, 2, 0]])
    with pytest.raises(ValueError, match="1 to 2 steps for as many frames, got 3"):
        split_evenly([0, 1, 2], 2)
    with pytest.raises(ValueError, match="predictions for each of at least one video, got 0 for 1"):
        evaluate([np.array([1])], [], generator=torch.Generator())
