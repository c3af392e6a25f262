import sys

import pytest
import torch
from torch import nn

from tempclr.encoders import BertShape, ContextEncoder, ContextualEncoder, Projection, TextBert, VideoBert, tune

TINY = BertShape(dim=8, heads=2, inner=12, words=20, positions=16, begin=3, end=4)


@pytest.fixture
def both() -> nn.ModuleDict:
    return nn.ModuleDict(
        {"video": VideoBert(TINY, layers=2, features=5, most=6), "text": TextBert(TINY, layers=3, most=7)}
    ).eval()


def trained(model: nn.Module) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def embedded(model: nn.ModuleDict) -> torch.Tensor:
    tokens = torch.arange(30.0).sin().reshape(2, 3, 5).to(next(model.parameters()))
    return torch.cat((model["video"](tokens), model["text"](torch.tensor([[5, 6, 0], [7, 8, 9]]))))


# known answers


def test_layernorms_of_the_published_model_are_59904_numbers():
    with torch.device("meta"):
        model = nn.ModuleDict({"video": VideoBert(), "text": TextBert()})
    assert sum(isinstance(module, nn.LayerNorm) for module in model.modules()) == 39
    assert tune(model, "layernorm") == 59_904 == 39 * 2 * 768
    assert all("LayerNorm" in name for name in trained(model))


def test_low_rank_updates_have_two_thin_matrices_each(both: nn.ModuleDict):
    # 5 layers, queries and values, 8 x 3 and 3 x 8
    assert tune(both, "lora", rank=3) == 5 * 2 * (8 * 3 + 3 * 8)
    assert all(".query.lora_" in name or ".value.lora_" in name for name in trained(both))


def test_all_means_all_weights(both: nn.ModuleDict):
    tune(both, "layernorm")
    assert tune(both, "all") == sum(weight.numel() for weight in both.parameters())


# laws


@pytest.mark.parametrize("what", ["layernorm", "lora"])
def test_training_moves_what_is_tuned_and_nothing_else(both: nn.ModuleDict, what: str):
    tune(both.double(), what)  # gradients of low-rank queries are too small for float32
    before = {name: weight.clone() for name, weight in both.named_parameters()}
    optimizer = torch.optim.SGD((weight for weight in both.parameters() if weight.requires_grad), 0.1)
    for _ in range(2):  # the second factor of a low-rank update moves first
        optimizer.zero_grad()
        embedded(both).pow(3).sum().backward()
        optimizer.step()
    moved = {name for name, weight in both.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == trained(both)


def test_low_rank_updates_start_at_zero(both: nn.ModuleDict):
    before = embedded(both)
    tune(both, "lora")
    torch.testing.assert_close(embedded(both), before)


def test_other_linear_maps_can_be_updated():
    model = ContextEncoder(Projection(4, 8), 8, layers=3, heads=2)
    assert tune(model, "lora", rank=1, targets=["query_key_value", "out"]) == 3 * (8 + 24 + 8 + 8)
    assert isinstance(model, ContextualEncoder)


def test_layernorms_of_any_encoder_are_found():
    model = ContextEncoder(Projection(4, 8), 8, layers=3, heads=2)
    assert tune(model, "layernorm") == 2 * 4 + 3 * 2 * 16 + 16


# refusals


@pytest.mark.usefixtures("unchecked_shapes")
def test_what_cannot_be_tuned_is_refused(both: nn.ModuleDict):
    with pytest.raises(ValueError, match="expected all, layernorm or lora, got 'head'"):
        tune(both, "head")
    with pytest.raises(ValueError, match="expected a LayerNorm in Linear, found nothing to train"):
        tune(nn.Linear(2, 2), "layernorm")
    with pytest.raises(ValueError, match="expected linear layers named query, value in Projection, found none"):
        tune(Projection(2, 2), "lora")
    with pytest.raises(ValueError, match="expected a rank of at least 1, got 0"):
        tune(both, "lora", rank=0)


def test_without_the_library_the_message_says_how_to_get_it(both: nn.ModuleDict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ValueError, match=r"peft is not installed; .*pip install 'tempclr\[paper\]'"):
        tune(both, "lora")
    assert trained(both) == {name for name, _ in both.named_parameters()}
