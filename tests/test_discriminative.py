"""The discriminative loss of transcripts, against every labelling written out."""

import math
from dataclasses import replace
from functools import partial
from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from tempclr import Pair, TempCLR
from tempclr.encoders import Projection
from tempclr.losses import DiscriminativeTerm, OrderTerm, Temperature, discriminative_loss
from tempclr.sequences import BACKGROUND, UNKNOWN, collate


def enumerated(cost: Tensor, transcript: list[int], temperature: float, allowed: Tensor | None = None) -> float:
    """One video: every labelling of its clips that has as many runs of labels as the transcript has steps."""
    labels, clips = cost.shape
    right, every = [], []
    for labelling in product(range(labels), repeat=clips):
        runs = [(label, len(list(run))) for label, run in groupby(labelling)]
        if len(runs) != len(transcript):
            continue
        energy = sum(cost[label, clip].item() for clip, label in enumerate(labelling)) / temperature
        every.append(-energy)
        steps = [step for step, (_, length) in enumerate(runs) for _ in range(length)]
        fits = allowed is None or all(allowed[step, clip] for clip, step in enumerate(steps))
        if [label for label, _ in runs] == transcript and fits:
            right.append(-energy)
    if not right or max(right) == -math.inf:
        return math.inf
    of_every, of_right = (torch.tensor(each, dtype=torch.float64).logsumexp(0) for each in (every, right))
    return (of_every - of_right).item()


def looped(cost: Tensor, transcript: list[int], temperature: float) -> float:
    """One video: clip by clip, step by step, label by label."""

    def log_sum(of: list[list[int]]) -> float:
        scores = (-cost / temperature).tolist()
        reached: dict[tuple[int, int], list[float]] = {(0, label): [scores[label][0]] for label in of[0]}
        for clip in range(1, cost.shape[1]):
            following: dict[tuple[int, int], list[float]] = {}
            for (step, label), ways in reached.items():
                total = torch.tensor(ways, dtype=torch.float64).logsumexp(0).item()
                moves = [(step, label)]
                if step + 1 < len(of):
                    moves += [(step + 1, other) for other in of[step + 1] if other != label]
                for move in moves:
                    following.setdefault(move, []).append(total + scores[move[1]][clip])
            reached = following
        ends = [way for (step, _), ways in reached.items() if step == len(of) - 1 for way in ways]
        return torch.tensor(ends, dtype=torch.float64).logsumexp(0).item()

    return log_sum([list(range(len(cost)))] * len(transcript)) - log_sum([[label] for label in transcript])


def videos(generator: torch.Generator, segments: list[tuple[int, ...]], captions: list[str]) -> list[Pair]:
    """Videos whose captions are single letters, each embedded alike wherever it occurs."""
    letters = {letter: torch.randn(5, generator=generator) for letter in "abcdefghijklmnop"}
    return [
        Pair(
            f"video {number}",
            torch.stack([letters[letter] for letter in texts]),
            torch.randn(len(shown), 7, generator=generator),
            torch.tensor(shown),
            tuple(texts),
        )
        for number, (shown, texts) in enumerate(zip(segments, captions, strict=True))
    ]


def model(term: DiscriminativeTerm, **settings: object) -> TempCLR:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TempCLR(Projection(5, 8), Projection(7, 8), unit=term, **{"weight": 0.0, **settings})


# known answers


@pytest.mark.parametrize(("labels", "steps", "clips"), [(2, 1, 1), (3, 2, 4), (4, 3, 3), (5, 4, 9)])
def test_where_all_sentences_cost_the_same_every_transcript_is_equally_likely(labels: int, steps: int, clips: int):
    transcript = torch.arange(steps)[None] % labels
    loss = discriminative_loss(torch.full((1, labels, clips), 0.7), transcript, temperature=0.3)
    assert loss.item() == pytest.approx(math.log(labels * (labels - 1) ** (steps - 1)), abs=1e-5)


def test_a_set_of_one_sentence_has_nothing_wrong():
    assert discriminative_loss(torch.rand(1, 1, 4), torch.zeros(1, 1, dtype=torch.int64)).item() == 0


def test_as_many_clips_as_steps_are_labelled_one_by_one(generator: torch.Generator):
    cost = torch.rand(1, 2, 3, generator=generator, dtype=torch.float64)
    one, other = cost[0, 0, 0] + cost[0, 1, 1] + cost[0, 0, 2], cost[0, 1, 0] + cost[0, 0, 1] + cost[0, 1, 2]
    loss = discriminative_loss(cost, torch.tensor([[0, 1, 0]]), temperature=0.2)
    torch.testing.assert_close(loss[0], torch.nn.functional.softplus((one - other) / 0.2))


def test_with_all_bounds_known_one_labelling_is_right(generator: torch.Generator):
    cost = torch.rand(1, 3, 5, generator=generator, dtype=torch.float64)
    transcript, steps = torch.tensor([[2, 0]]), torch.tensor([0, 0, 0, 1, 1])
    free = discriminative_loss(cost, transcript)
    known = discriminative_loss(cost, transcript, allowed=steps == torch.arange(2)[None, :, None])
    ways = [cost[0, 2, :cut].sum() + cost[0, 0, cut:].sum() for cut in (1, 2, 3, 4)]
    assert known > free
    torch.testing.assert_close(known - free, (-torch.stack(ways) / 0.1).logsumexp(0)[None] + ways[2] / 0.1)


# laws


@pytest.mark.parametrize(("labels", "transcript"), [(2, [0, 1]), (3, [0, 1, 0]), (3, [2, 1]), (4, [3]), (4, [0, 3, 1])])
def test_the_loss_is_what_all_labellings_add_up_to(labels: int, transcript: list[int], generator: torch.Generator):
    for clips in range(len(transcript), 6):
        cost = torch.rand(1, labels, clips, generator=generator, dtype=torch.float64)
        for temperature in (0.05, 1.0):
            loss = discriminative_loss(cost, torch.tensor([transcript]), temperature=temperature).item()
            assert loss == pytest.approx(enumerated(cost[0], transcript, temperature))
            assert loss == pytest.approx(looped(cost[0], transcript, temperature))


def test_any_cells_may_be_forbidden(generator: torch.Generator):
    for _ in range(20):
        cost = torch.rand(1, 3, 5, generator=generator, dtype=torch.float64)
        cost = cost.masked_fill(torch.rand(cost.shape, generator=generator) < 0.1, torch.inf)
        allowed = torch.rand(1, 3, 5, generator=generator) < 0.9
        loss = discriminative_loss(cost, torch.tensor([[1, 0, 2]]), allowed=allowed, temperature=0.3)
        assert loss.item() == pytest.approx(enumerated(cost[0], [1, 0, 2], 0.3, allowed[0]))


def test_the_probabilities_of_all_transcripts_add_up_to_one(generator: torch.Generator):
    cost = torch.rand(3, 6, generator=generator)
    transcripts = [each for each in product(range(3), repeat=3) if each[0] != each[1] != each[2]]
    losses = discriminative_loss(cost.expand(len(transcripts), -1, -1), torch.tensor(transcripts))
    torch.testing.assert_close((-losses).exp().sum(), torch.tensor(1.0))


def test_padding_and_clips_that_take_no_part_are_never_read(generator: torch.Generator):
    cost = torch.rand(2, 4, 7, generator=generator)
    transcripts = torch.tensor([[0, 2, 3], [1, 0, -1]])
    real = torch.tensor([[True] * 7, [False, True, True, False, True, False, False]])
    spoilt = cost.masked_fill(~real[:, None], 50.0)
    losses = discriminative_loss(spoilt, transcripts, real)
    alone = [
        discriminative_loss(cost[number : number + 1][..., real[number]], transcripts[number : number + 1, :steps])
        for number, steps in ((0, 3), (1, 2))
    ]
    torch.testing.assert_close(losses, torch.cat(alone))


def test_only_differences_between_the_sentences_of_a_clip_count(generator: torch.Generator):
    cost = torch.rand(2, 4, 6, generator=generator, dtype=torch.float64)
    transcripts = torch.tensor([[0, 2, 3], [1, 0, 1]])
    loss = partial(discriminative_loss, transcripts=transcripts)
    torch.testing.assert_close(loss(cost + 9 * torch.rand(2, 1, 6, dtype=torch.float64)), loss(cost))
    torch.testing.assert_close(loss(3 * cost, temperature=0.3), loss(cost, temperature=0.1))
    other = torch.tensor([3, 1, 0, 2])  # the sentences of the set in another order
    torch.testing.assert_close(loss(cost[:, other], transcripts=other.argsort()[transcripts]), loss(cost))


def test_the_gradient_is_how_often_a_sentence_is_shown_too_rarely(generator: torch.Generator):
    cost = torch.rand(2, 4, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    transcripts = torch.tensor([[0, 2, 3], [1, 0, -1]])
    (gradient,) = torch.autograd.grad(discriminative_loss(cost, transcripts, temperature=0.3).sum(), cost)
    torch.testing.assert_close(gradient.sum(1), torch.zeros(2, 6, dtype=torch.float64))
    assert (0.3 * gradient).abs().max() <= 1
    assert torch.autograd.gradcheck(partial(discriminative_loss, transcripts=transcripts, temperature=0.3), (cost,))
    heat = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda heat: discriminative_loss(cost.detach(), transcripts, temperature=heat), heat
    )


def test_single_precision_is_exact_where_labellings_differ_by_thousands_of_nats(generator: torch.Generator):
    cost = 2 * torch.rand(3, 6, 90, generator=generator, dtype=torch.float64)
    cost[:, 1] -= 1  # one sentence is far ahead of all others, whatever the transcript says
    transcripts = torch.tensor([[0, 2, 3, 5, 4], [1, 0, 1, 2, -1], [4, -1, -1, -1, -1]])
    found = []
    for values in (cost.requires_grad_(), cost.detach().float().requires_grad_()):
        loss = discriminative_loss(values, transcripts, temperature=0.01)
        found.append((loss.detach().double(), torch.autograd.grad(loss.sum(), values)[0].double()))
    assert found[0][0].max() > 1000
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=2e-2)  # of gradients up to 100


def test_costs_in_half_precision_are_taken_in_single():
    cost = torch.zeros(1, 3, 4, dtype=torch.float16)
    found = discriminative_loss(cost, torch.tensor([[0, 2]]))
    assert found.dtype == torch.float32 and found.exp().item() == pytest.approx(6)  # 3 * 2 transcripts


def test_where_no_labelling_is_right_the_loss_is_infinite_and_its_gradient_zero():
    cost = torch.zeros(2, 3, 2, requires_grad=True)
    heat = torch.tensor(0.1, requires_grad=True)
    loss = discriminative_loss(cost, torch.tensor([[0, 1, 2], [0, 1, -1]]), temperature=heat)
    assert loss[0] == torch.inf and loss[1].isfinite()
    gradient, of_heat = torch.autograd.grad(loss.sum(), (cost, heat))
    assert not gradient[0].any() and gradient[1].any() and of_heat.isfinite()


def test_a_broken_cost_is_not_taken_for_a_transcript_that_cannot_be_followed():
    assert discriminative_loss(torch.full((1, 2, 3), torch.nan), torch.tensor([[0, 1]])).isnan().all()


@pytest.mark.parametrize("among", ["batch", "video"])
@pytest.mark.parametrize("cosine", [True, False])
def test_the_term_is_the_mean_over_videos(among: str, cosine: bool, generator: torch.Generator):
    unknown = (UNKNOWN,) * 5
    known = (0, UNKNOWN, BACKGROUND, 1, 1, UNKNOWN, BACKGROUND)
    data = videos(generator, [unknown, known, (0, 0, 1, 2)], ["abc", "cd", "aab"])
    term = DiscriminativeTerm(cosine, 0.3, among)  # type: ignore[arg-type]
    trained = model(term)
    losses = trained(collate(data), generator=generator)
    letters = {letter: pair.sentences[k] for pair in data for k, letter in enumerate(pair.captions)}
    total = 0.0
    for pair, own, transcript in ((data[0], "abc", "abc"), (data[1], "cd", "cd"), (data[2], "ab", "ab")):
        names = "abcd" if among == "batch" else own
        x, y = trained.text(torch.stack([letters[name] for name in names])), trained.video(pair.clips)
        cost = (-torch.cosine_similarity(x[:, None], y, dim=-1) if cosine else -x @ y.T).double().detach()
        kept = pair.segments != BACKGROUND
        step = pair.segments[kept] if pair is not data[2] else torch.tensor([0, 0, 0, 1])  # "aa" is one step
        allowed = (step == torch.arange(len(transcript))[:, None]) | (step < 0)
        total += enumerated(cost[:, kept], [names.index(name) for name in transcript], 0.3, allowed) / 3
    assert losses.unit.item() == pytest.approx(total, rel=1e-4)
    assert losses.unit_skipped == 0
    losses.total.backward()
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in trained.parameters())


def test_videos_that_cannot_follow_their_transcript_are_skipped_and_counted(generator: torch.Generator):
    segments = [(UNKNOWN,) * 2, (0, 1, 1), (1, 0, 2), (0, 0, 1), (BACKGROUND,) * 4]
    data = videos(generator, segments, ["abc", "de", "abd", "fgh", "ab"])
    losses = model(DiscriminativeTerm())(collate(data), generator=generator)
    assert losses.unit_skipped == 3  # too short, in another order, nothing but background
    alone = model(DiscriminativeTerm(among="video"))(collate(data), generator=generator)
    assert alone.unit_skipped == 3
    usable = model(DiscriminativeTerm(among="video"))(collate([data[1], data[3]]), generator=generator)
    torch.testing.assert_close(alone.unit, usable.unit)


def test_a_sentence_that_no_clip_can_show_is_left_out(generator: torch.Generator):
    data = videos(generator, [(0, 0, 2, UNKNOWN), (UNKNOWN,) * 3], ["abac", "bd"])  # no clip is left for b
    segments = torch.tensor([0, 0, 0, UNKNOWN])  # what is left of a and again a is one step
    known = replace(data[0], sentences=data[0].sentences[[0, 3]], captions=("a", "c"), segments=segments)
    trained = model(DiscriminativeTerm())
    losses = trained(collate(data), generator=generator)
    torch.testing.assert_close(losses.unit, trained(collate([known, data[1]]), generator=generator).unit)
    assert losses.unit_skipped == 0


def test_without_another_sentence_there_is_nothing_to_learn(generator: torch.Generator):
    data = videos(generator, [(UNKNOWN,) * 3, (0, 0, 0)], ["a", "aaa"])
    trained = model(DiscriminativeTerm())
    losses = trained(collate(data), generator=generator)
    assert (losses.unit.item(), losses.unit_skipped) == (0, 2)
    losses.total.backward()
    assert all(weight.grad is not None and not weight.grad.any() for weight in trained.parameters())


@pytest.mark.parametrize("among", ["batch", "video"])
def test_order_alone_can_be_learnt(among: str, generator: torch.Generator):
    """Planted: each clip shows its sentence, at times that no one is told."""
    mapping, letters = torch.randn(5, 7, generator=generator), "abcdef"
    embedded = torch.randn(6, 5, generator=generator)
    data, truth = [], []
    for number in range(40):
        chosen = torch.randperm(6, generator=generator)[:3].tolist()
        cuts = sorted((torch.randperm(7, generator=generator)[:2] + 1).tolist())
        shown = torch.tensor([sum(clip >= cut for cut in cuts) for clip in range(8)])
        clips = embedded[chosen][shown] @ mapping + 0.1 * torch.randn(8, 7, generator=generator)
        captions = tuple(letters[index] for index in chosen)
        data.append(Pair(str(number), embedded[chosen], clips, torch.full((8,), UNKNOWN), captions))
        truth.append(torch.tensor(chosen)[shown])
    trained = model(DiscriminativeTerm(temperature=Temperature(0.2), among=among))  # type: ignore[arg-type]
    batch, optimizer = collate(data), torch.optim.Adam(trained.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        trained(batch, generator=generator).total.backward()
        optimizer.step()
    with torch.no_grad():
        scores = torch.cosine_similarity(
            trained.video(batch.clips.values.flatten(0, 1))[:, None], trained.text(embedded), dim=-1
        )
    right = (scores.argmax(1) == torch.cat(truth)).float().mean()
    assert right > 0.9  # chance: 1/6


def test_it_combines_with_the_order_term(generator: torch.Generator):
    data = videos(generator, [(UNKNOWN,) * 5] * 3, ["abc", "cde", "efg"])
    trained = model(DiscriminativeTerm(), order=OrderTerm(anchor="video", negatives=5), weight=0.5)
    losses = trained(collate(data), generator=generator)
    assert losses.unit > 0 and losses.order > 0 and losses.unit_skipped == losses.order_skipped == 0


def test_the_term_prints_its_settings():
    assert repr(DiscriminativeTerm()) == "DiscriminativeTerm(cosine=True, temperature=0.1, among='batch')"


# refusals


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("transcripts", "settings", "message"),
    [
        ([[0, 1, 1]], {}, "no sentence twice in a row"),
        ([[0, 3]], {}, "sentences from 0 to 2"),
        ([[0, -2]], {}, "sentences from 0 to 2, and -1 for padding"),
        ([[-1, -1]], {}, "at least one sentence"),
        ([[0, -1, 1]], {}, "padded at the end"),
        ([[0, 1], [0, 1]], {}, r"transcripts of shape \(1, 2\) for costs \(1, 3, 4\), got \(2, 2\)"),
        ([[0, 1]], {"real": torch.ones(1, 3, dtype=torch.bool)}, r"real of shape \(1, 4\)"),
        ([[0, 1]], {"allowed": torch.ones(1, 3, 4, dtype=torch.bool)}, r"allowed of shape \(1, 2, 4\)"),
        ([[0, 1]], {"temperature": 0.0}, "temperature > 0"),
    ],
)
def test_transcripts_that_make_no_sense_are_refused(transcripts: list, settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        discriminative_loss(torch.rand(1, 3, 4), torch.tensor(transcripts), **settings)


@pytest.mark.usefixtures("unchecked_shapes")
def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="temperature > 0"):
        DiscriminativeTerm(temperature=-1.0)
    with pytest.raises(ValueError, match="the batch or the video, got 'world'"):
        DiscriminativeTerm(among="world")  # type: ignore[arg-type]
