"""The Triton programs: on a GPU where there is one, else in Triton's interpreter, which is why all sizes are small."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import tempclr
from tempclr.alignment._kernels import choose, diagonals, reference
from tempclr.alignment._kernels.recursion import Recursion

pytest.importorskip("triton")
from tempclr.alignment._kernels.gpu import operator

if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("TRITON_INTERPRET is set to something else than 1, and there is no GPU", allow_module_level=True)

pytestmark = pytest.mark.slow

RECURSIONS = {
    "soft": Recursion(gamma=0.2),
    "hard": Recursion(),
    "smooth": Recursion(gamma=0.2, smooth=True),
    "subsequence": Recursion(gamma=0.2, begin="y", end="y", skip=0.3),
    "open on both axes": Recursion(gamma=0.2, begin="xy", end="xy", skip=-0.1),
    "hard and open": Recursion(begin="x", end="xy"),
    "upright in the first column": Recursion(gamma=0.2, begin="y", end="y", up="first"),
    "never upright": Recursion(gamma=0.2, begin="x", end="x", up="never"),
    "drops of x": Recursion(gamma=0.2, drops="x"),
    "drops of y": Recursion(drops="y"),
    "drops of both": Recursion(gamma=0.2, drops="xy"),
    "drops between": Recursion(gamma=0.2, drops="between"),
}
EACH = pytest.mark.parametrize("recursion", RECURSIONS.values(), ids=RECURSIONS)
# lanes of a tile; without, five pairs share a program
LANES = pytest.mark.parametrize("lanes", [0, 2], ids=["packed", "tiled"])


@pytest.fixture
def device() -> str:
    """Where the programs run."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def random_cost(recursion: Recursion, n: int, m: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Costs of pairs of different lengths, some of them forbidden, and NaN in the padding."""
    lengths = torch.tensor([[n, m], [min(n, 3), min(m, 2)], [1, m], [n, 1], [1, 1]])
    cost = torch.rand(5, recursion.states, n, m, generator=generator, dtype=torch.float64)
    cost[:, 0][torch.rand(5, n, m, generator=generator) < 0.1] = torch.inf
    beyond = (torch.arange(n)[:, None] >= lengths[:, :1, None]) | (torch.arange(m) >= lengths[:, 1:, None])
    return cost.masked_fill(beyond[:, None], torch.nan), lengths


def derived(function, cost: Tensor, lengths: Tensor, *rest: object) -> tuple[Tensor, Tensor]:
    """Values, and the gradient of the sum of squares of those that are finite."""
    cost = cost.clone().requires_grad_()
    value = function(cost, lengths, *rest)
    (gradient,) = torch.autograd.grad(torch.where(value.isfinite(), value, 0).square().sum(), cost)
    return value.detach().cpu(), gradient.cpu()


def relative_error(gradient: Tensor, exact: Tensor) -> float:
    return ((gradient.double() - exact).abs().sum() / exact.abs().sum()).item()


# known answers


def test_zero_costs_count_paths(device: str):
    cost = torch.zeros(1, 1, 4, 3, device=device)
    value = operator.alignment_cost(cost, torch.tensor([[4, 3]], device=device), Recursion(gamma=1.0))
    assert value.item() == pytest.approx(-torch.tensor(25.0).log().item())


# laws


@EACH
@LANES
@pytest.mark.parametrize("size", [(3, 5), (5, 4)], ids=["wide", "high"])
def test_values_and_visits_equal_the_reference(
    recursion: Recursion, size: tuple[int, int], lanes: int, device: str, generator: torch.Generator
):
    cost, lengths = random_cost(recursion, *size, generator)
    for pair, (n, m) in enumerate(lengths.tolist()):
        alone = cost[pair, :, :n, :m].clone().requires_grad_()
        expected = reference.alignment_cost(alone, recursion)
        gradient = torch.zeros_like(alone)
        if expected.isfinite():
            (gradient,) = torch.autograd.grad(expected, alone, materialize_grads=True)
        if pair == 0:
            traced = cost.to(device).requires_grad_()
            value = operator.alignment_cost(traced, lengths.to(device), recursion, lanes)
            (visits,) = torch.autograd.grad(value.sum(), traced)
        torch.testing.assert_close(value[pair].detach().cpu(), expected.detach())
        torch.testing.assert_close(visits[pair, :, :n, :m].cpu(), torch.nan_to_num(gradient))
        assert visits[pair, :, n:].eq(0).all() and visits[pair, :, :, m:].eq(0).all()


@pytest.mark.parametrize("size", [(16, 16), (1, 9), (9, 1), (2, 33)])
def test_every_shape_equals_the_diagonals(size: tuple[int, int], device: str, generator: torch.Generator):
    recursion = Recursion(gamma=0.1)
    cost, lengths = (each.to(device) for each in random_cost(recursion, *size, generator))
    for one, other in zip(
        derived(operator.alignment_cost, cost, lengths, recursion),
        derived(diagonals.alignment_cost, cost, lengths, recursion),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("gamma", [1e-3, 0.1])
@LANES
def test_single_precision_stays_exact_far_from_zero(gamma: float, lanes: int, device: str, generator: torch.Generator):
    """Without recentring, offsets of this size would leave no digit to tell paths apart."""
    cost = (100 + torch.rand(1, 1, 14, 16, generator=generator)).float()
    lengths = torch.tensor([[14, 16]])
    recursion = Recursion(gamma=gamma)
    _, exact = derived(diagonals.alignment_cost, cost.double(), lengths, recursion)
    value, single = derived(operator.alignment_cost, cost.to(device), lengths.to(device), recursion, lanes)
    assert value.dtype == single.dtype == torch.float32
    assert relative_error(single, exact) < 1e-3


def test_ties_are_broken_as_in_the_other_kernels(device: str, generator: torch.Generator):
    recursion = Recursion(begin="y", end="y")
    for size in ((4, 6), (6, 4)):
        cost = torch.randint(0, 2, (3, 1, *size), generator=generator).float()
        lengths = torch.tensor(size).expand(3, 2)
        _, ours = derived(operator.alignment_cost, cost.to(device), lengths.to(device), recursion)
        torch.testing.assert_close(ours, derived(diagonals.alignment_cost, cost, lengths, recursion)[1])


def test_without_gradient_nothing_is_kept(device: str, generator: torch.Generator):
    cost, lengths = (each.to(device) for each in random_cost(Recursion(), 3, 4, generator))
    with torch.no_grad():
        _, visits = operator._align(cost, lengths, 0.1, False, 0.0, "//always/", False, 0)
    assert visits.numel() == 0


def test_second_derivatives_match_finite_differences(device: str, generator: torch.Generator):
    cost = torch.rand(1, 1, 2, 3, generator=generator, dtype=torch.float64).to(device).requires_grad_()
    lengths = torch.tensor([[2, 3]], device=device)
    assert torch.autograd.gradgradcheck(lambda c: operator.alignment_cost(c, lengths, Recursion(gamma=0.3)).exp(), cost)


def test_the_operator_declares_what_it_returns(device: str, generator: torch.Generator):
    cost, lengths = (each.to(device) for each in random_cost(Recursion(), 2, 3, generator))
    arguments = (cost.requires_grad_(), lengths, 0.1, False, 0.0, "//always/", True, 0)
    torch.library.opcheck(operator._align, arguments, test_utils=("test_schema", "test_faketensor"))


def test_a_training_step_equals_that_of_the_diagonals(device: str, monkeypatch: pytest.MonkeyPatch):
    moved = []
    for kernel in ("diagonals", "gpu"):
        monkeypatch.setattr(choose, "choose_kernel", lambda cost, recursion, kernel=kernel: kernel)
        generator = torch.Generator().manual_seed(0)
        anchor, positive = (torch.randn(2, steps, 4, generator=generator).to(device) for steps in (3, 4))
        weight = torch.eye(4, device=device).requires_grad_()
        orders = tempclr.negatives.shuffled_orders(4, 3, generator=generator).to(device)
        loss = tempclr.losses.order_loss(anchor @ weight, positive, orders, temperature=0.2)
        optimizer = torch.optim.SGD([weight], lr=0.1)
        loss.backward()
        optimizer.step()
        moved.append((loss.item(), weight.detach().cpu()))
    assert moved[1][0] == pytest.approx(moved[0][0], rel=1e-5)
    assert (moved[0][1] - torch.eye(4)).abs().max() > 1e-4
    torch.testing.assert_close(moved[1][1], moved[0][1])


def test_programs_compile_for_every_generation_without_spills_or_needless_barriers(root: Path):
    """Read off the machine code: no register is spilled, and up to 128 lanes there is no barrier between them."""
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    found = subprocess.run(
        [sys.executable, root / "benchmarks" / "gpu.py", "--compile-only", "--json"],
        env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    programs = json.loads(found.stdout)
    assert {program["arch"] for program in programs} == {80, 90, 100}
    assert {program["program"] for program in programs} == {"forward", "backward"}
    assert {bool(program["tiled"]) for program in programs} == {True, False}
    for program in programs:
        assert program["spilled_bytes"] == 0, program
        if program["lanes"] <= 128 and not program["tiled"]:
            assert program["barriers"] == 0, program


# refusals


def test_a_gamma_out_of_range_of_the_precision_is_refused(device: str):
    cost, lengths = torch.rand(1, 1, 2, 2, device=device), torch.tensor([[2, 2]], device=device)
    for gamma in (1e-40, 1e38):
        with pytest.raises(ValueError, match="expected gamma from 5e-38 to 2e"):
            operator.alignment_cost(cost, lengths, Recursion(gamma=gamma))


def test_without_a_gpu_the_kernel_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with pytest.raises(ValueError, match="kernel='gpu' cannot compute this: the cost is on cpu"):
        tempclr.soft_dtw(torch.rand(2, 2), kernel="gpu")


# on a GPU alone


NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")]


@pytest.mark.parametrize("size", [(4096, 4096), (5000, 4500)], ids=["one program", "tiles"])
@pytest.mark.parametrize("gamma", [1e-3, 0.1])
class TestLong:
    """Pairs that are too long for the interpreter."""

    pytestmark = NEEDS_GPU

    def test_gradients_of_long_pairs_are_exact(self, size: tuple[int, int], gamma: float, generator: torch.Generator):
        cost, lengths = torch.rand(1, 1, *size, generator=generator).cuda(), torch.tensor([size]).cuda()
        _, exact = derived(diagonals.alignment_cost, cost.double(), lengths, Recursion(gamma=gamma))
        _, single = derived(operator.alignment_cost, cost, lengths, Recursion(gamma=gamma))
        assert relative_error(single, exact) < 1e-3

    def test_the_backward_pass_takes_one_table_and_the_visits(
        self, size: tuple[int, int], gamma: float, generator: torch.Generator
    ):
        cost = torch.rand(1, 1, *size, generator=generator).cuda().requires_grad_()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        tempclr.soft_dtw(cost[:, 0], gamma=gamma, kernel="gpu").sum().backward()
        assert torch.cuda.max_memory_allocated() - before <= 2.5 * cost.numel() * 4


class TestDevice:
    """What only a GPU does."""

    pytestmark = NEEDS_GPU

    def test_auto_takes_the_gpu(self):
        assert choose.choose_kernel(torch.rand(1, 1, 2, 2).cuda(), Recursion()) == "gpu"

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_summed_in_single(self, dtype: torch.dtype, generator: torch.Generator):
        cost = torch.rand(2, 40, 50, generator=generator).cuda().to(dtype)
        value = tempclr.soft_dtw(cost, gamma=0.1)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value.cpu(), tempclr.soft_dtw(cost.float().cpu(), gamma=0.1))

    @EACH
    def test_many_pairs_equal_those_on_the_cpu(self, recursion: Recursion, generator: torch.Generator):
        for size in ((30, 17), (100, 130), (300, 700)):
            cost, lengths = random_cost(recursion, *size, generator)
            ours = derived(operator.alignment_cost, cost.cuda(), lengths.cuda(), recursion)
            for one, other in zip(ours, derived(diagonals.alignment_cost, cost, lengths, recursion), strict=True):
                torch.testing.assert_close(one, other)
