import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import pytest
import torch
from torch import Tensor

import tempclr
from tempclr.alignment._kernels import choose, cpu, gpu, reference
from tempclr.alignment._kernels.recursion import DIAGONAL, LEFT, UP, Move, Recursion

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "soft_dtw": tempclr.soft_dtw,
    "dtw": tempclr.dtw,
    "otam": tempclr.otam,
    "subsequence_dtw": tempclr.alignment.subsequence_dtw,
    "smooth_dtw": tempclr.alignment.smooth_dtw,
    "drop_dtw": partial(tempclr.drop_dtw, drop_x=0.5, drop_y=0.4),
    "segment_dtw": tempclr.alignment.segment_dtw,
    "segment_dtw with steps between": partial(tempclr.alignment.segment_dtw, between=0.4, gamma=0.1),
}


@dataclass(frozen=True)
class Sloped(Recursion):
    """A recursion that no compiled kernel supports: after a move along one axis the next one is diagonal."""

    sloped: bool = False

    @property
    def predecessors(self) -> tuple[tuple[Move, ...], ...]:
        return ((0, *DIAGONAL), (1, *DIAGONAL), (2, *DIAGONAL)), ((0, *UP),), ((0, *LEFT),)


class Far(Recursion):
    """A recursion with a move of two steps, which only the reference supports."""

    @property
    def predecessors(self) -> tuple[tuple[Move, ...], ...]:
        return (((0, *DIAGONAL), (0, 2, 1), (0, 1, 2)),)


# laws


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_kernel_gives_the_same_values_and_gradients(function: Callable, generator: torch.Generator):
    cost = torch.rand(3, 2, 9, 12, generator=generator, dtype=torch.float64)
    lengths = torch.tensor([[9, 12], [4, 7]]).expand(3, 2, 2)
    found = []
    for kernel in ("cpu", "diagonals"):
        traced = cost.clone().requires_grad_()
        value = function(traced, lengths, kernel=kernel)
        found.append((value.detach(), torch.autograd.grad(value.square().sum(), traced)[0]))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_auto_uses_compiled_loops_where_they_pay_off_and_says_so_on_request(caplog: pytest.LogCaptureFixture):
    many = torch.rand(1, choose.MANY)
    with caplog.at_level(logging.DEBUG, logger="tempclr.alignment"):
        tempclr.dtw(many)
        tempclr.dtw(many[:, :10])
        tempclr.alignment.smooth_dtw(many)
    chosen = [record.getMessage().split()[1] for record in caplog.records]
    assert chosen == ["cpu", "diagonals", "cpu"]


def test_auto_computes_what_a_compiled_kernel_does_not_support():
    cost = torch.rand(1, choose.MANY)
    cost[0, 5] = 1e20
    assert tempclr.soft_dtw(cost, gamma=0.1) == pytest.approx(1e20)
    with pytest.raises(ValueError, match="times gamma"):
        tempclr.soft_dtw(cost, gamma=0.1, kernel="cpu")


def test_a_new_recursion_needs_only_the_reference_and_diagonals(generator: torch.Generator):
    recursion = Sloped(gamma=0.3, sloped=True)
    cost = torch.rand(1, 1, 20, 20, generator=generator, dtype=torch.float64).expand(2, 3, -1, -1)
    lengths = torch.tensor([[20, 20], [9, 11]])
    assert cost.numel() >= choose.MANY and choose.choose_kernel(cost, recursion) == "diagonals"
    found = choose.alignment_cost(cost, lengths, recursion, "auto")
    expected = [reference.alignment_cost(cost[0, :, :n, :m], recursion) for n, m in lengths.tolist()]
    torch.testing.assert_close(found, torch.stack(expected))


def test_training_takes_the_same_steps_with_every_kernel(monkeypatch: pytest.MonkeyPatch):
    losses = []
    for kernel in ("diagonals", "cpu"):
        monkeypatch.setattr(choose, "choose_kernel", lambda cost, recursion, kernel=kernel: kernel)
        generator = torch.Generator().manual_seed(0)
        anchor, positive = (torch.randn(8, steps, 16, generator=generator) for steps in (5, 10))
        weight = torch.eye(16).requires_grad_()
        optimizer = torch.optim.AdamW([weight], lr=1e-2)
        orders = tempclr.negatives.shuffled_orders(10, 15, generator=generator)
        losses.append([])
        for _ in range(20):
            loss = tempclr.losses.order_loss(anchor @ weight, positive, orders, temperature=0.2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0][-1] < losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


# refusals


@pytest.mark.parametrize(
    ("cost", "recursion", "message"),
    [
        (torch.rand(1, 1, 2, 2, device="meta"), Recursion(), "the cost is on meta"),
        (torch.rand(1, 1, 2, 2).half(), Recursion(), "expects float32 or float64"),
    ],
)
def test_a_kernel_that_cannot_compute_this_says_why(cost: Tensor, recursion: Recursion, message: str):
    with pytest.raises(ValueError, match=message):
        choose.alignment_cost(cost, torch.tensor([[2, 2]]), recursion, "cpu")


@pytest.mark.parametrize("kernel", ["cpu", "gpu"])
def test_a_compiled_kernel_refuses_a_recursion_it_does_not_support(kernel: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    cost, lengths = torch.rand(1, 3, 4, 4), torch.tensor([[4, 4]])
    with pytest.raises(ValueError, match=f"kernel='{kernel}' cannot compute this: it has no program for Sloped"):
        choose.alignment_cost(cost, lengths, Sloped(sloped=True), kernel)


def test_a_move_that_no_kernel_supports_is_refused():
    cost, lengths = torch.rand(1, 1, 4, 4), torch.tensor([[4, 4]])
    assert reference.alignment_cost(cost[0], Far()).isfinite()
    with pytest.raises(ValueError, match="kernel='diagonals' cannot compute this: it has no program for Far"):
        choose.alignment_cost(cost, lengths, Far(), "auto")


@pytest.mark.parametrize("kernel", [cpu, gpu], ids=["cpu", "gpu"])
@pytest.mark.parametrize(
    "recursion",
    [Recursion(gamma=0.1, begin="xy", end="xy", skip=0.2), Recursion(drops="xy"), Recursion(band=1.0, up="never")],
)
def test_a_compiled_kernel_supports_every_recursion_of_the_package(kernel: ModuleType, recursion: Recursion):
    assert kernel.supports(recursion)
    assert not kernel.supports(Sloped(**{**vars(recursion), "sloped": True}))


def test_asking_what_a_kernel_supports_loads_no_compiler():
    program = "import sys, tempclr.alignment; print({'numba', 'triton'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_a_kernel_whose_package_is_missing_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cpu, "find_spec", lambda name: None)
    assert choose.choose_kernel(torch.rand(1, 1, 1, choose.MANY), Recursion()) == "diagonals"
    with pytest.raises(ValueError, match=r"numba is not installed; .*tempclr\[cpu\]"):
        tempclr.dtw(torch.rand(2, 2), kernel="cpu")
