import pytest
import torch
from torch import Tensor

import tempclr
from tempclr import TempCLR
from tempclr.encoders import ContextEncoder, Projection, encode
from tempclr.negatives import permute_segments, reverse
from tempclr.sequences import Pair, Sequences, pad
from tempclr.tasks import retrieval
from tempclr.tasks.retrieval import RETRIEVAL_SCORES, order_sensitivity, retrieve


def ragged(count: int, generator: torch.Generator, *, noise: float) -> tuple[Sequences, Sequences]:
    """Paragraphs of 3 to 16 steps and noisy videos of them, with 1 to 3 clips per step."""
    texts, videos = [], []
    for _ in range(count):
        steps = torch.randn(int(torch.randint(3, 17, (), generator=generator)), 24, generator=generator)
        repeats = torch.randint(1, 4, (len(steps),), generator=generator)
        clips = steps.repeat_interleave(repeats, 0)
        texts.append(steps)
        videos.append(clips + noise * torch.randn(clips.shape, generator=generator))
    return pad(texts), pad(videos)


def one_by_one(x: Sequences, y: Sequences, value) -> Tensor:
    """Apply `value` to the cost of each unpadded pair."""
    return torch.stack(
        [torch.stack([value(tempclr.cosine_cost(x[i], y[j])) for j in range(len(y))]) for i in range(len(x))]
    )


# known answers


@pytest.mark.parametrize("name", RETRIEVAL_SCORES)
def test_planted_videos_are_found(name: str, generator: torch.Generator):
    found = retrieve(*ragged(30, generator, noise=0.1), RETRIEVAL_SCORES[name])
    assert found.recall(1) == 1
    assert found.median_rank == 1
    assert found.video_to_text.recall(1) == 1


def test_identical_videos_are_found_by_chance(generator: torch.Generator):
    x = pad([torch.randn(3, 4, generator=generator) for _ in range(10)])
    y = pad([torch.ones(5, 4)] * 10)
    assert retrieve(x, y, retrieval.dtw).recall(1) == pytest.approx(0.1)


def test_only_alignments_distinguish_the_same_steps_in_another_order(generator: torch.Generator):
    steps = torch.randn(5, 24, generator=generator)
    orders = torch.cat((torch.arange(5)[None], tempclr.negatives.shuffled_orders(5, 7, generator=generator)))
    both = pad([steps[order] for order in orders])
    assert retrieve(both, both, retrieval.dtw).recall(1) == 1
    for name in ("mean-pool", "Cap.Avg."):
        scores = retrieve(both, both, RETRIEVAL_SCORES[name]).scores
        torch.testing.assert_close(scores, scores[:1, :1].expand(8, 8), atol=1e-5, rtol=0)


# laws


def test_padding_never_lets_a_path_skip_the_last_sentence(generator: torch.Generator):
    x, y = ragged(12, generator, noise=1.0)
    pairs = {
        "DTW": lambda cost: -tempclr.dtw(cost) / sum(cost.shape),
        "soft-DTW": lambda cost: -tempclr.soft_dtw(cost, gamma=0.1) / sum(cost.shape),
        "Cap.Avg.": lambda cost: 1 - cost.amin(1).mean(),
    }
    for name, value in pairs.items():
        torch.testing.assert_close(RETRIEVAL_SCORES[name](x, y), one_by_one(x, y, value), atol=1e-5, rtol=1e-5)


def test_mean_pool_is_the_cosine_of_mean_directions(generator: torch.Generator):
    x, y = ragged(4, generator, noise=1.0)
    unit = [[torch.nn.functional.normalize(each[k], dim=1).mean(0) for k in range(4)] for each in (x, y)]
    slow = torch.stack([torch.stack([torch.cosine_similarity(a, b, dim=0) for b in unit[1]]) for a in unit[0]])
    torch.testing.assert_close(RETRIEVAL_SCORES["mean-pool"](x, y), slow)


def test_only_alignments_notice_a_wrong_order(generator: torch.Generator):
    x, y = ragged(8, generator, noise=0.3)
    segments = torch.stack([torch.arange(y.values.shape[1])] * 8)
    noticed = {
        name: order_sensitivity(x, y, segments, score_fn, permute_segments, count=15, generator=generator).noticed
        for name, score_fn in RETRIEVAL_SCORES.items()
    }
    assert noticed["mean-pool"].eq(0).all() and noticed["Cap.Avg."].eq(0).all()
    assert noticed["DTW"].mean() > 0.95 and noticed["soft-DTW"].mean() > 0.95


def test_the_drop_is_the_mean_loss_of_score_in_wrong_orders(generator: torch.Generator):
    x, y = ragged(3, generator, noise=0.1)
    segments = torch.stack([torch.arange(y.values.shape[1])] * 3)
    found = order_sensitivity(x, y, segments, retrieval.dtw, permute_segments, count=9, generator=generator)
    torch.testing.assert_close(found.drop, (found.true[:, None] - found.shuffled).mean(1))
    assert (found.drop > 0).all()


def test_a_contextual_encoder_embeds_each_order_separately(generator: torch.Generator):
    encoder = ContextEncoder(Projection(5, 8), 8, heads=2).eval()
    clips, paragraph = torch.randn(4, 5, generator=generator), torch.randn(1, 4, 8, generator=generator)
    x, y, segments = Sequences(paragraph, torch.tensor([4])), pad([clips]), torch.arange(4)[None]
    found = order_sensitivity(x, y, segments, retrieval.dtw, reverse, encoder=encoder, count=1, generator=generator)
    with torch.no_grad():
        back = encoder(clips.flip(0)[None], torch.tensor([4]))[0]
    torch.testing.assert_close(found.shuffled[0, 0], retrieval.dtw(x, pad([back]))[0, 0])
    assert not torch.allclose(back, encode(encoder, y).values[0].flip(0), atol=1e-3)


def test_a_model_is_scored_on_its_embeddings(generator: torch.Generator):
    steps = [torch.randn(4, 6, generator=generator) for _ in range(5)]
    pairs = [Pair(str(k), each, each, torch.arange(4), ("a",) * 4) for k, each in enumerate(steps)]
    encoder = Projection(6, 8)
    assert retrieval.dtw_recall(tempclr.TempCLR(encoder, encoder), pairs) == 1


def test_chunks_do_not_change_embeddings(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator):
    pairs = []
    for k, (n, m) in enumerate(((3, 5), (1, 2), (4, 9), (2, 2), (2, 7))):
        x, y = torch.randn(n, 6, generator=generator), torch.randn(m, 7, generator=generator)
        pairs.append(Pair(str(k), x, y, torch.arange(m) % n, tuple(map(str, range(n)))))
    model = TempCLR(Projection(6, 8), Projection(7, 8))
    whole = retrieval.embed(model, pairs)
    monkeypatch.setattr(retrieval, "_CHUNK", 2)
    parts = retrieval.embed(model, pairs)
    for ours, theirs in ((parts.paragraphs, whole.paragraphs), (parts.videos, whole.videos)):
        torch.testing.assert_close(ours.values, theirs.values)
        assert torch.equal(ours.lengths, theirs.lengths)
    assert torch.equal(parts.segments, whole.segments)


# refusals


def test_different_numbers_of_videos_and_paragraphs_are_refused():
    with pytest.raises(ValueError, match="got 2 paragraphs and 1 videos"):
        retrieve(pad([torch.ones(1, 2)] * 2), pad([torch.ones(1, 2)]), retrieval.dtw)


def test_scores_that_are_not_finite_are_refused():
    both = pad([torch.ones(1, 2)] * 2)
    with pytest.raises(ValueError, match="finite scores"):
        retrieve(both, both, lambda x, y: torch.full((2, 2), torch.nan))
