import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import tempclr
from tempclr.alignment._kernels import enumeration, reference
from tempclr.alignment._kernels.recursion import Recursion

GAMMAS = [1e-4, 0.01, 0.1, 1.0, 1000.0]


def random_cost(n: int, m: int, seed: int, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, n, m, generator=generator, dtype=torch.float64)


def derivatives(function: Callable[[Tensor], Tensor], cost: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value, gradient, and second derivative through a nonlinear loss, applied to ones."""
    cost = cost.clone().requires_grad_()
    value = function(cost)
    (first,) = torch.autograd.grad(value.square().sum(), cost, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), cost)
    return value.detach(), first.detach(), second


def path_costs(cost: Tensor) -> Tensor:
    """The summed cost of every path."""
    paths = enumeration.alignments(*cost.shape, Recursion())
    return torch.stack([sum(cost[i, j] for _, i, j in cells) for _, cells in paths])


sizes = st.tuples(st.integers(1, 6), st.integers(1, 6))
seeds = st.integers(0, 1000)

# known answers


@pytest.mark.parametrize(("n", "m", "paths"), [(1, 1, 1), (2, 2, 3), (3, 3, 13), (4, 3, 25), (5, 5, 321), (1, 9, 1)])
def test_at_zero_cost_it_counts_delannoy_paths(n: int, m: int, paths: int):
    assert math.exp(-tempclr.soft_dtw(torch.zeros(n, m, dtype=torch.float64), gamma=1.0)) == pytest.approx(paths)
    if n * m <= 25:
        assert len(enumeration.alignments(n, m, Recursion())) == paths


def test_every_path_visits_the_corners_and_a_third_each_other_cell():
    alignment = tempclr.expected_alignment(torch.zeros(2, 2), gamma=1.0)
    torch.testing.assert_close(alignment, torch.tensor([[1, 1 / 3], [1 / 3, 1]]))


def test_a_forbidden_cell_sends_all_mass_around_it():
    cost = torch.zeros(2, 2)
    cost[0, 1] = torch.inf
    alignment = tempclr.expected_alignment(cost, gamma=1.0)
    torch.testing.assert_close(alignment, torch.tensor([[1, 0], [0.5, 1]]))
    assert alignment[0, 1] == 0


@pytest.mark.parametrize("blocked", [(0, 0), (1, 2), "row"])
def test_a_pair_without_a_path_is_infinite_with_no_gradient_and_leaves_others_alone(blocked):
    cost = random_cost(2, 3, 0, batch=2)
    free = cost[1:].clone()
    cost[0, 1 if blocked == "row" else blocked[0], slice(None) if blocked == "row" else blocked[1]] = torch.inf
    cost.requires_grad_()
    value = tempclr.soft_dtw(cost, gamma=0.1)
    (gradient,) = torch.autograd.grad(value.sum(), cost)
    assert value[0] == torch.inf
    assert torch.equal(gradient[0], torch.zeros(2, 3, dtype=torch.float64))
    torch.testing.assert_close(gradient[1:], tempclr.expected_alignment(free, gamma=0.1))
    assert tempclr.dtw(cost)[0] == torch.inf


def test_ties_of_the_hard_path_go_to_the_diagonal():
    assert tempclr.dtw_path(torch.zeros(3, 3)).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_half_precision_is_computed_in_float32_and_float64_stays():
    cost = random_cost(4, 5, 0)
    assert tempclr.soft_dtw(cost.half()).dtype == torch.float32
    assert tempclr.soft_dtw(cost.bfloat16()).dtype == torch.float32
    assert tempclr.expected_alignment(cost).dtype == torch.float64


def test_no_pairs_have_no_values():
    assert tempclr.soft_dtw(torch.zeros(0, 2, 3)).shape == (0,)


# laws


@given(sizes, seeds, st.sampled_from(GAMMAS))
def test_it_equals_the_reference_with_its_derivatives(size: tuple[int, int], seed: int, gamma: float):
    cost = random_cost(*size, seed, batch=2)
    ours = derivatives(lambda each: tempclr.soft_dtw(each, gamma=gamma), cost)
    recursion = Recursion(gamma=gamma)
    slow = derivatives(
        lambda each: torch.stack([reference.alignment_cost(pair[None], recursion) for pair in each]), cost
    )
    for fast, judge in zip(ours, slow, strict=True):
        # second derivatives grow as 1 / gamma, and so does their rounding
        torch.testing.assert_close(fast, judge, rtol=1e-6, atol=1e-8 * max(1, 1 / gamma))


@given(sizes, seeds, st.sampled_from(GAMMAS))
def test_exchanging_the_sequences_changes_nothing(size: tuple[int, int], seed: int, gamma: float):
    cost = random_cost(*size, seed)
    torch.testing.assert_close(tempclr.soft_dtw(cost, gamma=gamma), tempclr.soft_dtw(cost.mT, gamma=gamma))
    torch.testing.assert_close(tempclr.dtw(cost), tempclr.dtw(cost.mT))


@given(sizes, seeds, st.sampled_from([1e-6, 3.0, 1e6]))
def test_scaling_cost_and_gamma_scales_the_result(size: tuple[int, int], seed: int, scale: float):
    cost = random_cost(*size, seed)
    torch.testing.assert_close(
        tempclr.soft_dtw(scale * cost, gamma=scale * 0.1), scale * tempclr.soft_dtw(cost, gamma=0.1)
    )


@given(sizes, seeds)
def test_it_is_at_most_dtw_and_tends_to_it(size: tuple[int, int], seed: int):
    cost = random_cost(*size, seed)
    hard = tempclr.dtw(cost)
    soft = [tempclr.soft_dtw(cost, gamma=gamma) for gamma in (1.0, 0.1, 1e-6)]
    assert soft[0] <= soft[1] <= soft[2] <= hard
    torch.testing.assert_close(soft[2], hard, atol=2e-5, rtol=0)  # gamma times the log of at most 1683 paths


@given(sizes, seeds, st.sampled_from(GAMMAS))
def test_the_gradient_is_an_alignment(size: tuple[int, int], seed: int, gamma: float):
    alignment = tempclr.expected_alignment(random_cost(*size, seed), gamma=gamma)[0]
    slack = 1e-9  # rounding
    assert alignment.min() >= 0 and alignment.max() <= 1 + slack
    assert alignment.sum(0).min() >= 1 - slack and alignment.sum(1).min() >= 1 - slack
    assert alignment[0, 0] == pytest.approx(1) and alignment[-1, -1] == pytest.approx(1)


@given(st.tuples(st.integers(1, 4), st.integers(1, 4)), seeds)
def test_the_expected_cost_is_the_value_plus_gamma_times_the_entropy_of_paths(size: tuple[int, int], seed: int):
    gamma, cost = 0.3, random_cost(*size, seed)[0]
    totals = path_costs(cost)
    probability = torch.softmax(-totals / gamma, 0)
    entropy = -(probability * probability.log()).sum()
    expected = (tempclr.expected_alignment(cost, gamma=gamma) * cost).sum()
    torch.testing.assert_close(expected, tempclr.soft_dtw(cost, gamma=gamma) + gamma * entropy)


@given(sizes, seeds)
def test_the_hard_path_is_a_path_and_costs_what_dtw_says(size: tuple[int, int], seed: int):
    cost = random_cost(*size, seed)[0]
    path = [tuple(cell) for cell in tempclr.dtw_path(cost).tolist()]
    assert enumeration.is_path(path) and path[0] == (0, 0) and path[-1] == (size[0] - 1, size[1] - 1)
    torch.testing.assert_close(sum(cost[i, j] for i, j in path), tempclr.dtw(cost))


@pytest.mark.parametrize("n", range(1, 5))
@pytest.mark.parametrize("m", range(1, 6))
def test_padding_is_never_read(n: int, m: int):
    full = random_cost(4, 5, seed=n * 10 + m, batch=3)
    full[1, n:] = torch.nan
    full[1, :, m:] = torch.nan
    lengths = torch.tensor([[4, 5], [n, m], [2, 3]])
    for function in (lambda cost, size: tempclr.soft_dtw(cost, size, gamma=0.2), tempclr.dtw):
        padded = derivatives(lambda cost, f=function: f(cost, lengths), full)
        alone = derivatives(lambda cost, f=function: f(cost, None), full[1:2, :n, :m])
        for whole, part in zip(padded, alone, strict=True):
            torch.testing.assert_close(whole[1:2] if whole.ndim == 1 else whole[1:2, :n, :m], part)
            if whole.ndim > 1:
                assert whole[1, n:].eq(0).all() and whole[1, :, m:].eq(0).all()


def test_derivatives_match_finite_differences_through_a_nonlinear_loss():
    cost = random_cost(3, 4, 0, batch=2).requires_grad_()
    lengths = torch.tensor([[3, 4], [2, 3]])

    def loss(each: Tensor) -> Tensor:
        return tempclr.soft_dtw(each, lengths, gamma=0.3).exp().square()

    assert torch.autograd.gradcheck(loss, cost)
    assert torch.autograd.gradgradcheck(loss, cost)
    assert torch.autograd.gradcheck(lambda each: tempclr.expected_alignment(each, lengths, gamma=0.3), cost)


def test_batch_axes_and_strides_change_nothing():
    cost = random_cost(3, 4, 0, batch=6)
    values = tempclr.soft_dtw(cost)
    torch.testing.assert_close(tempclr.soft_dtw(cost.reshape(2, 3, 3, 4)), values.reshape(2, 3))
    torch.testing.assert_close(tempclr.soft_dtw(cost[0]), values[0])
    strided = cost.mT.contiguous().mT
    torch.testing.assert_close(tempclr.expected_alignment(strided), tempclr.expected_alignment(cost))
    expanded = cost[:1].expand(4, -1, -1)
    torch.testing.assert_close(tempclr.soft_dtw(expanded), values[:1].expand(4))
    lengths = torch.tensor([2, 3], dtype=torch.int32).expand(2, 3, 2)
    assert tempclr.soft_dtw(cost.reshape(2, 3, 3, 4), lengths).shape == (2, 3)


def long_costs() -> dict[str, Tensor]:
    """Costs on which single precision has been seen to fail."""
    n, generator = 1024, torch.Generator().manual_seed(0)
    time = torch.linspace(0, 1, n)
    warped = time + 0.1 * torch.sin(6 * time)
    noise = 0.3 * torch.randn(n, generator=generator)
    return {
        "uniform": torch.rand(n, n, generator=generator),
        "constant": torch.full((n, n), 0.5),
        "smooth cosine": 1 - torch.cos(3 * (time[:, None] - warped)),
        "noisy warp": (torch.sin(9 * time)[:, None] - torch.sin(9 * warped) - noise).square(),
    }


@pytest.mark.parametrize("name", ["uniform", "constant", "smooth cosine", "noisy warp"])
def test_long_gradients_in_single_precision_equal_those_in_double(name: str):
    cost = long_costs()[name]
    single = tempclr.expected_alignment(cost, gamma=1e-3)
    double = tempclr.expected_alignment(cost.double(), gamma=1e-3)
    assert (single - double).abs().sum() / double.abs().sum() < 1e-3


# refusals


@pytest.mark.parametrize("function", [tempclr.soft_dtw, tempclr.dtw, tempclr.expected_alignment])
@pytest.mark.parametrize(
    ("cost", "lengths", "message"),
    [
        (torch.tensor([[1.0, torch.nan]]), None, r"finite or \+inf, got nan at \(0, 1\)"),
        (torch.tensor([[-torch.inf]]), None, "finite or"),
        (torch.zeros(0, 3), None, "n, m >= 1"),
        (torch.zeros(2, 3, 0), None, "n, m >= 1"),
        (torch.zeros(2, 3, dtype=torch.int64), None, "floating-point"),
        (torch.zeros(2, 3), torch.tensor([[2, 3]]), "expected lengths"),
        (torch.zeros(1, 2, 3), torch.tensor([[3, 3]]), "from 1 to 2, got 3"),
        (torch.zeros(1, 2, 3), torch.tensor([[2, 0]]), "from 1 to 3, got 0"),
        (torch.zeros(1, 2, 3), torch.tensor([[2, 4]]), "from 1 to 3, got 4"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_an_invalid_cost_is_refused(function: Callable, cost: Tensor, lengths: Tensor | None, message: str):
    with pytest.raises(ValueError, match=message):
        function(cost, lengths)


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.nan, math.inf])
def test_a_gamma_that_is_not_positive_is_refused(gamma: float):
    with pytest.raises(ValueError, match="gamma > 0"):
        tempclr.soft_dtw(torch.zeros(2, 2), gamma=gamma)


def test_a_kernel_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="auto, diagonals, cpu, gpu, got 'fast'"):
        tempclr.soft_dtw(torch.zeros(2, 2), kernel="fast")


def test_asking_for_a_path_where_none_exists_is_refused():
    with pytest.raises(ValueError, match="at least one path"):
        tempclr.dtw_path(torch.tensor([[torch.inf]]))


def test_a_third_derivative_is_refused():
    cost = torch.rand(2, 2, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(tempclr.soft_dtw(cost), cost, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), cost, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        second.sum().backward()
