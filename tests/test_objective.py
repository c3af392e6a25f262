"""The model that is trained, over a batch."""

import copy
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from tempclr import Pair, TempCLR, drop_dtw, otam, soft_dtw
from tempclr.alignment._kernels import reference
from tempclr.alignment._kernels.recursion import Recursion
from tempclr.encoders import ContextEncoder, Projection, encode
from tempclr.losses import (
    DiscriminativeTerm,
    Losses,
    OrderTerm,
    OwnAlignment,
    Temperature,
    UnitTerm,
    WithinVideoTerm,
    both_ways,
    mil_nce,
    order_loss,
    per_cell,
    ramp,
    step_loss,
    unit_loss,
)
from tempclr.losses._selection import evenly_spaced
from tempclr.negatives import (
    even_segments,
    mixture,
    move_blocks,
    permute_both,
    permute_clips,
    permute_segments,
    reverse,
    swap_neighbours,
    wrong_orders,
)
from tempclr.sequences import UNKNOWN, Batch, collate

ANCHORS = ["text", "video", "both"]
PUBLISHED = OrderTerm(partial(soft_dtw, gamma=0.1), negatives=31, sentences=5, temperature=1.0)
OF_MODEL = {"unit", "weight", "chunk", "gather"}


def pairs(
    count: int, generator: torch.Generator, segments: tuple[int, ...] = (0, 0, 1, 2), start: int = 0
) -> list[Pair]:
    n = max(segments) + 1
    return [
        Pair(
            f"video {k}",
            torch.randn(n, 5, generator=generator),
            torch.randn(len(segments), 7, generator=generator),
            torch.tensor(segments),
            tuple(f"caption {start + k}-{i}" for i in range(n)),
        )
        for k in range(count)
    ]


def model(**settings: object) -> TempCLR:
    """A small model; settings that are not the model's own are those of its order term."""
    order = OrderTerm(**{name: value for name, value in settings.items() if name not in OF_MODEL})
    settings = {name: value for name, value in settings.items() if name in OF_MODEL}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TempCLR(Projection(5, 8), Projection(7, 8), order=order, **settings)


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Mixed(nn.Module):
    """A contextual encoder: each step is encoded with a share of the one before it."""

    def __init__(self, encoder: nn.Module, share: float) -> None:
        super().__init__()
        self.encoder, self.share = encoder, share

    def embed_steps(self, steps: Tensor) -> Tensor:
        return steps

    def embed_in_context(self, values: Tensor, lengths: Tensor) -> Tensor:
        assert len(values) == len(lengths)
        before = torch.cat((torch.zeros_like(values[:, :1]), values[:, :-1]), 1)
        return self.encoder((values + self.share * before).flatten(0, 1)).unflatten(0, values.shape[:2])


def contextual(share: float, *, text: bool = True, video: bool = True, **settings: object) -> TempCLR:
    made = model(**settings)
    made.text = Mixed(made.text, share) if text else made.text
    made.video = Mixed(made.video, share) if video else made.video
    return made


def gradients(trained: TempCLR, losses: Losses) -> list[Tensor]:
    return list(torch.autograd.grad(losses.total, list(trained.parameters())))


# The published recipe, in plain numbers: float64, one cell and one pair at a time.


def softmin(values: list[float], gamma: float) -> float:
    least = min(values)
    return least - gamma * math.log(sum(math.exp((least - value) / gamma) for value in values))


def slow_soft_dtw(cost: list[list[float]], gamma: float) -> float:
    reached: dict[tuple[int, int], float] = {}
    for i, row in enumerate(cost):
        for j, cell in enumerate(row):
            before = [reached[at] for at in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if at in reached]
            reached[i, j] = cell + (softmin(before, gamma) if before else 0.0)
    return reached[len(cost) - 1, len(cost[0]) - 1]


def slow_contrast(distances: list[float]) -> float:
    return math.log(sum(math.exp(distances[0] - distance) for distance in distances))


def slow_recipe(x: Tensor, y: Tensor, clip_orders: list[Tensor], sentence_orders: list[Tensor], anchor: str) -> float:
    """16 pairs of each of 16 videos for units; 5 of them, evenly spaced, in order."""
    scores = (x.flatten(0, 1) @ y.flatten(0, 1).T).tolist()
    columns = [list(column) for column in zip(*scores, strict=True)]
    unit = 0.0
    for matrix in (scores, columns):
        unit += sum(
            slow_contrast([-row[i], *(-s for j, s in enumerate(row) if j != i)]) for i, row in enumerate(matrix)
        )
    unit /= len(scores)
    losses = {"text": 0.0, "video": 0.0}
    for video in range(len(x)):
        a, b = x[video, [0, 4, 8, 11, 15]], y[video, [0, 4, 8, 11, 15]]
        true = torch.arange(5)
        cost = [[1 - torch.cosine_similarity(s, c, dim=0).item() for c in b] for s in a]
        by_clips = [[[row[j] for j in o] for row in cost] for o in [true, *clip_orders[video]]]
        by_sentences = [[cost[i] for i in o] for o in [true, *sentence_orders[video]]]
        losses["text"] += slow_contrast([slow_soft_dtw(cost, 0.1) for cost in by_clips]) / len(x)
        losses["video"] += slow_contrast([slow_soft_dtw(cost, 0.1) for cost in by_sentences]) / len(x)
    losses["both"] = (losses["text"] + losses["video"]) / 2
    return 0.3 * unit + 0.7 * losses[anchor]


# known answers


@pytest.mark.parametrize("anchor", ANCHORS)
def test_the_published_recipe_is_its_formulas(anchor: str, generator: torch.Generator):
    x, y = torch.randn(2, 16, 16, 12, generator=generator)
    batch = collate(
        [Pair(f"{k}", x[k], y[k], torch.arange(16), tuple(f"{k} {i}" for i in range(16))) for k in range(16)]
    )
    unit = UnitTerm(partial(unit_loss, cosine=False), temperature=1.0)
    trained = TempCLR(nn.Identity(), nn.Identity(), unit=unit, order=replace(PUBLISHED, anchor=anchor), weight=0.7)
    ours = trained(batch, generator=seeded())
    again, five = seeded(), torch.arange(5).expand(16, -1)
    drawn = [wrong_orders(five, 31, generator=again) for _ in range(2 if anchor == "both" else 1)]
    assert drawn[0].found.all()
    orders = [list(each.values) for each in (drawn[0], drawn[-1])]
    assert ours.total.item() == pytest.approx(slow_recipe(x.double(), y.double(), *orders, anchor), abs=1e-5)
    assert ours.order_skipped == 0


def test_the_published_five_of_sixteen_sentences_are_taken(generator: torch.Generator):
    segments = (0, 0, 1, 1, -1, *range(2, 16))
    batch = collate([*pairs(1, generator, segments), *pairs(1, generator, (0, -1, 1, 1))])
    chosen = evenly_spaced(batch, 5)
    assert chosen.sentences.tolist() == [[0, 4, 8, 11, 15], [0, 1, 0, 0, 0]]
    assert chosen.lengths.tolist() == [[5, 6], [2, 3]]
    assert chosen.segments.tolist() == [[0, 0, 1, 2, 3, 4], [0, 1, 1, -1, -1, -1]]
    assert chosen.clips[0].tolist() == [0, 1, 7, 11, 14, 18] and chosen.clips[1, :3].tolist() == [0, 2, 3]
    assert torch.equal(chosen.captions[0], batch.captions[0, [0, 4, 8, 11, 15]])
    assert chosen.captions[1, 2:].eq(-1).all()


def test_within_videos_every_clip_is_contrasted_with_the_sentences_of_its_own(generator: torch.Generator):
    data = [*pairs(1, generator, (0, -1, 1, 1, 2)), *pairs(2, generator, (1, 0, 0, -1), start=1)]
    data[0] = Pair("repeats", data[0].sentences, data[0].clips, data[0].segments, ("stir", "pour", "stir"))
    trained = model(weight=0.12, unit=WithinVideoTerm(step_loss, 0.5), sentences=9, shuffle=permute_both)
    each = []
    for pair in data:
        for clip, segment in zip(trained.video(pair.clips), pair.segments.tolist(), strict=True):
            for sentence, caption in zip(trained.text(pair.sentences), pair.captions, strict=True):
                shown = segment >= 0 and pair.captions[segment] == caption
                score = (sentence @ clip).item() / 0.5
                each.append(math.log1p(math.exp(-score if shown else score)))
    losses = trained(collate(data), generator=generator)
    assert losses.unit.item() == pytest.approx(sum(each) / len(each), abs=1e-5)
    torch.testing.assert_close(losses.total, 0.88 * losses.unit + 0.12 * losses.order)
    assert losses.order > 0


def test_the_weight_follows_the_progress(generator: torch.Generator):
    trained = model(weight=ramp(0.0, 0.8, begin=0.25, end=0.75), negatives=3)
    batch = collate(pairs(4, generator))
    for progress, weight in ((0.0, 0.0), (0.25, 0.0), (0.5, 0.4), (0.75, 0.8), (1.0, 0.8)):
        losses = trained(batch, generator=generator, progress=progress)
        torch.testing.assert_close(losses.total, (1 - weight) * losses.unit + weight * losses.order)
        assert (losses.order > 0) == (weight > 0)


# laws


def test_the_total_is_the_weighted_sum(generator: torch.Generator):
    batch = collate(pairs(4, generator))
    losses = model(weight=0.7)(batch, generator=generator)
    torch.testing.assert_close(losses.total, 0.3 * losses.unit + 0.7 * losses.order)
    assert losses.order > 0 and losses.order_skipped == 0


def test_without_weight_no_order_is_drawn(generator: torch.Generator):
    batch = collate(pairs(4, generator))
    before = generator.get_state()
    losses = model(weight=0.0)(batch, generator=generator)
    assert losses.order == 0
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("anchor", ANCHORS)
def test_padding_changes_no_loss(anchor: str, generator: torch.Generator):
    short, long = pairs(2, generator), pairs(1, generator, segments=(0, 0, 1, 1, 2, -1), start=2)
    trained = model(weight=1.0, negatives=5, anchor=anchor)  # all wrong orders of three segments
    alone, own, padded = (trained(collate(each), generator=generator).order for each in (short, long, [*short, *long]))
    torch.testing.assert_close(3 * padded, 2 * alone + own)


def test_videos_too_short_for_a_wrong_order_are_counted_and_still_matched(generator: torch.Generator):
    short = pairs(2, generator, segments=(0, 0))
    losses = model()(collate([*short, *pairs(1, generator, start=2)]), generator=generator)
    assert losses.order_skipped == 2
    assert losses.order > 0
    only = model()(collate(short), generator=generator)
    assert only.order_skipped == 2 and only.order == 0 and only.unit > 0
    only.total.backward()
    assert (
        model(in_batch_negatives=True)(collate(short), generator=generator).order > 0
    )  # still contrasted with each other


def test_a_batch_of_one_video_is_trained_by_its_orders_alone(generator: torch.Generator):
    trained = model(in_batch_negatives=True)
    (one,) = pairs(1, generator, segments=(0, 0, 0))
    losses = trained(collate([one]), generator=generator)
    assert losses.order_skipped == 1 and losses.order == 0
    assert all(gradient.isfinite().all() for gradient in gradients(trained, losses))


def test_identical_captions_leave_no_negatives(generator: torch.Generator):
    same = [Pair(p.name, p.sentences, p.clips, p.segments, ("stir",) * 3) for p in pairs(3, generator)]
    losses = model(in_batch_negatives=True, anchor="both")(collate(same), generator=generator)
    assert losses.order_skipped == losses.unit_skipped == 3 and losses.order == 0 and losses.unit == 0
    assert model(weight=1.0)(collate(same), generator=generator).unit_skipped == 0  # the unit term has no weight


def test_videos_with_nothing_to_match_are_counted_by_the_unit_loss(generator: torch.Generator):
    described, silent = pairs(2, generator), pairs(2, generator, segments=(0, 0), start=2)
    silent = [replace(pair, segments=torch.full((2,), -1)) for pair in silent]
    assert model(weight=0.0)(collate([*described, *silent]), generator=generator).unit_skipped == 2
    assert model(weight=0.0)(collate(silent), generator=generator).unit_skipped == 2
    (one,) = pairs(1, generator, segments=(0, 0))
    for unit in (unit_loss, mil_nce):
        assert model(weight=0.0, unit=UnitTerm(unit))(collate([one]), generator=generator).unit_skipped == 1
        assert model(weight=0.0, unit=UnitTerm(unit))(collate(described[:1]), generator=generator).unit_skipped == 0


def test_the_shuffle_is_the_one_passed_in(generator: torch.Generator):
    batch = collate(pairs(2, generator, segments=(0, 1, 2)))
    assert (
        model(shuffle=permute_clips)(batch, generator=generator).order_skipped == 2
    )  # single clips cannot change places
    hard = mixture((permute_both, 0.5), (swap_neighbours, 0.5))
    for shuffle in (permute_segments, permute_both, reverse, swap_neighbours, move_blocks, hard):
        assert model(shuffle=shuffle)(batch, generator=generator).order_skipped == 0


def test_the_order_loss_limits_the_clips_per_sentence(generator: torch.Generator):
    segments = (0, -1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 2)
    batch = collate(pairs(2, generator, segments=segments))
    chosen = evenly_spaced(batch, clips_per_sentence=3)
    assert chosen.clips[0].tolist() == [0, 4, 6, 8, 10, 11]  # of eight of sentence 1 the third, sixth and eighth
    assert chosen.segments[0].tolist() == [0, 1, 0, 1, 1, 2] and chosen.lengths[0].tolist() == [3, 6]
    few = [replace(pair, clips=pair.clips[chosen.clips[0]], segments=chosen.segments[0]) for pair in pairs_of(batch)]
    settings = {"negatives": 3, "weight": 1.0}
    ours = model(clips_per_sentence=3, **settings)(batch, generator=seeded())
    torch.testing.assert_close(ours.order, model(**settings)(collate(few), generator=seeded()).order)
    every = model(clips_per_sentence=99, **settings)(batch, generator=seeded())
    shown = batch.segments[0] >= 0
    without = [replace(p, clips=p.clips[shown], segments=p.segments[shown]) for p in pairs_of(batch)]
    torch.testing.assert_close(every.order, model(**settings)(collate(without), generator=seeded()).order)


def pairs_of(batch: Batch) -> list[Pair]:
    """The pairs behind a batch of pairs of one length."""
    parts = zip(batch.sentences.values, batch.clips.values, batch.segments, batch.captions, strict=True)
    return [Pair("", x, y, segments, tuple(map(str, texts.tolist()))) for x, y, segments, texts in parts]


def test_clips_without_sentences_are_shuffled_in_even_segments(generator: torch.Generator):
    bare = pairs(2, generator, segments=(0, 0, 0, 0, 0))
    bare = [Pair(p.name, p.sentences, p.clips, torch.full((5,), -1), p.captions) for p in bare]
    assert model()(collate(bare), generator=generator).order_skipped == 2
    trained = model(clips_per_segment=2, negatives=5, weight=1.0)
    losses = trained(collate(bare), generator=generator)
    batch = collate(bare)
    orders = wrong_orders(even_segments(batch.clips.lengths, 5, 2), 5, generator=generator)
    x, y = (encode(*each).values for each in ((trained.text, batch.sentences), (trained.video, batch.clips)))
    slow = order_loss(x, y, orders)
    assert losses.order_skipped == 0 and losses.unit == 0
    torch.testing.assert_close(losses.order, slow)


@pytest.mark.parametrize("anchor", ["text", "video"])
def test_other_sequences_are_contrasted_one_by_one(anchor: str, generator: torch.Generator):
    data = [*pairs(2, generator), *pairs(2, generator, segments=(0, 1, 1, -1, 2, 2), start=2)]
    twin = data[0]
    data.append(Pair("twin", twin.sentences.flip(0), twin.clips.flip(0), twin.segments, twin.captions))
    distance = partial(drop_dtw, drop_y=0.9, gamma=0.1)  # not symmetric: clips may be left out, sentences may not
    trained = model(
        weight=1.0, negatives=5, in_batch_negatives=True, anchor=anchor, alignment_fn=distance, temperature=0.5
    )
    ours = trained(collate(data), generator=generator).order
    total = 0.0
    for k, pair in enumerate(data):
        x, y = trained.text(pair.sentences), trained.video(pair.clips)
        segments = pair.segments if anchor == "text" else torch.arange(3)
        compared = [(x, y)]
        for order in wrong_orders(segments[None], 5, generator=generator)[0]:
            compared.append((x, y[order]) if anchor == "text" else (x[order], y))
        for j, other in enumerate(data):
            if other.captions != pair.captions:
                assert j != k
                compared.append(
                    (x, trained.video(other.clips)) if anchor == "text" else (trained.text(other.sentences), y)
                )
        scores = torch.stack([-distance(1 - torch.cosine_similarity(a[:, None], b, dim=-1)) / 0.5 for a, b in compared])
        total += (torch.logsumexp(scores, 0) - scores[0]).item() / len(data)
    assert ours.item() == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize(
    "settings", [{}, {"sentences": 2}, {"in_batch_negatives": True, "debiased": True}, {"chunk": 7}]
)
def test_shuffling_before_and_after_encoding_single_steps_are_the_same(
    anchor: str, settings: dict, generator: torch.Generator
):
    batch = collate([*pairs(2, generator), *pairs(1, generator, segments=(0, 0, -1, 1, 2, 2), start=2)])
    found = []
    for made in (model, partial(contextual, 0.0)):
        trained = made(anchor=anchor, negatives=5, **settings)
        losses = trained(batch, generator=seeded())
        found.append([losses.total, *gradients(trained, losses)])
    for before, after in zip(*found, strict=True):
        torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-4)  # float32 sums in another order


def test_a_contextual_encoder_encodes_every_order(generator: torch.Generator):
    data = [*pairs(2, generator), *pairs(1, generator, segments=(0, 0, -1, 1, 2, 2), start=2)]
    trained = contextual(0.7, weight=1.0, negatives=5, anchor="both")
    again, total = seeded(), 0.0
    batch = collate(data)
    drawn = [
        wrong_orders(batch.segments, 5, captions=torch.where(batch.segments < 0, -1, batch.segments), generator=again)
    ]
    drawn.append(wrong_orders(torch.arange(3).expand(3, -1), 5, generator=again))
    for k, pair in enumerate(data):
        n, m = torch.tensor([len(pair.sentences)]), torch.tensor([len(pair.clips)])
        text, video = trained.text.embed_in_context, trained.video.embed_in_context
        x, y = text(pair.sentences[None], n)[0], video(pair.clips[None], m)[0]
        by_clips = [(x, video(pair.clips[None, o[: int(m)]], m)[0]) for o in drawn[0][k]]
        by_sentences = [(text(pair.sentences[None, o], n)[0], y) for o in drawn[1][k]]
        for compared in (by_clips, by_sentences):
            values = []
            for a, b in [(x, y), *compared]:
                cost = 1 - torch.cosine_similarity(a[:, None], b, dim=-1)
                values.append(reference.alignment_cost(cost[None], Recursion(gamma=0.1)))
            total += (torch.logsumexp(-torch.stack(values), 0) + values[0]).item() / 6
    losses = trained(batch, generator=seeded())
    assert losses.order.item() == pytest.approx(total, abs=1e-5)
    shuffled_after = model(weight=1.0, negatives=5, anchor="both")(batch, generator=seeded())
    assert abs(losses.order - shuffled_after.order) > 1e-3


def test_one_encoder_may_be_contextual(generator: torch.Generator):
    batch = collate(pairs(3, generator))
    for sides in ({"text": False}, {"video": False}):
        trained = contextual(0.5, **sides, anchor="both", negatives=5)
        losses = trained(batch, generator=generator)
        assert all(gradient.abs().sum() > 0 for gradient in gradients(trained, losses))


def test_encoding_in_chunks_changes_nothing(generator: torch.Generator):
    batch = collate(pairs(4, generator))
    found = []
    for chunk in (1, 5, 1000):
        trained = contextual(0.5, negatives=5, chunk=chunk, sentences=2)
        losses = trained(batch, generator=seeded())
        found.append([losses.total, *gradients(trained, losses)])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"alignment_fn": both_ways(partial(otam, gamma=0.1)), "anchor": "both"},
        {"alignment_fn": per_cell(soft_dtw)},
        {"alignment_fn": partial(drop_dtw, drop_y=0.8, gamma=0.1), "in_batch_negatives": True},
        {"debiased": True, "in_batch_negatives": True},
        {"unit": UnitTerm(mil_nce, Temperature(0.1)), "temperature": Temperature(1.0)},
        {"shuffle": permute_both, "sentences": 3},
    ],
)
def test_every_objective_can_be_learnt(settings: dict, generator: torch.Generator):
    mapping = torch.randn(5, 7, generator=generator)
    data = []
    for pair in pairs(4, generator, segments=(0, 0, 1, 2, 2)):
        clips = pair.sentences[pair.segments] @ mapping + 0.1 * pair.clips
        data.append(Pair(pair.name, pair.sentences, clips, pair.segments, pair.captions))
    trained, batch = model(negatives=5, **settings), collate(data)
    optimizer = torch.optim.Adam(trained.parameters(), 0.05)
    history = []
    for _ in range(8):
        losses = trained(batch, generator=generator)
        optimizer.zero_grad()
        losses.total.backward()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in trained.parameters())
        optimizer.step()
        history.append(losses)
    assert history[-1].unit < 0.7 * history[0].unit
    assert history[-1].order < 0.9 * history[0].order


def test_mixed_precision_aligns_in_single(generator: torch.Generator):
    batch = collate(pairs(4, generator))
    trained = model(negatives=5, in_batch_negatives=True, anchor="both", debiased=True)
    single = trained(batch, generator=seeded())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = trained(batch, generator=seeded())
    assert mixed.total.dtype == torch.float32
    torch.testing.assert_close(mixed.order, single.order, atol=0.05, rtol=0)  # embeddings of 8 bits
    assert all(gradient.isfinite().all() for gradient in gradients(trained, mixed))


class Meeting:
    """Processes as threads, which wait for each other's items."""

    def __init__(self, count: int) -> None:
        self.barrier, self.items = threading.Barrier(count, timeout=600), [torch.empty(0)] * count

    def join(self, items: Tensor, rank: int) -> Tensor:
        self.items[rank] = items
        self.barrier.wait()
        most = torch.tensor([list(each.shape) for each in self.items]).amax(0).tolist()
        padded = []
        for each in self.items:
            pads = [pad for size, largest in zip(each.shape[1:], most[1:], strict=True) for pad in (largest - size, 0)]
            padded.append(nn.functional.pad(each, pads[::-1]) if pads else each)
        self.barrier.wait()
        return torch.cat(padded)


class Thread:
    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.meeting, self.rank, self.count = meeting, rank, len(meeting.items)

    def __call__(self, items: Tensor) -> Tensor:
        return self.meeting.join(items, self.rank)


def at_once(work: list[Callable[[], Losses]]) -> list[Losses]:
    found: list[Losses | None] = [None] * len(work)

    def one(index: int) -> None:
        found[index] = work[index]()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None not in found
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"in_batch_negatives": True, "anchor": "both"},
        {"in_batch_negatives": True, "debiased": True, "sentences": 2},
        {"unit": UnitTerm(mil_nce), "in_batch_negatives": True},
        {"unit": WithinVideoTerm(temperature=0.1), "weight": 0.12},
        {"unit": DiscriminativeTerm()},
        {"unit": UnitTerm(assignment=OwnAlignment(start=0.2)), "unknown": True},
        {"unit": UnitTerm(assignment=OwnAlignment(0.1, start=0.2)), "unknown": True},
        {"unit": UnitTerm(mil_nce, assignment=OwnAlignment(0.1, drop_cost=0.9, start=0.2)), "unknown": True},
        {"across": True, "in_batch_negatives": True, "anchor": "both", "sentences": 2},
        {"temperature": Temperature(0.5), "unit": UnitTerm(temperature=Temperature(0.2)), "in_batch_negatives": True},
    ],
)
def test_the_mean_over_processes_is_the_loss_of_the_joined_batch(settings: dict, generator: torch.Generator):
    data = [
        *pairs(2, generator),
        *pairs(2, generator, segments=(0, 0, 1, -1, 2, 2), start=1),  # one with the captions of another
        *pairs(1, generator, segments=(0, 0), start=9),  # too short for a wrong order
    ]
    if settings.get("unknown", False):
        data[1:4] = [replace(pair, segments=torch.full_like(pair.segments, UNKNOWN)) for pair in data[1:4]]
    whole = collate(data)
    parts = []
    for rows in ([0, 1, 4], [2, 3]):  # of other numbers, lengths and units
        part = collate([data[row] for row in rows])
        part.captions[part.captions >= 0] = whole.captions[rows][whole.captions[rows] >= 0]  # numbered alike
        parts.append(part)
    across = settings.get("across", False)
    settings = {name: value for name, value in settings.items() if name not in ("across", "unknown")}
    trained = model(negatives=5, **settings)
    if across:
        trained.video = ContextEncoder(trained.video, 8, heads=2)
    joined = trained(whole, generator=seeded(), progress=0.5)
    meeting = Meeting(2)
    models = [model(negatives=5, gather=Thread(meeting, rank), **settings) for rank in range(2)]
    for other in models:
        other.text, other.video = trained.text, trained.video
    work = [partial(each, part, generator=seeded(), progress=0.5) for each, part in zip(models, parts, strict=True)]
    found = at_once(work)
    for name in ("unit", "order", "total"):
        mean = (getattr(found[0], name) + getattr(found[1], name)) / 2
        torch.testing.assert_close(mean, getattr(joined, name))
    assert sum(each.order_skipped for each in found) == joined.order_skipped == 1
    assert sum(each.unit_skipped for each in found) == joined.unit_skipped == 0
    weights = list(trained.parameters())
    mean = (found[0].total + found[1].total) / 2
    for ours, theirs in zip(
        torch.autograd.grad(mean, weights), torch.autograd.grad(joined.total, weights), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_learnt_temperatures_are_parameters_of_the_model_by_the_names_of_their_terms(generator: torch.Generator):
    trained = model(unit=UnitTerm(temperature=Temperature(0.2)), temperature=Temperature(1.0))
    assert list(trained.state_dict())[-2:] == ["unit_temperature.logarithm", "order_temperature.logarithm"]
    copied = copy.deepcopy(trained)
    with torch.no_grad():
        copied.order_temperature.logarithm += 1.0
    assert copied.order.temperature() > 2 * trained.order.temperature()  # of the copy's own, not of the first's
    batch = collate(pairs(3, generator))
    one, other = (each(batch, generator=seeded()) for each in (trained, copied))
    assert one.unit == other.unit and one.order != other.order


def hinge(distances: Tensor, counted: Tensor, temperature: float | Tensor) -> Tensor:
    """Another contrast: how far wrong candidates come within a margin, the temperature, of the right one."""
    return ((temperature + distances[:, :1] - distances[:, 1:]).relu() * counted[:, 1:]).sum(1)


def test_the_contrast_is_the_one_passed_in(generator: torch.Generator):
    batch = collate(pairs(3, generator))
    trained = model(weight=1.0, negatives=5, contrast=hinge, temperature=0.3)
    x, y = (encode(*each).values for each in ((trained.text, batch.sentences), (trained.video, batch.clips)))
    orders, total = wrong_orders(batch.segments, 5, generator=seeded()), 0.0
    for k in range(3):
        cost = 1 - torch.cosine_similarity(x[k][:, None], y[k], dim=-1)
        true, *wrong = (soft_dtw(cost[:, order]) for order in [torch.arange(4), *orders[k]])
        total += sum((0.3 + true - each).clamp(min=0).item() for each in wrong) / 3
    losses = trained(batch, generator=seeded())
    assert losses.order.item() == pytest.approx(total, abs=1e-5)
    assert all(gradient.isfinite().all() for gradient in gradients(trained, losses))


def test_terms_print_their_settings():
    printed = repr(UnitTerm(partial(mil_nce, cosine=False), 0.2))
    assert printed == "UnitTerm(loss=mil_nce(cosine=False), temperature=0.2, assignment=evenly)"
    order = OrderTerm(both_ways(otam), contrast=hinge, sentences=5)
    assert repr(order).startswith("OrderTerm(alignment_fn=both_ways(otam), negatives=31, shuffle=permute_segments, ")
    assert "contrast=hinge, " in repr(order) and "sentences=5, " in repr(order)
    lines = repr(model(weight=0.5, unit=WithinVideoTerm(), sentences=5)).splitlines()
    for line in ("unit=WithinVideoTerm", "unit.loss=step_loss", "order.sentences=5", "order.contrast=info_nce"):
        assert f"  {line}" in lines


# refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": 1.5}, "weight from 0 to 1"),
        ({"negatives": 0}, "negatives to be a whole number of at least 1, got 0"),
        ({"chunk": 0}, "chunk to be a whole number of at least 1"),
        ({"sentences": 1}, "sentences to be a whole number of at least 2, got 1"),
        ({"clips_per_segment": 0}, "clips_per_segment to be a whole number of at least 1"),
        ({"temperature": 0.0}, "temperature > 0"),
        ({"clips_per_sentence": 0}, "clips_per_sentence to be a whole number of at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        model(**settings)


@pytest.mark.parametrize("term", [UnitTerm, WithinVideoTerm])
def test_a_unit_temperature_out_of_range_is_refused(term: type):
    with pytest.raises(ValueError, match="temperature > 0"):
        term(temperature=-1.0)


@pytest.mark.usefixtures("unchecked_shapes")
def test_an_anchor_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="text, video or both, got 'clips'"):
        model(anchor="clips")


def test_a_weight_that_depends_on_progress_needs_it(generator: torch.Generator):
    batch = collate(pairs(2, generator))
    with pytest.raises(ValueError, match="progress of training, 0 to 1, on which the weight depends, got None"):
        model(weight=ramp(0.0, 0.5))(batch, generator=generator)
    with pytest.raises(ValueError, match="weight from 0 to 1, got 2"):
        model(weight=lambda _: 2.0)(batch, generator=generator, progress=0.5)
