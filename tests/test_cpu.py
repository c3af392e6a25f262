import importlib
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tempclr.alignment._kernels import diagonals, enumeration, reference
from tempclr.alignment._kernels.band import band_mask
from tempclr.alignment._kernels.recursion import Recursion

pytest.importorskip("numba")
from tempclr.alignment._kernels.cpu import operator

pytestmark = pytest.mark.slow

GAMMAS = [0.0, 1e-4, 0.01, 1.0, 1000.0]
AXES = ["", "x", "y", "xy"]


def aligned(cost: Tensor, lengths: Tensor, rule: Recursion, lanes: int = 0) -> Tensor:
    """Values by the kernel, for costs [pairs, states, n, m] or, with one state, [pairs, n, m]."""
    return operator.alignment_cost(cost if cost.ndim == 4 else cost[:, None], lengths, rule, lanes)


def judged(cost: Tensor, lengths: Tensor, rule: Recursion) -> tuple[Tensor, Tensor]:
    """Value and gradient of every pair, cell by cell in float64."""
    values, gradient = [], torch.zeros_like(cost, dtype=torch.float64)
    for pair, (n, m), target in zip(cost.double(), lengths.tolist(), gradient, strict=True):
        part = pair[..., :n, :m].clone().requires_grad_()
        values.append(reference.alignment_cost(part if part.ndim == 3 else part[None], rule))
        if values[-1].item() < math.inf:
            target[..., :n, :m] = torch.autograd.grad(values[-1], part)[0]
    return torch.stack(values).detach(), gradient


def ours(cost: Tensor, lengths: Tensor, rule: Recursion, lanes: int = 0) -> tuple[Tensor, Tensor]:
    """Value and gradient of every pair by the kernel."""
    cost = cost.clone().requires_grad_()
    value = aligned(cost, lengths, rule, lanes)
    return value.detach(), torch.autograd.grad(value.sum(), cost)[0]


def full(cost: Tensor) -> Tensor:
    """Lengths of pairs without padding."""
    return torch.tensor([cost.shape[-2:]] * len(cost))


def random_cost(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def error(gradient: Tensor, exact: Tensor) -> float:
    return ((gradient.double() - exact).abs().sum() / exact.abs().sum()).item()


ups = st.sampled_from(["always", "first", "never"])
gammas, axes = st.sampled_from(GAMMAS), st.sampled_from(AXES)
rules = st.one_of(
    st.builds(Recursion, gamma=gammas, begin=axes, end=axes, skip=st.sampled_from([0.0, 0.3, -0.7]), up=ups),
    st.builds(Recursion, gamma=gammas, drops=axes | st.just("between")),
    st.builds(Recursion, gamma=st.sampled_from(GAMMAS[1:]), smooth=st.just(True), begin=axes, end=axes, up=ups),
    st.builds(Recursion, gamma=st.sampled_from(GAMMAS[1:]), smooth=st.just(True), drops=axes),
)
banded = st.builds(Recursion, gamma=gammas, band=st.sampled_from([0.0, 0.5, 1.0, 2.7, 9.0, math.inf]))
VARIANTS = {
    "soft": Recursion(gamma=0.1),
    "hard": Recursion(),
    "open ends": Recursion(gamma=0.1, begin="x", end="xy", up="first"),
    "weighted mean": Recursion(gamma=0.1, smooth=True),
    "weighted mean with open ends": Recursion(gamma=0.1, smooth=True, begin="x", end="xy", up="first"),
    "hard drops": Recursion(drops="y"),
    "soft drops": Recursion(gamma=0.1, drops="xy"),
    "drops between": Recursion(drops="between"),
}
each_variant = pytest.mark.parametrize("rule", VARIANTS.values(), ids=VARIANTS)
lanes_of = pytest.mark.parametrize("lanes", [1, 3], ids=["one pair at a time", "three pairs together"])

# known answers


@lanes_of
@pytest.mark.parametrize(("n", "m", "paths"), [(1, 1, 1), (2, 2, 3), (3, 3, 13), (4, 3, 25), (5, 5, 321), (1, 9, 1)])
def test_at_zero_cost_it_counts_delannoy_paths(n: int, m: int, paths: int, lanes: int):
    cost = torch.zeros(3, n, m, dtype=torch.float64)
    value = aligned(cost, full(cost), Recursion(gamma=1.0), lanes)
    assert value.neg().exp().tolist() == pytest.approx([paths] * 3)


def test_every_open_beginning_adds_a_path():
    cost = torch.zeros(1, 2, 1, dtype=torch.float64)
    for up, begin, paths in (("always", "", 1), ("always", "x", 2), ("never", "x", 1)):
        value = aligned(cost, full(cost), Recursion(gamma=1.0, begin=begin, up=up))
        assert value.neg().exp().item() == pytest.approx(paths)
    value = aligned(cost, full(cost), Recursion(gamma=1.0, begin="x", skip=-math.log(2)))
    assert value.neg().exp().item() == pytest.approx(3)


def test_many_equal_costs_sum_to_a_multiple():
    cost = torch.full((1, 1, 5000), 0.1)
    for gamma in (0.0, 1e-3, 10.0):
        value, gradient = ours(cost, full(cost), Recursion(gamma=gamma))
        assert value.item() == pytest.approx(500, rel=1e-6)
        assert gradient.eq(1).all()


# laws


@given(st.data(), st.integers(1, 9), st.integers(1, 9), rules, st.sampled_from([torch.float32, torch.float64]))
def test_values_and_gradients_equal_the_reference(
    data: st.DataObject, n: int, m: int, rule: Recursion, dtype: torch.dtype
):
    n, m = (min(n, 5), min(m, 5)) if rule.drops else (n, m)  # the judge is slow
    lengths = torch.tensor(data.draw(st.lists(st.tuples(st.integers(1, n), st.integers(1, m)), min_size=3, max_size=3)))
    cost = random_cost(3, rule.states, n, m, dtype=dtype, seed=data.draw(st.integers(0, 99)))
    forbidden = random_cost(*cost.shape, seed=data.draw(st.integers(0, 99))) < data.draw(
        st.sampled_from([0.0, 0.1, 0.4])
    )
    if rule.gamma and data.draw(st.booleans()):
        cost = (cost * 3).floor()  # with ties, which leave the derivative of the hard minimum open
    cost[forbidden] = math.inf
    expected, alignment = judged(cost, lengths, rule)
    beyond = torch.ones_like(cost, dtype=torch.bool)
    for mask, (rows, columns) in zip(beyond, lengths.tolist(), strict=True):
        mask[:, :rows, :columns] = False
    cost[beyond] = math.nan
    slack = 2e-6 if dtype == torch.float32 else 1e-11 * max(1, 1e-2 / max(rule.gamma, 1e-4))  # of the judge, too
    for lanes in (1, 2, 3):
        value, gradient = ours(cost, lengths, rule, lanes)
        scale = max(1, rule.gamma)
        torch.testing.assert_close(value.double(), expected, rtol=slack, atol=slack * scale)
        # derivatives of the weighted mean are not bounded by 1
        bound = max(1, alignment.abs().max().item())
        torch.testing.assert_close(gradient.double(), alignment, rtol=0, atol=slack * bound)
        assert gradient[beyond | forbidden].eq(0).all()
        assert torch.equal(aligned(cost, lengths, rule, lanes), value)


@lanes_of
@pytest.mark.parametrize("rule", [Recursion(), Recursion(begin="y", end="y"), Recursion(drops="xy")])
def test_ties_of_hard_alignments_choose_one_path(rule: Recursion, lanes: int):
    cost = (random_cost(20, rule.states, 6, 7) * 2).floor()
    value, gradient = ours(cost, full(cost), rule, lanes)
    assert ((gradient == 0) | (gradient == 1)).all()
    assert torch.equal((gradient * cost).sum((1, 2, 3)), value)
    for pair in gradient.sum(1):
        assert enumeration.is_path(list(map(tuple, pair.nonzero().tolist())))


@pytest.mark.parametrize("gamma", [0.0, 0.1])
@pytest.mark.parametrize(("begin", "end", "up"), [("", "", "always"), ("x", "x", "first"), ("y", "xy", "never")])
def test_ties_in_long_rows_choose_one_path(begin: str, end: str, up: str, gamma: float):
    cost, rule = random_cost(4, 19, 33), Recursion(gamma=gamma, begin=begin, end=end, skip=0.1, up=up)
    lengths = torch.tensor([[19, 33], [18, 32], [3, 33], [19, 9]])
    expected, alignment = judged(cost, lengths, rule)
    for lanes in (1, 2, 4):
        value, gradient = ours(cost, lengths, rule, lanes)
        torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(gradient.double(), alignment, rtol=0, atol=1e-6)


@each_variant
@pytest.mark.parametrize("gamma", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_equals_the_diagonals_on_ragged_batches(rule: Recursion, gamma: float, dtype: torch.dtype):
    if rule.smooth and not gamma:
        return
    rule = replace(rule, gamma=gamma)
    cost = random_cost(37, rule.states, 45, 70, dtype=dtype)
    lengths = torch.stack([torch.arange(37) + 9, 70 - torch.arange(37)], 1)
    double = cost.double().requires_grad_()
    expected = diagonals.alignment_cost(double, lengths, rule)
    (alignment,) = torch.autograd.grad(expected.sum(), double)
    value, gradient = ours(cost, lengths, rule)
    slack = 1e-6 if dtype == torch.float32 else 1e-12 / max(gamma, 1e-3)
    torch.testing.assert_close(value.double(), expected.detach(), rtol=slack, atol=slack)
    torch.testing.assert_close(gradient.double(), alignment, rtol=slack, atol=slack)


@each_variant
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neither_threads_nor_other_pairs_change_a_bit(rule: Recursion, dtype: torch.dtype):
    cost = random_cost(70, rule.states, 50, 60, dtype=dtype)
    lengths = torch.stack([torch.arange(70) % 43 + 8, torch.arange(70) % 57 + 4], 1)
    threads, results = torch.get_num_threads(), []
    try:
        for number, lanes in ((1, 0), (2, 0), (3, 0), (1, 1), (1, 7), (2, 64)):
            torch.set_num_threads(number)
            results.append(ours(cost, lengths, rule, lanes))
    finally:
        torch.set_num_threads(threads)
    for value, gradient in results[1:]:
        assert torch.equal(value, results[0][0]) and torch.equal(gradient, results[0][1])


@lanes_of
@each_variant
def test_a_pair_without_a_path_is_infinite_with_no_gradient_and_leaves_others_alone(rule: Recursion, lanes: int):
    cost = random_cost(3, rule.states, 4, 5)
    free = cost[2:].clone()
    cost[0, :, 2], cost[1] = math.inf, math.inf
    blocked = 1 if rule.end else 2  # the first may end before what blocks it
    value, gradient = ours(cost, full(cost), rule, lanes)
    assert value[2 - blocked : 2].eq(math.inf).all() and gradient[2 - blocked : 2].eq(0).all()
    alone, its_gradient = ours(free, full(free), rule)
    assert torch.equal(value[2:], alone) and torch.equal(gradient[2:], its_gradient)


@given(banded, st.integers(1, 14), st.integers(1, 14), st.sampled_from([0, 1, 3]), st.integers(0, 10_000))
def test_cells_beyond_the_band_are_skipped_as_if_they_were_forbidden(
    rule: Recursion, n: int, m: int, lanes: int, seed: int
):
    cost = random_cost(5, n, m, seed=seed, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.stack([torch.randint(1, steps + 1, (5,), generator=generator) for steps in (n, m)], 1)
    forbidden = cost.masked_fill(~band_mask(lengths, n, m, rule.band), math.inf)
    expected, alignment = ours(forbidden, lengths, replace(rule, band=None), lanes)
    value, gradient = ours(cost, lengths, rule, lanes)
    assert value.isfinite().all() and torch.equal(value, expected)
    assert torch.equal(gradient, alignment)


def test_costs_beyond_the_band_are_never_read():
    cost, lengths = random_cost(1, 1000, 1000), torch.tensor([[1000, 1000]])
    cost[0, 0, 500] = math.nan  # never read
    assert aligned(cost, lengths, Recursion(gamma=0.1, band=20.0)).isfinite()


def long_costs() -> dict[str, Tensor]:
    """Costs on which single precision has been seen to fail."""
    noise = random_cost(1, 1024, 1024)
    return {"uniform": noise, "constant": torch.full_like(noise, 0.5), "far from zero": 1000 + noise}


@pytest.mark.parametrize("gamma", [0.1, 1e-3])
@pytest.mark.parametrize("name", ["uniform", "constant", "far from zero"])
def test_long_gradients_in_single_precision_equal_those_in_double(name: str, gamma: float):
    cost = long_costs()[name]
    exact = ours(cost.double(), full(cost), Recursion(gamma=gamma))
    value, gradient = ours(cost, full(cost), Recursion(gamma=gamma))
    assert error(gradient, exact[1]) < 3e-6
    assert error(value, exact[0]) < 1e-7


def test_double_precision_equals_the_diagonals():
    cost = long_costs()["uniform"].double()[:, :300, :300].requires_grad_()
    expected = diagonals.alignment_cost(cost[:, None], full(cost), Recursion(gamma=0.1))
    value, gradient = ours(cost.detach(), full(cost), Recursion(gamma=0.1))
    torch.testing.assert_close(value, expected.detach(), rtol=1e-13, atol=0)
    assert error(gradient, torch.autograd.grad(expected.sum(), cost)[0]) < 1e-11


def test_the_longest_gradients_stay_exact():
    cost = random_cost(1, 4096, 4096)
    value, gradient = ours(cost, full(cost), Recursion(gamma=1e-3))
    exact = ours(cost.double(), full(cost), Recursion(gamma=1e-3))
    assert error(gradient, exact[1]) < 1e-5
    assert error(value, exact[0]) < 1e-7


@pytest.mark.parametrize("gamma", [1e-6, 1e-3, 1e3, 1e35])
def test_costs_and_skips_of_any_size_are_summed_exactly(gamma: float):
    cost = 3e4 * random_cost(2, 7, 9)
    rule = Recursion(gamma=gamma, begin="xy", end="xy", skip=-2e4)
    expected, alignment = judged(cost, full(cost), rule)
    value, gradient = ours(cost, full(cost), rule)
    # the judge itself sums exponents as large as 1e11 in float64
    torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=1e-6 * gamma)
    torch.testing.assert_close(gradient.double(), alignment, rtol=0, atol=1e-4 if gamma < 1e-3 else 1e-6)


def test_strides_change_nothing():
    cost = random_cost(5, 9, 11)
    rule, lengths = Recursion(gamma=0.1), full(cost)
    value, gradient = ours(cost, lengths, rule)
    strided = cost.mT.contiguous().mT.requires_grad_()
    again = aligned(strided, lengths.int().T.contiguous().T, rule)
    assert torch.equal(again.detach(), value)
    assert torch.equal(torch.autograd.grad(again.sum(), strided)[0], gradient)
    assert torch.equal(aligned(cost[:1].expand(5, -1, -1), lengths, rule), value[:1].expand(5))


def test_no_pairs_have_no_values():
    assert aligned(torch.zeros(0, 2, 3), torch.zeros(0, 2, dtype=torch.int64), Recursion()).shape == (0,)


def test_weights_of_pairs_scale_their_gradients():
    cost = random_cost(3, 4, 5).requires_grad_()
    weights = torch.tensor([2.0, 0.0, -1.0])
    value = aligned(cost, full(cost), Recursion(gamma=0.1))
    (gradient,) = torch.autograd.grad((weights * value).sum(), cost)
    alignment = ours(cost.detach(), full(cost), Recursion(gamma=0.1))[1]
    torch.testing.assert_close(gradient, weights[:, None, None] * alignment)


@pytest.mark.parametrize("rule", [VARIANTS["soft drops"], VARIANTS["weighted mean"]])
@pytest.mark.parametrize("gamma", [0.1, 1e-3])
def test_weights_of_pairs_scale_gradients_with_drops_and_the_weighted_mean(rule: Recursion, gamma: float):
    rule = replace(rule, gamma=gamma)
    for noise in (random_cost(1, rule.states, 800, 800), torch.full((1, rule.states, 800, 800), 0.5)):
        exact = ours(noise.double(), full(noise), rule)
        value, gradient = ours(noise, full(noise), rule)
        assert error(gradient, exact[1]) < 3e-5
        assert error(value, exact[0]) < 1e-7


def test_without_gradient_no_table_is_kept():
    cost = random_cost(3, 4, 5).requires_grad_()
    with torch.no_grad():
        assert not aligned(cost, full(cost), Recursion(gamma=0.1)).requires_grad
    fields = operator._fields(Recursion(gamma=0.1))
    assert operator._align(cost.detach()[:, None], full(cost), *fields, False, 0)[1].numel() == 0


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("rule", [VARIANTS["open ends"], VARIANTS["soft drops"]])
@pytest.mark.usefixtures("unchecked_shapes")
def test_it_compiles_as_one_graph(backend: str, rule: Recursion):
    cost, lengths = random_cost(3, rule.states, 4, 5).requires_grad_(), torch.tensor([[4, 5], [2, 3], [1, 5]])

    def loss(each: Tensor) -> Tensor:
        return aligned(each * 2, lengths, rule).square().sum()

    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(cost), loss(cost))
    (expected,) = torch.autograd.grad(loss(cost), cost)
    torch.testing.assert_close(torch.autograd.grad(compiled(cost), cost)[0], expected)


COMPILED = """
from functools import partial
import torch, tempclr

functions = [
    tempclr.soft_dtw, partial(tempclr.soft_dtw, band=9.0), tempclr.dtw, tempclr.otam, tempclr.alignment.smooth_dtw,
    tempclr.alignment.subsequence_dtw, partial(tempclr.drop_dtw, drop_x=0.5, drop_y=0.4, gamma=0.1),
]
cost = torch.rand(3, 30, 40, generator=torch.Generator().manual_seed(0)).requires_grad_()
lengths = torch.tensor([[30, 40], [3, 40], [20, 20]])

def refusal(function, *arguments):
    try:
        function(*arguments)
    except ValueError as error:
        return str(error)

for function in functions:
    for kernel in ("cpu", "auto"):
        loss = lambda each, lengths: function(each.square(), lengths, kernel=kernel).sum()
        torch.compiler.reset()
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        value, expected = compiled(cost, lengths), loss(cost, lengths)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(torch.autograd.grad(value, cost), torch.autograd.grad(expected, cost))
        unknown = cost.detach().clone()
        unknown[1, 2, 3] = torch.nan
        assert "finite or +inf, got nan at (1, 2, 3)" in refusal(compiled, unknown, lengths)
        longer = lengths + torch.tensor([[0, 1], [0, 0], [0, 0]])
        assert "lengths of y from 1 to 40, got 20 to 41" in refusal(compiled, cost, longer)
print("compiled", len(functions))
"""


def test_a_training_step_compiles_as_one_graph_that_still_checks_its_input():
    # in a process of its own: what checks shapes in tests cannot be traced
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout == "compiled 7\n", done.stderr


@each_variant
def test_the_operator_passes_the_checks_of_pytorch(rule: Recursion):
    cost = random_cost(3, rule.states, 4, 5).requires_grad_()
    arguments = (cost, full(cost), *operator._fields(rule), True, 0)
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(operator._align, arguments, test_utils=checks)


@pytest.mark.parametrize("name", ["soft", "open ends", "weighted mean", "soft drops"])
def test_second_derivatives_match_finite_differences(name: str):
    rule = replace(VARIANTS[name], gamma=0.3)
    cost, lengths = random_cost(2, rule.states, 3, 4, dtype=torch.float64), torch.tensor([[3, 4], [2, 3]])
    cost.requires_grad_()

    def loss(each: Tensor) -> Tensor:
        return aligned(each, lengths, rule).exp()

    assert torch.autograd.gradcheck(loss, cost)
    assert torch.autograd.gradgradcheck(loss, cost)


# refusals


@pytest.mark.parametrize("cost", [torch.zeros(1, 2, 2).half(), torch.zeros(1, 2, 2, device="meta")])
def test_unsupported_devices_and_types_are_refused(cost: Tensor):
    with pytest.raises(ValueError, match="float32 or float64 on the CPU, got"):
        aligned(cost, torch.tensor([[2, 2]]), Recursion())


def test_a_skip_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="expects a finite skip"):
        aligned(torch.zeros(1, 2, 2), torch.tensor([[2, 2]]), Recursion(skip=math.nan))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_costs_too_large_for_gamma_are_refused(dtype: torch.dtype):
    cost = torch.tensor([[[0.0, 1e20], [1.0, 0.0]]], dtype=dtype)
    with pytest.raises(ValueError, match="times gamma"):
        aligned(cost, full(cost), Recursion(gamma=1.0))
    assert aligned(cost, full(cost), Recursion()).item() == 0
    with pytest.raises(ValueError, match="times gamma"):
        aligned(cost[:, :, :1], torch.tensor([[2, 1]]), Recursion(gamma=1e-9, end="x", skip=1e12))


def test_without_numba_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "tempclr.alignment._kernels.cpu.scaled_floats")
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ValueError, match=r"tempclr\[cpu\]"):
        importlib.import_module("tempclr.alignment._kernels.cpu.scaled_floats")
