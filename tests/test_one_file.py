"""The example in one file computes what the package computes."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from tempclr import Pair, TempCLR, alignment, costs
from tempclr.losses import OrderTerm
from tempclr.negatives import wrong_orders
from tempclr.sequences import collate


@pytest.fixture(scope="module")
def example(root: Path) -> ModuleType:
    spec = spec_from_file_location("one_file", root / "examples" / "one_file.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# known answers


def test_it_runs_alone_and_the_right_order_wins(root: Path):
    source = (root / "examples" / "one_file.py").read_text(encoding="utf-8")
    assert "import tempclr" not in source and "from tempclr" not in source and len(source.splitlines()) <= 155
    done = subprocess.run(
        [sys.executable, root / "examples" / "one_file.py"], capture_output=True, text=True, check=True
    )
    first, *_, last = done.stdout.splitlines()
    assert first.endswith("by chance in 3%")
    assert int(last.split()[-1].removesuffix("%")) >= 80


# laws


def test_its_alignment_is_soft_dtw_of_cosine_costs(example: ModuleType, generator: torch.Generator):
    x, y = (torch.randn(3, steps, 8, generator=generator) for steps in (4, 7))
    cost = example.cosine_cost(x, y)
    torch.testing.assert_close(cost, costs.cosine_cost(x, y))
    torch.testing.assert_close(example.soft_dtw(cost), alignment.soft_dtw(cost))


def test_its_wrong_orders_are_different_permutations_of_segments(example: ModuleType, generator: torch.Generator):
    orders = example.wrong_orders(example.SEGMENTS, 119, generator)
    assert len(set(map(tuple, orders.tolist()))) == 119  # 5! - 1: all that there are
    assert orders.sort(1).values.eq(torch.arange(10)).all() and not orders.eq(torch.arange(10)).all(1).any()
    shown = example.SEGMENTS[orders]
    assert torch.equal(shown[:, ::2], shown[:, 1::2])  # the two clips of a sentence stay together


def test_its_losses_and_gradients_are_those_of_tempclr(example: ModuleType, generator: torch.Generator):
    sentences, clips, captions = example.toy_videos(6, generator)
    assert len(captions.unique()) < captions.numel()  # some captions are equal, and so no negatives of each other
    text, video = nn.Linear(example.TEXT_DIM, 16), nn.Linear(example.VIDEO_DIM, 16)
    batch = collate(
        [
            Pair(str(k), sentences[k], clips[k], example.SEGMENTS, tuple(map(str, captions[k].tolist())))
            for k in range(6)
        ]
    )
    ours = TempCLR(text, video, order=OrderTerm(negatives=9))(batch, generator=torch.Generator().manual_seed(3))
    orders = wrong_orders(batch.segments, 9, generator=torch.Generator().manual_seed(3))
    theirs = example.batch_losses(text, video, (sentences, clips, captions), orders.values)
    for one, other in zip(theirs, (ours.total, ours.unit, ours.order), strict=True):
        torch.testing.assert_close(one, other)
    weights = [*text.parameters(), *video.parameters()]
    for one, other in zip(
        torch.autograd.grad(theirs[0], weights), torch.autograd.grad(ours.total, weights), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)  # float32 sums in another order
