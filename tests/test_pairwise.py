import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import Tensor

import tempclr
from tempclr import pairwise
from tempclr.sequences import Sequences, pad

ALIGNMENTS = {
    "dtw": tempclr.dtw,
    "soft_dtw": tempclr.soft_dtw,
    "otam": tempclr.otam,
    "subsequence_dtw": tempclr.alignment.subsequence_dtw,
    "drop_dtw": partial(tempclr.drop_dtw, drop_y=0.5, gamma=0.1),
}


@pytest.fixture
def ragged(generator: torch.Generator) -> tuple[Sequences, Sequences]:
    """Seven sequences and five others, of different lengths."""
    sets = [
        pad([torch.randn(length, 6, generator=generator, dtype=torch.float64) for length in lengths])
        for lengths in ((3, 1, 6, 4, 2, 5, 6), (4, 7, 1, 2, 5))
    ]
    return sets[0], sets[1]


def with_gradient(x: Sequences) -> Sequences:
    return Sequences(x.values.clone().requires_grad_(), x.lengths)


# known answers


def test_the_plan_tells_the_memory_in_advance():
    x = Sequences(torch.zeros(10, 100, 4), torch.full((10,), 100))
    plan = pairwise.tiles(x, x, memory=2_000_000)
    assert (plan.rows, plan.columns, len(plan)) == (3, 3, 16)
    assert plan.bytes == 9 * 100 * 100 * 4 * pairwise._FORWARD
    one = Sequences(x.values[:1], x.lengths[:1])
    plan = pairwise.tiles(with_gradient(one), x, memory=2_000_000)
    assert (plan.rows, plan.columns) == (1, 2_000_000 // (100 * 100 * 4 * pairwise._BACKWARD))


def test_without_gradients_a_tile_is_no_larger_than_the_caches():
    x = Sequences(torch.zeros(1000, 20, 4), torch.full((1000,), 20))
    assert pairwise.tiles(x, x, memory=1 << 40).bytes <= pairwise._CACHED
    assert len(pairwise.tiles(with_gradient(x), x, memory=1 << 40)) == 1
    long = Sequences(torch.zeros(2, 2000, 4), torch.full((2,), 2000))
    assert len(pairwise.tiles(long, long)) == 4


def test_the_barycentre_of_one_sequence_is_near_it(generator: torch.Generator):
    y = torch.randn(6, 2, generator=generator)
    torch.testing.assert_close(pairwise.barycentre(pad([y]), gamma=1e-3), y, atol=0.05, rtol=0)


# laws


@pytest.mark.parametrize("alignment_fn", ALIGNMENTS.values(), ids=ALIGNMENTS)
def test_each_entry_equals_its_pair_computed_alone(ragged: tuple[Sequences, Sequences], alignment_fn):
    x, y = ragged
    found = pairwise.distances(x, y, alignment_fn)
    for row in range(len(x)):
        for column in range(len(y)):
            torch.testing.assert_close(found[row, column], alignment_fn(tempclr.cosine_cost(x[row], y[column])))


@pytest.mark.slow
@pytest.mark.parametrize("alignment_fn", ALIGNMENTS.values(), ids=ALIGNMENTS)
@pytest.mark.parametrize("at_a_time", [1, 2, 3, 9])
def test_tiles_change_neither_values_nor_gradients(ragged: tuple[Sequences, Sequences], alignment_fn, at_a_time: int):
    whole = [with_gradient(each) for each in ragged]
    expected = pairwise.distances(*whole, alignment_fn)
    tiled = [with_gradient(each) for each in ragged]
    found = pairwise.distances(*tiled, alignment_fn, memory=at_a_time * 6 * 7 * 8 * pairwise._BACKWARD)
    torch.testing.assert_close(found, expected)
    for values in (expected, found):
        values.square().sum().backward()
    for one, other in zip(whole, tiled, strict=True):
        torch.testing.assert_close(one.values.grad, other.values.grad)


def test_running_out_of_memory_halves_the_tile_forward_and_backward(
    ragged: tuple[Sequences, Sequences], monkeypatch: pytest.MonkeyPatch
):
    seen = []

    class Limited(torch.autograd.Function):
        """Passes costs on, and runs out of memory in the backward pass of more than six pairs."""

        @staticmethod
        def forward(ctx, cost: Tensor) -> Tensor:
            return cost.clone()

        @staticmethod
        def backward(ctx, grad: Tensor) -> Tensor:
            seen.append(grad.shape[:2].numel())
            if grad.shape[:2].numel() > 6:
                raise torch.OutOfMemoryError("no memory left")
            return grad

    monkeypatch.setattr(pairwise, "_can_run_out", lambda device: True)
    x, y = (with_gradient(each) for each in ragged)
    found = pairwise.distances(x, y, lambda cost, lengths: tempclr.dtw(Limited.apply(cost), lengths), memory=80_000)
    torch.testing.assert_close(found, pairwise.distances(*ragged, tempclr.dtw))
    found.sum().backward()
    assert max(seen) > 6 and max(seen[-8:]) <= 6


def test_gradients_of_parameters_in_the_alignment_are_not_lost_by_tiles(ragged: tuple[Sequences, Sequences]):
    price = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)

    def priced(cost: Tensor, lengths: Tensor) -> Tensor:
        return tempclr.drop_dtw(cost, lengths, drop_y=price.expand(*cost.shape[:2], cost.shape[3]), gamma=0.1)

    gradients = []
    for memory in (pairwise._MEMORY, 30_000):
        x, y = (with_gradient(each) for each in ragged)
        gradients.append(torch.autograd.grad(pairwise.distances(x, y, priced, memory=memory).sum(), price)[0])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.slow
def test_training_on_all_pairs_stays_within_its_memory():
    program = """
import torch
from pathlib import Path
from tempclr import pairwise
from tempclr.sequences import Sequences
def used():  # not getrusage, which counts the process that started this one
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
def train(count, memory):
    x = Sequences(torch.randn(count, 512, 16, requires_grad=True), torch.full((count,), 512))
    y = Sequences(torch.randn(count, 32, 16, requires_grad=True), torch.full((count,), 32))
    pairwise.distances(x, y, memory=memory).mean().backward()
train(2, 10_000_000)
before = used()
train(24, 40_000_000)
print(used() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # kept whole it takes 24 * 24 * 512 * 32 * 4 bytes = 38 MB per copy of the cost, of which there are at least three;
    # the allocator may hold on to as much again as the budget
    assert int(done.stdout) < 80_000_000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:h5py not installed")
def test_the_barycentre_is_as_good_as_that_of_tslearn():
    from tslearn.barycenters import softdtw_barycenter  # which warns at its first import

    time = torch.linspace(0, 6.28, 20, dtype=torch.float64)
    series = [torch.sin(time + shift)[:length, None] for shift, length in ((0.0, 20), (0.4, 18), (-0.3, 16))]
    theirs = torch.from_numpy(softdtw_barycenter([each.numpy() for each in series], gamma=0.5, init=series[1].numpy()))
    ours = pairwise.barycentre(pad(series), 18, gamma=0.5)

    def mean_cost(z: Tensor) -> Tensor:
        return torch.stack([tempclr.soft_dtw(tempclr.squared_cost(z, y), gamma=0.5) for y in series]).mean()

    assert mean_cost(ours) <= mean_cost(theirs) + 1e-3  # both stop somewhere near a minimum


# refusals


def test_too_little_memory_for_one_pair_is_refused(ragged: tuple[Sequences, Sequences]):
    with pytest.raises(ValueError, match=r"at least one pair of 6 x 7 steps, 1,680 bytes, got 1,000"):
        pairwise.distances(*ragged, memory=1000)


def test_running_out_of_memory_on_one_pair_is_an_error(ragged: tuple[Sequences, Sequences]):
    def full(cost: Tensor, lengths: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("no memory left")

    with pytest.raises(torch.OutOfMemoryError):
        pairwise.distances(*ragged, full)


@pytest.mark.parametrize(("steps", "iterations"), [(0, 5), (3, 0)])
def test_an_empty_barycentre_is_refused(ragged: tuple[Sequences, Sequences], steps: int, iterations: int):
    with pytest.raises(ValueError, match="at least one step and one iteration"):
        pairwise.barycentre(ragged[0], steps, iterations=iterations)
