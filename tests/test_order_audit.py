"""Planted scores whose shares are known, laws of the audit, and refusals."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

import tempclr
from tempclr.data.embeddings import pairs_of
from tempclr.experiments import choices
from tempclr.negatives import leave_out, permute_segments, put_in
from tempclr.sequences import Pair, Sequences, pad
from tempclr.tasks import order_audit, retrieval, wrong_sequences
from tempclr.tasks.order_audit import CHANCE, ORACLE, ORDER_FREE, OrderAudit, audit, of_pair, pooled
from tempclr.tasks.wrong_sequences import KINDS, SIDES

ORDER_KINDS = [kind for kind, each in KINDS.items() if each.shuffle is not None]
EDITS = ["left-out", "put-in"]


def numbered(videos: int, segments: list[int]) -> list[Pair]:
    """Videos whose steps hold the number of the video and their place, so that a score can read the order."""
    n, m = max(segments) + 1, len(segments)
    sentences = [np.array([[video, place] for place in range(n)], float) for video in range(videos)]
    clips = [np.array([[video, place] for place in range(m)], float) for video in range(videos)]
    names = [f"group-{video // 2}/{video}" for video in range(videos)]
    return pairs_of(sentences, clips, [np.array(segments)] * videos, names)


def ragged(videos: int, generator: torch.Generator, *, noise: float = 1.0) -> list[Pair]:
    """Videos of 3 to 6 sentences with 1 to 3 noisy clips each."""
    pairs = []
    for video in range(videos):
        n = int(torch.randint(3, 7, (), generator=generator))
        sentences = torch.randn(n, 16, generator=generator)
        segments = torch.arange(n).repeat_interleave(torch.randint(1, 4, (n,), generator=generator))
        clips = sentences[segments] + noise * torch.randn(len(segments), 16, generator=generator)
        pairs.append(Pair(f"{video}", sentences, clips, segments, tuple(f"{video} {i}" for i in range(n))))
    return pairs


def places(steps: np.ndarray) -> tuple[int, ...]:
    return tuple(steps[:, 1].astype(int))


def share(found: OrderAudit, side: str, kind: str, score: str) -> float:
    return found.of(side, kind).below[score].mean().item()


# known answers


@pytest.mark.parametrize("side", SIDES)
def test_the_controls_and_planted_scores_have_their_shares(side: str):
    """The oracle notices all, an order-free score none, and one that reads the direction only what it says."""
    pairs = numbered(6, [0, 0, 1, 1, 2, 2, 3, 3])
    steps = {"clips": 8, "sentences": 4}[side]

    def changed(sentences: np.ndarray, clips: np.ndarray) -> np.ndarray:
        return clips if side == "clips" else sentences

    planted = {
        "oracle": of_pair(lambda *each: float(places(changed(*each)) == tuple(range(steps)))),
        "order-free": of_pair(lambda *each: float(np.float32(changed(*each)).sum())),
        "reversal": of_pair(lambda *each: -float(places(changed(*each)) == tuple(range(steps))[::-1])),
        "backwards": of_pair(lambda *each: float(changed(*each)[-1, 1] > changed(*each)[0, 1])),
    }
    found = audit(pairs, planted, sides=[side])
    for each in found.kinds:
        assert each.skipped == 0 and len(each.names) == 6
        assert (each.below[ORACLE] == 1).all()
        if each.kind in ORDER_KINDS:
            assert not each.below[ORDER_FREE].any() and (each.tied[ORDER_FREE] == 1).all()
            assert not each.below["order-free"].any() and (each.tied["order-free"] == 1).all()
            assert (each.below["oracle"] == 1).all()
    assert share(found, side, "reversed", "reversal") == 1
    for kind in ("swaps", "moved", *(["clips", "all-clips"] if side == "clips" else [])):
        assert share(found, side, kind, "reversal") == 0
    assert share(found, side, "reversed", "backwards") == 1
    assert share(found, side, "swaps", "backwards") == 0


@pytest.mark.parametrize(("probability", "seed"), [(0.5, 0), (0.2, 1), (0.9, 2)])
def test_a_noisy_score_notices_as_often_as_it_was_planted(probability: float, seed: int):
    """A coin toss (0.5) is chance; the interval of each kind is that of so many draws."""
    random = np.random.default_rng(seed)
    true = tuple(range(10))

    def noisy(sentences: np.ndarray, clips: np.ndarray) -> float:
        return 0.0 if places(clips) == true else 1.0 - 2.0 * (random.random() < probability)

    pairs = numbered(60, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    found = audit(pairs, {"noisy": of_pair(noisy)}, sides=["clips"], kinds=["segments", "all-clips"], count=20)
    for each in found.kinds:
        interval = each.noticed("noisy", torch.Generator().manual_seed(0))
        deviation = (probability * (1 - probability) / int(each.orders.sum())) ** 0.5
        assert abs(interval.mean - probability) < 4 * deviation
        assert interval.low < probability < interval.high and interval.n == 30  # groups of two videos
        assert 2 * deviation < interval.high - interval.low < 6 * deviation
    assert CHANCE == 0.5


def test_shares_of_all_wrong_orders_equal_those_of_an_enumeration():
    """A random score of each order, and every order that exists, found by brute force."""
    random, values = np.random.default_rng(0), {}

    def score(sentences: np.ndarray, clips: np.ndarray) -> float:
        return values.setdefault(places(clips), float(random.normal()))

    segments = [0, 0, 1, 2, 2]
    runs = [(0, 1), (2,), (3, 4)]
    true = tuple(range(5))
    joined = [sum(order, ()) for order in permutations(runs)]
    moved = {
        sum((*rest[:to], run, *rest[to:]), ())
        for run in runs
        for rest in [tuple(each for each in runs if each != run)]
        for to in range(3)
    }
    inside = {(*a, 2, *b) for a in permutations((0, 1)) for b in permutations((3, 4))}
    expected = {
        "reversed": {true[::-1]},
        "swaps": {(2, 0, 1, 3, 4), (0, 1, 3, 4, 2)},
        "segments": set(joined) - {true},
        "clips": inside - {true},
        "all-clips": set(permutations(true)) - {true},
        "moved": moved - {true},
        "left-out": {(2, 3, 4), (0, 1, 3, 4), (0, 1, 2)},
    }
    pairs = numbered(1, segments)
    found = audit(pairs, {"random": of_pair(score)}, kinds=list(expected), sides=["clips"], count=400)
    for kind, orders in expected.items():
        each = found.of("clips", kind)
        assert each.orders.tolist() == [len(orders)], kind
        assert share(found, "clips", kind, "random") == pytest.approx(
            np.mean([values[order] < values[true] for order in orders])
        )


def test_what_is_left_out_or_put_in_is_one_segment(generator: torch.Generator):
    segments = torch.tensor([-1, 0, 0, 1, -1, 2])
    left = {tuple(each.tolist()) for each in leave_out(segments, 9, generator=generator)}
    assert left == {(0, 3, 4, 5), (0, 1, 2, 4, 5), (0, 1, 2, 3, 4)}  # background stays
    gaps = set()
    for index in put_in(segments, [2] * 200, generator=generator):
        others = (index >= 6).nonzero()[:, 0]
        assert others.diff().tolist() == [1] and index[index < 6].tolist() == [0, 1, 2, 3, 4, 5]
        gaps.add(others[0].item())
    assert gaps == {1, 3, 4, 5, 6}  # before and after a segment
    assert leave_out(torch.tensor([0, 0]), 3, generator=generator) == []
    assert put_in(torch.tensor([-1, -1]), [1], generator=generator) == []


def test_a_segment_put_in_comes_from_another_group_and_shows_another_sentence():
    seen = []

    def look(sentences: np.ndarray, clips: np.ndarray) -> float:
        seen.append((int(sentences[0, 0]), {int(number) for number in clips[:, 0]}, len(clips)))
        return 0.0

    audit(numbered(6, [0, 0, 1, 1]), {"look": of_pair(look)}, kinds=["put-in"], sides=["clips"], count=5)
    put = [(video, shown - {video}) for video, shown, clips in seen if clips == 6]
    assert len(put) == 6 * 5
    assert all(len(others) == 1 and others.pop() // 2 != video // 2 for video, others in put)


def test_equal_captions_and_equal_steps_make_no_wrong_order():
    steps = np.eye(4)
    same = pairs_of([steps[[0, 0]]], [steps[[1, 2]]], [np.array([0, 1])])  # one sentence twice
    found = audit(same, {"DTW": retrieval.dtw}, kinds=["swaps", "reversed"])
    assert [each.skipped for each in found.kinds] == [1, 0, 1, 1]
    still = pairs_of([steps[[0, 1]]], [steps[[2, 2]]], [np.array([0, 1])])  # one clip twice
    found = audit(still, {"DTW": retrieval.dtw}, kinds=["swaps", "all-clips"], sides=["clips"])
    assert [each.skipped for each in found.kinds] == [1, 1]


def test_short_videos_and_unknown_segments_are_counted_as_skipped():
    steps = np.eye(6)
    pairs = pairs_of(
        [steps[:3], steps[:1], steps[:2]],
        [steps[:6], steps[:1], steps[:4]],
        [np.array([0, 0, 1, 1, 2, 2]), np.array([0]), np.array([-2, -2, -2, -2])],
    )
    found = audit(pairs, {"DTW": retrieval.dtw}, sides=["clips"])
    skipped = {each.kind: each.skipped for each in found.kinds}
    assert skipped == {**dict.fromkeys(KINDS, 2), "reversed": 1, "all-clips": 1}
    alone = audit(pairs[:1], {"DTW": retrieval.dtw}, sides=["clips"], kinds=["put-in"])
    assert alone.of("clips", "put-in").noticed("DTW", torch.Generator()) is None  # there is no other video


# laws


@pytest.mark.parametrize("name", choices.SCORES)
def test_scores_by_name_are_order_free_as_their_help_says(name: str, generator: torch.Generator):
    found = audit(ragged(8, generator), {name: choices.SCORES[name].resolve()}, count=7)
    noticed = [bool(each.below[name].any()) for each in found.kinds if each.kind in ORDER_KINDS]
    assert any(noticed) == ("order-free" not in choices.SCORES[name].help)


@pytest.mark.parametrize("factor", [1e-9, 1e6])
def test_the_unit_of_a_score_changes_nothing(factor: float, generator: torch.Generator):
    pairs = ragged(6, generator)
    scores = {
        name: lambda x, y, score=score, factor=factor: factor * score(x, y)
        for name, score in retrieval.RETRIEVAL_SCORES.items()
    }
    ours, theirs = (audit(pairs, each, count=5) for each in (scores, retrieval.RETRIEVAL_SCORES))
    for one, other in zip(ours.kinds, theirs.kinds, strict=True):
        assert all(torch.equal(one.below[name], other.below[name]) for name in scores)


def test_a_function_of_one_pair_gives_the_same_as_one_of_sets(generator: torch.Generator):
    def slow(sentences: np.ndarray, clips: np.ndarray) -> float:
        cost = tempclr.cosine_cost(torch.from_numpy(sentences), torch.from_numpy(clips)).double().numpy()
        total = np.full((len(sentences) + 1, len(clips) + 1), np.inf)
        total[0, 0] = 0
        for i in range(len(sentences)):
            for j in range(len(clips)):
                total[i + 1, j + 1] = cost[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
        return -total[-1, -1] / sum(cost.shape)

    found = audit(ragged(5, generator), {"slow": of_pair(slow), "fast": retrieval.dtw}, count=4)
    for each in found.kinds:
        assert torch.equal(each.below["slow"], each.below["fast"])
        assert torch.equal(each.tied["slow"], each.tied["fast"])


def test_all_segment_orders_agree_with_the_sensitivity_of_retrieval(generator: torch.Generator):
    steps = torch.randn(4, 16, generator=generator)
    clips = steps.repeat_interleave(2, 0) + 2 * torch.randn(8, 16, generator=generator)
    pair = Pair("one", steps, clips, torch.arange(4).repeat_interleave(2), tuple("abcd"))
    found = audit([pair], {"DTW": retrieval.dtw}, kinds=["segments"], sides=["clips"], count=23)
    other = retrieval.order_sensitivity(
        pad([steps]), pad([clips]), pair.segments[None], retrieval.dtw, permute_segments, count=23, generator=generator
    )
    assert found.of("clips", "segments").orders.tolist() == [23]
    assert share(found, "clips", "segments", "DTW") == pytest.approx(other.noticed.item())


def test_the_seed_alone_determines_the_orders(generator: torch.Generator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wrong_sequences, "_TOGETHER", 16)
    pairs = ragged(20, generator)  # more than are drawn together
    kinds = ["segments", "put-in", "left-out"]
    one, same, other = (
        audit(pairs, {"DTW": retrieval.dtw}, kinds=kinds, sides=["clips"], count=2, seed=seed) for seed in (3, 3, 4)
    )
    pairs_of_audits = list(zip(one.kinds, same.kinds, other.kinds, strict=True))
    assert all(torch.equal(first.below["DTW"], second.below["DTW"]) for first, second, _ in pairs_of_audits)
    assert not all(torch.equal(first.below["DTW"], third.below["DTW"]) for first, _, third in pairs_of_audits)


def test_features_of_different_sizes_have_an_order_free_control(generator: torch.Generator):
    pairs = [replace(each, clips=torch.cat((each.clips, each.clips), 1)) for each in ragged(5, generator)]
    found = audit(pairs, {"first": of_pair(lambda x, y: x[0].sum() * y[0].sum())}, kinds=["all-clips", "segments"])
    assert not any(each.below[ORDER_FREE].any() for each in found.kinds)


def test_many_candidates_are_scored_in_parts(generator: torch.Generator, monkeypatch: pytest.MonkeyPatch):
    pairs = ragged(4, generator)
    whole = audit(pairs, {"DTW": retrieval.dtw}, count=6)
    most = 0

    def counted(x: Sequences, y: Sequences) -> Tensor:
        nonlocal most
        most = max(most, len(x) * len(y))
        return retrieval.dtw(x, y)

    monkeypatch.setattr(order_audit, "_NUMBERS", 1000)
    parts = audit(pairs, {"DTW": counted}, count=6)
    assert most < 20
    for one, other in zip(whole.kinds, parts.kinds, strict=True):
        assert torch.equal(one.below["DTW"], other.below["DTW"])


def test_seeds_are_pooled(generator: torch.Generator):
    pairs = ragged(6, generator)
    noisy = [replace(each, clips=each.clips + torch.randn(each.clips.shape, generator=generator)) for each in pairs]
    audits = [audit(each, {"DTW": retrieval.dtw}, kinds=["segments"], sides=["clips"]) for each in (pairs, noisy)]
    both = pooled(audits).of("clips", "segments")
    assert both.below["DTW"].shape == (2, 6)
    mean = both.noticed("DTW", generator).mean
    assert mean == pytest.approx(sum(share(each, "clips", "segments", "DTW") for each in audits) / 2)


def test_names_of_kinds_and_sides_are_those_of_the_choices():
    assert list(KINDS) == list(choices.WRONG_SEQUENCES) and list(SIDES) == list(choices.SIDES)


# refusals


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pairs": []}, "at least one pair"),
        ({"scores": {}}, "one score"),
        ({"scores": {ORACLE: retrieval.dtw}}, "none named as a control"),
        ({"kinds": ["sideways"]}, "kinds among reversed, .* got sideways"),
        ({"kinds": ["swaps", "swaps"]}, "each once"),
        ({"kinds": []}, "got none"),
        ({"sides": ["both"]}, "sides among clips, sentences, each once, got both"),
        ({"kinds": ["clips"], "sides": ["sentences"]}, "a kind that applies to sentences, got clips"),
        ({"count": 0}, "count of at least 1"),
        ({"scores": {"bad": of_pair(lambda x, y: float("nan"))}}, "finite scores"),
    ],
)
def test_an_audit_of_nothing_and_unknown_names_are_refused(given: dict, message: str):
    settings = {"pairs": numbered(2, [0, 1, 2]), "scores": {"DTW": retrieval.dtw}, **given}
    with pytest.raises(ValueError, match=message):
        audit(settings.pop("pairs"), settings.pop("scores"), **settings)


def test_audits_of_other_videos_are_not_pooled():
    audits = [audit(numbered(count, [0, 1, 2]), {"DTW": retrieval.dtw}, kinds=["swaps"]) for count in (2, 4)]
    with pytest.raises(ValueError, match="same scores, kinds and videos, got 2"):
        pooled(audits)
    with pytest.raises(ValueError, match="expected one of swaps of clips, swaps of sentences, got moved of clips"):
        audits[0].of("clips", "moved")


def test_a_control_that_fails_is_refused():
    found = audit(numbered(2, [0, 1, 2]), {"DTW": retrieval.dtw}, kinds=["swaps"], sides=["clips"]).kinds[0]
    below = {**found.below, ORDER_FREE: found.below[ORDER_FREE] + 0.1}
    with pytest.raises(ValueError, match="expected 0 from the order-free control"):
        order_audit.Audited(found.side, found.kind, found.names, 0, found.orders, below, found.tied)
