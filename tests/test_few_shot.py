import math

import pytest
import torch
from torch import Tensor

import tempclr
from tempclr.sequences import Sequences, pad
from tempclr.tasks import few_shot
from tempclr.tasks.few_shot import FEW_SHOT_SCORES, Episodes, check_design, draw_episodes, few_shot_accuracy, recognize

LABELS = [name for name in "abcdef" for _ in range(5)]


@pytest.fixture
def episodes(generator: torch.Generator) -> Episodes:
    return draw_episodes(LABELS, ways=4, shots=2, count=300, generator=generator)


def planted(generator: torch.Generator, *, noise: float) -> Sequences:
    """Videos of six classes of six steps each; three classes are the others in reverse."""
    steps = [torch.randn(6, 16, generator=generator) for _ in range(3)]
    classes = [each for forth in steps for each in (forth, forth.flip(0))]
    return pad([each + noise * torch.randn(6, 16, generator=generator) for each in classes for _ in range(5)])


# known answers


@pytest.mark.parametrize("name", FEW_SHOT_SCORES)
def test_only_alignments_distinguish_classes_that_differ_in_order(
    name: str, episodes: Episodes, generator: torch.Generator
):
    videos = planted(generator, noise=0.1)
    found = recognize(FEW_SHOT_SCORES[name](videos, videos), episodes)
    if name in ("mean-pool", "Hausdorff"):
        # the reversed class is among the other 3 of 4 ways with probability 3/5, and then wins half of the time
        assert found.accuracy.mean == pytest.approx(0.7, abs=0.05)
        assert min(found.by_class.values()) > 0.5
    else:
        assert found.accuracy.mean == 1
        assert torch.equal(found.confusion, torch.diag(found.confusion.diagonal()))


def test_identical_videos_are_recognized_by_chance(episodes: Episodes):
    found = recognize(torch.zeros(30, 30), episodes)
    assert found.accuracy.mean == pytest.approx(0.25) and found.accuracy.low == pytest.approx(0.25)


def test_the_interval_is_the_normal_approximation(episodes: Episodes, generator: torch.Generator):
    found = recognize(torch.randn(30, 30, generator=generator), episodes)
    values = found.correct.mean(1).tolist()
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    assert found.accuracy.mean == pytest.approx(mean)
    assert found.accuracy.high - mean == pytest.approx(1.96 * deviation / math.sqrt(300))
    assert found.accuracy.n == 300


# laws


@pytest.mark.parametrize(("ways", "shots"), [(2, 1), (4, 2), (6, 4)])
def test_an_episode_has_distinct_classes_and_videos(ways: int, shots: int, generator: torch.Generator):
    drawn = draw_episodes(LABELS, ways=ways, shots=shots, count=600, generator=generator)
    for classes, support, query in zip(drawn.classes, drawn.support, drawn.query, strict=True):
        assert len(set(classes.tolist())) == ways
        for number, videos, query_video in zip(classes.tolist(), support.tolist(), query.tolist(), strict=True):
            assert len({*videos, query_video}) == shots + 1
            assert {LABELS[video] for video in (*videos, query_video)} == {drawn.labels[number]}
    counts = torch.bincount(drawn.query.flatten(), minlength=30)
    assert counts.min() > 0.5 * counts.double().mean()  # every video is a query


def test_the_seed_determines_the_episodes():
    one, same, other = (
        draw_episodes(LABELS, ways=3, shots=1, count=50, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(one.query, same.query) and torch.equal(one.support, same.support)
    assert not torch.equal(one.query, other.query)


def test_recognition_equals_a_loop_over_episodes(episodes: Episodes, generator: torch.Generator):
    scores = torch.randn(30, 30, generator=generator).round(decimals=1)  # with ties
    found = recognize(scores, episodes)
    for number in range(300):
        for way in range(4):
            query = int(episodes.query[number, way])
            means = [scores[query, support].mean().item() for support in episodes.support[number]]
            best = [k for k, mean in enumerate(means) if mean == max(means)]
            assert found.correct[number, way].item() == pytest.approx((way in best) / len(best))
            assert found.predicted[number, way] == episodes.classes[number, best[0]]
    assert found.confusion.sum() == 1200
    assert torch.equal(found.confusion.sum(1), torch.bincount(episodes.classes.flatten(), minlength=6))


@pytest.mark.parametrize("name", FEW_SHOT_SCORES)
def test_padding_changes_no_score(name: str, generator: torch.Generator):
    x, y = ([torch.randn(n, 5, generator=generator) for n in lengths] for lengths in ((3, 5), (4, 2, 6)))
    if name == "diagonal":
        x, y = ([torch.randn(4, 5, generator=generator) for _ in range(k)] for k in (2, 3))
        together = FEW_SHOT_SCORES[name](pad(x), Sequences(pad([*y, torch.ones(6, 5)]).values[:3], torch.full((3,), 4)))
    else:
        together = FEW_SHOT_SCORES[name](pad(x), pad(y))
    alone = torch.stack([torch.stack([FEW_SHOT_SCORES[name](pad([a]), pad([b]))[0, 0] for b in y]) for a in x])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def slow(name: str, cost: Tensor) -> float:
    n, m = cost.shape
    if name == "Hausdorff":
        return -(cost.amin(1).mean() + cost.amin(0).mean()).item()
    if name == "diagonal":
        return -sum(cost[k, k].item() for k in range(n)) / n
    return -(tempclr.otam(cost, gamma=0.1) + tempclr.otam(cost.T, gamma=0.1)).item() / (n + m)


@pytest.mark.parametrize("name", ["Hausdorff", "diagonal", "OTAM"])
def test_scores_equal_their_formulas(name: str, generator: torch.Generator):
    x, y = torch.randn(2, 4, 5, generator=generator)
    found = FEW_SHOT_SCORES[name](pad([x]), pad([y])).item()
    assert found == pytest.approx(slow(name, tempclr.cosine_cost(x, y)), abs=1e-5)


def test_methods_are_compared_on_the_same_episodes(episodes: Episodes, generator: torch.Generator):
    videos = planted(generator, noise=0.1)
    by_dtw, by_mean = (recognize(FEW_SHOT_SCORES[name](videos, videos), episodes) for name in ("DTW", "mean-pool"))
    gain = by_dtw.minus(by_mean)
    assert gain.mean == pytest.approx(by_dtw.accuracy.mean - by_mean.accuracy.mean) and gain.low > 0.2
    assert by_dtw.minus(by_dtw).high == 0


def test_an_encoder_is_scored_on_its_embeddings(generator: torch.Generator):
    clips = list(planted(generator, noise=0.1).values)
    episodes = draw_episodes(LABELS, ways=3, shots=1, count=50, generator=generator)
    encoder = tempclr.encoders.Projection(16, 16)
    assert few_shot_accuracy(tempclr.TempCLR(encoder, encoder), clips, episodes) > 0.9


# refusals


def test_impossible_episodes_are_refused(generator: torch.Generator):
    for ways, shots, count in ((1, 1, 1), (7, 1, 1), (2, 0, 1), (2, 1, 0)):
        with pytest.raises(ValueError, match="2 to 6 ways and at least 1 shot and episode"):
            draw_episodes(LABELS, ways=ways, shots=shots, count=count, generator=generator)
    with pytest.raises(ValueError, match="at least 6 videos of every class, got fewer of a, b, c, d"):
        draw_episodes(LABELS, ways=2, shots=5, count=1, generator=generator)


@pytest.mark.parametrize("design", [(1, [1], 9), (5, [], 9), (5, [0], 9), (5, [1.5], 9), (5, [1], 1)])
@pytest.mark.usefixtures("unchecked_shapes")
def test_a_design_without_an_interval_is_refused(design: tuple):
    ways, shots, episodes = design
    with pytest.raises(ValueError, match="expected at least 2 ways and episodes and a list of shots"):
        check_design(ways=ways, shots=shots, episodes=episodes)
    check_design(ways=5, shots=[1, 5], episodes=100)


def test_invalid_comparisons_are_refused(episodes: Episodes, generator: torch.Generator):
    with pytest.raises(ValueError, match="finite scores, got 900 that are not"):
        recognize(torch.full((30, 30), torch.nan), episodes)
    with pytest.raises(ValueError, match="equally many clips for the diagonal, got 2 to 3"):
        few_shot.diagonal(pad([torch.ones(2, 2)]), pad([torch.ones(3, 2)]))
    other = draw_episodes(LABELS, ways=4, shots=2, count=300, generator=generator)
    with pytest.raises(ValueError, match="on the same episodes, got different ones"):
        recognize(torch.zeros(30, 30), episodes).minus(recognize(torch.zeros(30, 30), other))
