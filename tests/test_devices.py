"""Nothing chooses a device or a seed: what is on PyTorch's meta device, which stores no numbers, stays there."""

import ast
from pathlib import Path

import pytest
import torch
from torch.fx.experimental._config import patch as every_step_is_real

import tempclr
from tempclr.costs import all_pairs
from tempclr.encoders import BertShape, ClipEncoder, ContextEncoder, Projection, TextBert, VideoBert
from tempclr.losses import order_loss, unit_loss

META = torch.device("meta")

# laws


def test_costs_and_alignments_stay_on_the_device_of_their_input():
    x, y = torch.empty(2, 3, 4, device=META), torch.empty(2, 5, 4, device=META)
    lengths = torch.empty(2, 2, dtype=torch.int64, device=META)
    cost = tempclr.cosine_cost(x, y)
    found = [
        cost,
        tempclr.squared_cost(x, y),
        all_pairs(x, y),
        tempclr.soft_dtw(cost),
        tempclr.soft_dtw(cost, lengths),
        tempclr.dtw(cost, lengths),
        tempclr.expected_alignment(cost, lengths),
    ]
    assert {each.device for each in found} == {META}


def test_gradients_stay_on_the_device_of_their_input():
    cost = torch.empty(2, 3, 5, device=META, requires_grad=True)
    (first,) = torch.autograd.grad(tempclr.soft_dtw(cost).square().sum(), cost, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), cost)
    assert first.device == second.device == META


def test_losses_and_encoders_stay_on_the_device_of_their_input():
    x = torch.empty(6, 4, device=META)
    assert unit_loss(x, x, torch.empty(6, dtype=torch.int64, device=META)).device == META
    sequences = torch.empty(2, 3, 4, device=META)
    orders = torch.empty(7, 3, dtype=torch.int64, device=META)
    lengths = torch.empty(2, 2, dtype=torch.int64, device=META)
    assert order_loss(sequences, sequences, orders, lengths=lengths).device == META
    assert Projection(4, 8).to(META)(x).device == META
    clips = torch.empty(2, 2, 56, 56, 3, dtype=torch.uint8, device=META)
    assert ClipEncoder(8, frames=2).to(META)(clips).device == META
    for positions in ("rotary", "learnt", "none"):
        encoder = ContextEncoder(Projection(4, 8), 8, heads=2, positions=positions).to(META)
        with every_step_is_real(meta_nonzero_assume_all_nonzero=True):  # which are, the device does not hold
            assert encoder(sequences, torch.empty(2, dtype=torch.int64, device=META)).device == META


@pytest.mark.parametrize("given", [False, True], ids=["lengths found", "lengths given"])
def test_the_papers_encoders_stay_on_the_device_of_their_input(given: bool):
    shape = BertShape(dim=8, heads=2, inner=12, words=20, positions=16, begin=3, end=4)
    lengths = torch.empty(3, dtype=torch.int64, device=META) if given else None
    video, text = VideoBert(shape, most=6, layers=1).to(META), TextBert(shape, most=6, layers=1).to(META)
    tokens = torch.empty(3, 5, 512, device=META)
    assert video(tokens, lengths).device == video.tokens(tokens, lengths).device == META
    assert text(torch.empty(3, 5, dtype=torch.int64, device=META), lengths).device == META


def test_no_file_sets_a_global_seed(root: Path):
    seeding = {"manual_seed_all", "cuda", "set_default_device", "set_num_threads", "seed"}
    found = []
    for path in sorted((root / "tempclr").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = ast.unparse(node.func)
                if node.func.attr in seeding or name in ("torch.manual_seed", "torch.random.manual_seed"):
                    found.append(f"{path.relative_to(root)}: {name}")
    # first weights and dropout are drawn from a seed that the experiment names, and nothing outside notices
    assert found == [
        f"tempclr/experiments/{name}.py: torch.random.manual_seed" for name in ("fit", "video_text", "video_video")
    ]
