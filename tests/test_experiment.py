"""Parameters become the data and the model that they describe."""

from itertools import product

import pytest
import torch

from tempclr import dtw, dtw_path
from tempclr.costs import cosine_cost
from tempclr.encoders import is_contextual
from tempclr.experiment import DISTANCES, ENCODERS, Experiment
from tempclr.sequences import Pair, collate

CAPTIONS = ("take", "open", "close", "leave")


def pairs(generator: torch.Generator) -> list[Pair]:
    """Videos with two clips for each of four sentences."""
    segments = torch.arange(4).repeat_interleave(2)
    return [
        Pair(
            str(k), torch.randn(4, 384, generator=generator), torch.randn(8, 6, generator=generator), segments, CAPTIONS
        )
        for k in range(3)
    ]


# known answers


@pytest.mark.parametrize("per_cell", [False, True])
def test_the_order_loss_with_dtw_is_what_two_paths_cost(per_cell: bool, generator: torch.Generator):
    data = pairs(generator)
    model = Experiment(distance="DTW", shuffle="reversed", per_cell=per_cell, dim=8, weight=1.0).model(data)
    losses = model(collate(data), generator=generator)
    each = []
    for pair in data:
        x, y = model.text(pair.sentences), model.video(pair.clips)
        costs = [cosine_cost(x, clips) for clips in (y, y.flip(0))]
        values = -torch.stack([dtw(cost) / (len(dtw_path(cost)) if per_cell else 1) for cost in costs])
        each.append(values.logsumexp(0) - values[0])
    torch.testing.assert_close(losses.total, torch.stack(each).mean())


# laws


@pytest.mark.parametrize(("distance", "encoder"), list(product(DISTANCES, ENCODERS)))
def test_every_distance_and_encoder_trains(distance: str, encoder: str, generator: torch.Generator):
    data = pairs(generator)
    wanted = Experiment(distance=distance, encoder=encoder, dim=8, negatives=3, anchor="both", others=True, units=3)
    model = wanted.model(data)
    losses = model(collate(data), generator=generator)
    losses.total.backward()
    assert losses.order > 0 and losses.skipped == 0
    assert all(each.grad.isfinite().all() and each.grad.any() for each in model.video.parameters() if each.ndim > 1)
    assert is_contextual(model) == (encoder == "context")


def test_weights_depend_on_the_seed_alone(generator: torch.Generator):
    data = pairs(generator)
    for encoder in ENCODERS:
        first, again, other = (Experiment(seed=seed, encoder=encoder, dim=8).model(data) for seed in (1, 1, 2))
        for key, value in first.state_dict().items():
            torch.testing.assert_close(value, again.state_dict()[key], atol=0, rtol=0)
        assert any((value != other.state_dict()[key]).any() for key, value in first.state_dict().items())


# refusals


def test_unknown_names_are_refused():
    for name in ("shuffle", "anchor", "distance", "encoder"):
        with pytest.raises(ValueError, match=f"expected {name} to be one of .*, got 'sideways'"):
            Experiment(**{name: "sideways"})
