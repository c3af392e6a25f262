"""Encoders that mix steps are contextual, or are refused before anything is shuffled too late."""

import pytest
import torch
from test_objective import pairs
from torch import Tensor, nn

from tempclr import TempCLR
from tempclr.encoders import Projection, check_per_step
from tempclr.losses import OrderTerm
from tempclr.sequences import Sequences, collate

# laws


def test_checking_encoders_changes_nothing(generator: torch.Generator):
    noisy = nn.Sequential(Projection(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))
    noisy[0].eval()  # a frozen part
    trained = TempCLR(noisy, Projection(7, 8), order=OrderTerm(negatives=5))
    before = [buffer.clone() for buffer in trained.buffers()]
    state = torch.get_rng_state()
    check_per_step(noisy, collate(pairs(2, generator)).sentences)
    check_per_step(noisy, collate(pairs(1, generator, segments=(0,))).sentences)
    assert [module.training for module in noisy] == [False, True, True]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(map(torch.equal, trained.buffers(), before))
    assert trained(collate(pairs(2, generator)), generator=generator).order > 0


def test_an_encoder_in_half_precision_passes_the_check(generator: torch.Generator):
    deep = nn.Sequential(nn.Linear(7, 32), *(nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32)) for _ in range(24)))
    clips = collate(pairs(3, generator)).clips
    check_per_step(deep.bfloat16(), Sequences(clips.values.bfloat16(), clips.lengths))
    with torch.autocast("cpu", torch.bfloat16):
        check_per_step(deep, clips)  # in half precision, under mixed precision
        check_per_step(deep.float(), clips)


# refusals


class Learning(nn.Module):
    """A per-step encoder that learns to mix steps."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.share = nn.Linear(7, 8), nn.Parameter(torch.zeros(()))

    def forward(self, steps: Tensor) -> Tensor:
        x = self.linear(steps)
        return x + self.share * x.roll(1, 0)


def test_an_encoder_that_begins_to_mix_steps_is_refused_then(generator: torch.Generator):
    learning = TempCLR(Projection(5, 8), Learning())
    batch = collate(pairs(3, generator))
    with pytest.raises(ValueError, match="expected Learning to encode every step by itself, got"):
        for _ in range(64):
            assert learning(batch, generator=generator).total.isfinite()
            learning.video.share.data += 0.01


class Mixing(nn.Module):
    """An encoder that mixes steps without being contextual."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.linear = how, nn.Linear(7, 8)

    def forward(self, steps: Tensor) -> Tensor:
        x = self.linear(steps)
        return {
            "what came before": lambda: x.cumsum(0),
            "what comes after": lambda: x.flip(0).cumsum(0).flip(0),
            "the mean": lambda: x - x.mean(0),
            "its place": lambda: x + torch.arange(len(x))[:, None],
            "its neighbour, a little": lambda: x + 0.1 * x.roll(1, 0),
        }[self.how]()


@pytest.mark.parametrize(
    "how", ["what came before", "what comes after", "the mean", "its place", "its neighbour, a little"]
)
def test_an_encoder_that_mixes_steps_undeclared_is_refused(how: str, generator: torch.Generator):
    batch = collate(pairs(2, generator))
    mixing = TempCLR(Projection(5, 8), Mixing(how))
    with pytest.raises(ValueError, match="expected Mixing to encode every step by itself, got"):
        mixing(batch, generator=generator)
    mixing.weight = 0.0  # nothing is shuffled, so nothing is checked
    assert mixing(batch, generator=generator).unit.isfinite()
