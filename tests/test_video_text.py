"""An experiment becomes the data and the model that it describes."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from tempclr import TrainConfig, dtw, dtw_path, soft_dtw, train
from tempclr.costs import cosine_cost
from tempclr.data.text import sentence_embeddings, sentence_pieces
from tempclr.encoders import is_contextual, tune
from tempclr.experiments import from_parameters, video_text
from tempclr.experiments.choices import ALIGNMENTS, ASSIGNMENTS, BOUNDS, DROP_RULES, OBSERVATIONS, UNIT_LOSSES
from tempclr.experiments.experiment import Experiment
from tempclr.launcher.parameters import preset
from tempclr.losses import unit_loss
from tempclr.sequences import UNKNOWN, Pair, collate
from tempclr.studies import steps_without_times

STEP_ENCODERS = ("per-step", "contextual")
CAPTIONS = ("take", "open", "close", "leave")


def pairs(generator: torch.Generator) -> list[Pair]:
    """Videos with two clips for each of four sentences."""
    segments = torch.arange(4).repeat_interleave(2)
    return [
        Pair(
            str(k), torch.randn(4, 384, generator=generator), torch.randn(8, 6, generator=generator), segments, CAPTIONS
        )
        for k in range(3)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Features of 512 numbers: a video of 20 sentences, of which 2 overlap an earlier one, and one of 4."""
    lines = []
    for name, sentences in (("long", 20), ("short", 4)):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).normal(size=(100, 512)).astype(np.float32))
        late = (3, 9) if name == "long" else ()
        segments = [[4 * k, 4 * k + (5 if k in late else 4)] for k in range(sentences)]
        texts = [f"step {k} of {name}" for k in range(sentences)]
        lines.append(
            {"video": name, "split": "train", "rows": 100, "dim": 512, "seconds": 1.0, "sentences": texts}
            | {"segments": segments}
        )
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


# known answers


@pytest.mark.parametrize("per_cell", [False, True])
def test_the_order_loss_with_dtw_is_what_two_paths_cost(per_cell: bool, generator: torch.Generator):
    data = pairs(generator)
    model = video_text.model(
        Experiment(alignment="DTW", shuffle="reversed", per_cell=per_cell, dim=8, weight=1.0), data
    )
    losses = model(collate(data), generator=generator)
    each = []
    for pair in data:
        x, y = model.text(pair.sentences), model.video(pair.clips)
        costs = [cosine_cost(x, clips) for clips in (y, y.flip(0))]
        values = -torch.stack([dtw(cost) / (len(dtw_path(cost)) if per_cell else 1) for cost in costs])
        each.append(values.logsumexp(0) - values[0])
    torch.testing.assert_close(losses.total, torch.stack(each).mean())


def test_the_published_preset_is_the_published_recipe(folder: Path):
    given = preset("02_train", "published")
    wanted = from_parameters(Experiment, given, data=str(folder))
    config = from_parameters(TrainConfig, given)
    assert (config.batch, config.optimizer, config.betas, config.weight_decay) == (16, "adam", (0.9, 0.98), 0)
    assert (config.learning_rate, config.warmup, config.clip_norm) == (2e-5, 1000, 2.0)
    assert (config.decay, config.power, config.decay_steps) == ("polynomial", 1.0, 1_000_000)
    data = video_text.training_pairs(wanted, video_text.pairs(wanted, "train"))
    assert [len(pair.clips) for pair in data] == [9, 9]  # 20 sentences, of which 2 overlap; the video of 4 is left out
    assert data[0].clips.shape == (9, 32, 512) and data[0].sentences.dtype == torch.int64
    with torch.device("meta"):
        model = video_text.model(wanted, data)
    order, unit = model.order, model.unit
    assert (model.weight, order.negatives, order.sentences) == (0.7, 31, 5)
    assert (order.anchor, order.temperature) == ("text", 1.0)
    assert unit.loss.func is unit_loss and unit.loss.keywords == {"cosine": False} and unit.temperature == 1.0
    assert order.alignment_fn.func is soft_dtw and order.alignment_fn.keywords == {"gamma": 0.1}
    assert tune(model, wanted.trainable) == 59_904  # as is done when a checkpoint is given


def test_the_preset_of_a_low_temperature_is_what_was_chosen_on_validation():
    given = preset("02_train", "low-temperature")
    assert given == {"anchor": "video", **steps_without_times.CHOSEN["unknown", "order"]}
    assert Experiment().temperature == 1.0  # as published
    assert from_parameters(Experiment, given).temperature == 0.2


def test_the_preset_of_localization_is_that_of_crosstask():
    given = preset("06_localization", "published")
    assert (given["weight"], given["negatives"], given["shuffle"], given["batch"]) == (0.12, 31, "both", 1)
    assert (given["learning_rate"], given["warmup"], given["optimizer"], given["cosine"]) == (5e-5, 122, "adam", False)


def test_the_language_model_begins_as_the_frozen_one_and_trains_its_layernorms(generator: torch.Generator):
    texts = ["go to the red ball", "go to the grey key"]
    frozen, trained = (Experiment(encoder=encoder, dim=8) for encoder in ("per-step", "minilm"))
    data = pairs(generator)
    before, after = (video_text.model(each, data).eval() for each in (frozen, trained))
    after.video.load_state_dict(before.video.state_dict())
    after.text[1].load_state_dict(before.text.state_dict())
    with torch.no_grad():
        expected = before.text(sentence_embeddings(texts))
    # a projection begins with a LayerNorm, so the length of an embedding does not count
    torch.testing.assert_close(after.text(sentence_pieces(texts)), expected, atol=1e-2, rtol=0)
    learning = {name for name, weight in after.text[0].named_parameters() if weight.requires_grad}
    assert len(learning) == 26 and all("LayerNorm" in name for name in learning)
    data = [Pair(p.name, sentence_pieces(list(CAPTIONS)), p.clips, p.segments, p.captions) for p in data]
    after(collate(data), generator=generator).total.backward()
    assert all(weight.grad.any() for weight in after.text.parameters() if weight.requires_grad)


# laws


@pytest.mark.parametrize(("alignment", "encoder"), list(product(ALIGNMENTS, STEP_ENCODERS)))
def test_every_alignment_and_encoder_trains(alignment: str, encoder: str, generator: torch.Generator):
    data = pairs(generator)
    wanted = Experiment(
        alignment=alignment,
        encoder=encoder,
        dim=8,
        negatives=3,
        anchor="both",
        in_batch_negatives=True,
        order_sentences=3,
    )
    model = video_text.model(wanted, data)
    losses = model(collate(data), generator=generator)
    losses.total.backward()
    assert losses.order > 0 and losses.order_skipped == 0
    assert all(each.grad.isfinite().all() and each.grad.any() for each in model.video.parameters() if each.ndim > 1)
    assert is_contextual(model) == (encoder == "contextual")


@pytest.mark.parametrize("unit", UNIT_LOSSES)
def test_every_unit_loss_trains(unit: str, generator: torch.Generator):
    data = pairs(generator)
    both = [
        video_text.model(Experiment(unit_loss=unit, cosine=cosine, dim=8, weight=0.0), data) for cosine in (True, False)
    ]
    losses = [model(collate(data), generator=generator).unit for model in both]
    assert losses[0] != losses[1]
    for loss, model in zip(losses, both, strict=True):
        loss.backward()
        assert all(each.grad.any() for each in model.parameters() if each.ndim > 1)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
@pytest.mark.parametrize("unit", ["InfoNCE", "MIL-NCE"])
def test_every_assignment_trains(assignment: str, unit: str, generator: torch.Generator):
    data = [replace(pair, segments=pair.segments.clone()) for pair in pairs(generator)]
    for pair in data[1:]:
        pair.segments.fill_(UNKNOWN)
    wanted = Experiment(unit_loss=unit, assignment=assignment, dim=8, weight=0.0, drop_cost=0.95)
    model = video_text.model(wanted, data)
    late = model(collate(data), generator=generator, progress=0.5)
    even = video_text.model(replace(wanted, assignment="even"), data)(collate(data), generator=generator)
    assert (late.unit == even.unit) == (assignment == "even")
    early = model(collate(data), generator=generator, progress=0.4)
    assert (early.unit == even.unit) == (assignment != "known")
    late.total.backward()
    assert all(each.grad.isfinite().all() and each.grad.any() for each in model.parameters() if each.ndim > 1)


@pytest.mark.parametrize("rule", DROP_RULES)
@pytest.mark.parametrize("per_cell", [False, True])
def test_every_drop_rule_trains(rule: str, per_cell: bool, generator: torch.Generator):
    data = pairs(generator)
    wanted = Experiment(alignment="Drop-DTW", drop_rule=rule, dim=8, negatives=3, assignment="drop", per_cell=per_cell)
    model = video_text.model(wanted, data)
    learnt = [name for name, _ in model.named_parameters() if "logarithm" in name]
    assert len(learnt) == (rule == "learnt")
    losses = model(collate(data), generator=generator, progress=1.0)
    losses.total.backward()
    assert losses.order > 0
    assert all(each.grad.isfinite().all() and each.grad.any() for each in model.parameters())


@pytest.mark.parametrize("bounds", BOUNDS)
def test_symbols_are_trained_on_and_shown_as_pixels(bounds: str, generator: torch.Generator):
    pixels, symbols = (
        Experiment(train_rooms=3, observation=observation, bounds=bounds, anchor="video", dim=8, negatives=3)
        for observation in OBSERVATIONS
    )
    seen, known = (video_text.pairs(each, "train") for each in (pixels, symbols))
    for frames, features in zip(seen, known, strict=True):
        assert np.array_equal(video_text.pictures(symbols, features), frames.clips.numpy())
        assert np.array_equal(video_text.pictures(pixels, frames), frames.clips.numpy())
    model = video_text.model(symbols, video_text.training_pairs(symbols, known))
    losses = model(collate(known), generator=generator)
    losses.order.backward()
    assert losses.order_skipped == 0
    assert all(each.grad.isfinite().all() and each.grad.any() for each in model.parameters() if each.ndim > 1)


def test_own_features_have_no_pictures(folder: Path):
    own = Experiment(data=str(folder))
    assert video_text.pictures(own, video_text.pairs(own, "train")[0]) is None


def test_weights_depend_on_the_seed_alone(generator: torch.Generator):
    data = pairs(generator)
    for encoder in STEP_ENCODERS:
        first, again, other = (
            video_text.model(Experiment(seed=seed, encoder=encoder, dim=8), data) for seed in (1, 1, 2)
        )
        for key, value in first.state_dict().items():
            torch.testing.assert_close(value, again.state_dict()[key], atol=0, rtol=0)
        assert any((value != other.state_dict()[key]).any() for key, value in first.state_dict().items())


def test_training_on_files_is_training_on_what_they_hold(folder: Path):
    wanted = Experiment(data=str(folder), drop_overlapping=True, min_sentences=3, max_sentences=6, dim=8, negatives=3)
    read = video_text.training_pairs(wanted, video_text.pairs(wanted, "train"))
    held = [Pair(each.name, each.sentences, each.clips, each.segments, each.captions) for each in read]
    assert [len(each.sentences) for each in held] == [6, 6, 6, 4]  # 18 sentences and 4
    losses = []
    for data in (read, held):
        accelerator, config = Accelerator(cpu=True), TrainConfig(steps=4, batch=3, warmup=1, bucket=2)
        loop = train(
            video_text.model(wanted, data),
            data,
            config,
            accelerator=accelerator,
            generator=torch.Generator().manual_seed(wanted.seed),
        )
        losses.append([record.total for record in loop])
    assert losses[0] == losses[1] and len(set(losses[0])) == 4


# refusals


def test_unknown_names_are_refused():
    for name in (
        "observation",
        "bounds",
        "shuffle",
        "anchor",
        "alignment",
        "drop_rule",
        "assignment",
        "encoder",
        "unit_loss",
    ):
        with pytest.raises(ValueError, match=f"expected {name} to be one of .*, got 'sideways'"):
            Experiment(**{name: "sideways"})
    with pytest.raises(ValueError, match="a checkpoint only with the encoder 'paper', got one for 'per-step'"):
        Experiment(checkpoint="best.pt")
    with pytest.raises(ValueError, match="features for the encoder 'paper', got frames of 'babyai'"):
        Experiment(encoder="paper")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": 0.0}, "gamma > 0, got 0"),
        ({"temperature": float("nan")}, "temperature to be finite, got nan"),
        ({"unit_temperature": -1.0}, "unit_temperature > 0"),
        ({"weight": 1.5}, "weight from 0 to 1, got 1.5"),
        ({"self_alignment_from": -0.1}, "self_alignment_from from 0 to 1, got -0.1"),
        (
            {"unit_loss": "BCE", "assignment": "own"},
            "'even', for 'BCE', which uses none, got 'own'",
        ),
        ({"data": "/my/features", "bounds": "unknown"}, "of simulated rooms only, got 'pixels' and 'unknown' for your"),
        ({"data": "digits", "observation": "symbols"}, "of simulated rooms only, got 'symbols' for 'digits'"),
        ({"drop_rule": "percentile", "drop_cost": 30.0}, "from 0 to 1, a share, for 'percentile', got 30.0"),
        ({"drop_rule": "learnt", "drop_cost": 0.0}, "drop_cost > 0 to start from for 'learnt', got 0"),
        ({"drop_rule": "learnt"}, "'Drop-DTW' and a weight > 0, .* got 'soft-DTW' and 0.7"),
        ({"negatives": 0}, "negatives >= 1"),
        ({"dim": 0}, "dim >= 1"),
        ({"order_sentences": 1}, "at least 2 order_sentences, or 0 for all, got 1"),
        ({"max_sentences": 3, "min_sentences": 2}, "max_sentences 0 or at least twice min_sentences, got 2 and 3"),
        ({"encoder": "contextual", "dim": 12}, "a dim that is a multiple of 8"),
        ({"steps_per_video": 3, "hidden_steps": 4}, r"steps_per_video \+ hidden_steps <= 6, got .* 3 and 4"),
        ({"steps_per_video": 1, "orders_per_room": 2}, "1 to 1 orders of 1 steps, got 2"),
        ({"validation_rooms": 0}, "rooms, steps_per_video >= 1"),
        ({"jitter": -1}, "jitter >= 0"),
        ({"room_set": 100}, "room_set from 0 to 99, got 100"),
        ({"hidden_steps": 1, "bounds": "unknown"}, "background with hidden steps and unknown bounds"),
        ({"data": "folder", "bounds": "exact"}, "simulated rooms only, got 'pixels' and 'exact' for your own features"),
    ],
)
def test_numbers_out_of_range_are_refused_before_there_is_data(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Experiment(**change)
