"""Laws of every alignment, kernel, precision, smoothing and unit of the cost, checked by enumerating all paths."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tempclr.alignment._kernels import choose, enumeration
from tempclr.alignment._kernels.recursion import AXES, Recursion

GAMMAS = st.sampled_from([0.0, 1e-4, 1e-2, 1.0, 1e3])
SCALES = st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6])
KINDS = st.one_of(
    st.fixed_dictionaries(
        {
            "begin": st.sampled_from(AXES),
            "end": st.sampled_from(AXES),
            "skip": st.sampled_from([0.0, -0.2, 0.7]),  # in the unit of the cost
            "up": st.sampled_from(["always", "first", "never"]),
        }
    ),
    st.fixed_dictionaries({"drops": st.sampled_from(AXES)}),
)
CASES = st.tuples(
    KINDS,
    GAMMAS,
    SCALES,
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from([torch.float32, torch.float64]),
    st.integers(0, 10_000),
)


@dataclass(frozen=True)
class Truth:
    """One pair, computed by enumerating its alignments in float64."""

    value: float
    least: float  # cost of the best alignment
    visits: Tensor
    spent: float  # expected cost of open ends
    entropy: float  # nats, of the distribution of alignments


def truth(cost: Tensor, recursion: Recursion) -> Truth | None:
    """The truth about a pair, or nothing if no alignment exists."""
    found = enumeration.alignments(*cost.shape[1:], recursion)
    totals = torch.tensor(
        [begun + sum(cost[cell].item() for cell in cells) for begun, cells in found], dtype=torch.float64
    )
    if not totals.isfinite().any():
        return None
    least = totals.min().item()
    if recursion.gamma == 0:
        shares = torch.zeros_like(totals)
        shares[totals.argmin()] = 1
        value, entropy = least, 0.0
    else:
        shares = torch.softmax(-totals / recursion.gamma, 0)
        value = least - recursion.gamma * torch.exp(-(totals - least) / recursion.gamma).sum().log().item()
        entropy = -torch.special.xlogy(shares, shares).sum().item()
    visits = torch.zeros_like(cost)
    for share, (_, cells) in zip(shares.tolist(), found, strict=True):
        for cell in cells:
            visits[cell] += share
    spent = sum(share * begun for share, (begun, _) in zip(shares.tolist(), found, strict=True))
    return Truth(value, least, visits, spent, entropy)


def check(kernel: str, case: tuple) -> None:
    """Compare one kernel with the truth."""
    kind, gamma, scale, (n, m), dtype, seed = case
    recursion = Recursion(**{**kind, "skip": kind.get("skip", 0.0) * scale}, gamma=gamma)
    generator = torch.Generator().manual_seed(seed)
    states = recursion.states
    cost = (scale * torch.rand(2, states, n + 1, m + 2, generator=generator, dtype=torch.float64)).to(dtype)
    cost[0, 0][torch.rand(n + 1, m + 2, generator=generator) < 0.1] = torch.inf
    lengths = torch.tensor([[n, m], [n + 1, m + 2]])
    cost[0, :, n:], cost[0, :, :, m:] = torch.nan, torch.nan
    cost.requires_grad_()
    value = choose.alignment_cost(cost, lengths, recursion, kernel)
    (visits,) = torch.autograd.grad(value.sum(), cost)
    assert value.dtype == visits.dtype == dtype
    assert visits[0, :, n:].eq(0).all() and visits[0, :, :, m:].eq(0).all()

    visits, exact = visits[0, :, :n, :m].double(), cost[0, :, :n, :m].detach().double()
    known = truth(exact, recursion)
    if known is None:
        assert value[0] == torch.inf and visits.eq(0).all()
        return
    # each of at most n + m cells is rounded once, relative to what a path costs, and so is its log
    rounding = 4 * torch.finfo(dtype).eps * (n + m)
    size = (n + m) * scale + gamma
    assert value[0].item() == pytest.approx(known.value, abs=rounding * size, rel=rounding)
    assert value[0].item() <= known.least + rounding * size
    assert visits.min() >= 0 and visits.max() <= 1 + rounding
    assert visits[exact == torch.inf].eq(0).all()
    paid = (visits * torch.where(exact == torch.inf, 0, exact)).sum().item()
    if gamma == 0:
        # of several best alignments any one will do
        assert set(visits.unique().tolist()) <= {0.0, 1.0}
        if not recursion.skip:
            assert paid == pytest.approx(known.least, abs=rounding * size)
        return
    # the smaller gamma, the more a rounded cost weighs in the choice between paths
    blur = rounding * (1 + (n + m) * scale / gamma)
    if blur < 0.1:
        torch.testing.assert_close(visits, known.visits, atol=blur, rtol=0)
        identity = known.value + gamma * known.entropy - known.spent
        assert paid == pytest.approx(identity, abs=2 * blur * size)
    if not recursion.drops and recursion.up == "always" and not recursion.begin and not recursion.end:
        assert visits[0].sum(0).min() >= 1 - rounding and visits[0].sum(1).min() >= 1 - rounding
        assert visits[0, 0, 0].item() == pytest.approx(1, abs=rounding)
        assert visits[0, -1, -1].item() == pytest.approx(1, abs=rounding)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["diagonals", "cpu"])
@settings(max_examples=300)
@given(CASES)
def test_values_visits_and_entropy_equal_the_enumeration_of_all_paths(kernel: str, case: tuple):
    try:
        check(kernel, case)
    except ValueError as error:
        # the documented limit of compiled loops; no other refusal is right
        assert kernel == "cpu" and "times gamma" in str(error), error


@pytest.mark.slow
@settings(max_examples=12, phases=[Phase.explicit, Phase.generate])  # shrinking would take minutes
@given(CASES)
def test_the_triton_programs_equal_the_enumeration_of_all_paths(case: tuple):
    pytest.importorskip("triton")
    check("gpu", case)
