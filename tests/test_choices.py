"""Named choices and parameters: one table each, the same names and defaults in notebooks, and no torch."""

import re
import subprocess
import sys
from dataclasses import fields
from typing import get_args, get_type_hints

import pytest

from tempclr import TrainConfig
from tempclr.cli import main
from tempclr.data.source import PairSource, VideoSource
from tempclr.encoders.tuning import Tuned
from tempclr.experiments import from_parameters
from tempclr.experiments.choices import (
    ALIGNMENTS,
    ANCHORS,
    PAIR_DATA,
    SHUFFLES,
    TRAINABLE,
    VIDEO_DATA,
    make_source,
    split_data,
)
from tempclr.experiments.experiment import CHOICES, Experiment
from tempclr.experiments.recognition import CHOICES as RECOGNITION_CHOICES
from tempclr.experiments.recognition import Recognition
from tempclr.launcher.parameters import read_parameters
from tempclr.losses import OrderTerm, evenly
from tempclr.training.config import Decay, Optimizer

FILLED = {  # dataclasses that the parameters of a notebook fill
    "02_train": (Experiment, TrainConfig),
    "06_localization": (Experiment, TrainConfig),
    "07_few_shot": (Recognition, TrainConfig),
    "08_ablation": (Experiment, TrainConfig),
    "09_steps_without_times": (Experiment, TrainConfig),
}
TRAINING = {"optimizer": get_args(Optimizer), "decay": get_args(Decay)}
LISTED = {  # names that a parameter may have
    "02_train": {**CHOICES, **TRAINING},
    "06_localization": {**CHOICES, **TRAINING, "encoder": ("per-step", "contextual", "minilm")},  # "paper" cuts videos
    "07_few_shot": {**RECOGNITION_CHOICES, **TRAINING},
}
SYMBOLS = "it trains on symbols, which take little time, until nothing is gained"
LABELLED, LONG = "it tunes on labelled videos, as for CrossTask", "it trains for longer"
OWN_DEFAULTS = {  # defaults of notebooks that differ from the dataclass, and why
    "06_localization": {
        **dict.fromkeys(("steps_per_video", "hidden_steps", "orders_per_room", "clips_per_step"), LABELLED),
        **dict.fromkeys(("weight", "shuffle", "order_sentences", "order_clips", "cosine"), LABELLED),
        **dict.fromkeys(("unit_temperature", "batch", "learning_rate"), LABELLED),
        **dict.fromkeys(("steps", "validate_every"), LONG),
    },
    "07_few_shot": dict.fromkeys(("steps", "validate_every"), LONG),
    "08_ablation": dict.fromkeys(("train_rooms", "batch", "validate_every"), SYMBOLS),
    "09_steps_without_times": dict.fromkeys(
        ("observation", "train_rooms", "validation_rooms", "steps", "batch", "validate_every"), SYMBOLS
    ),
}


# known answers


def test_a_dataclass_is_filled_by_the_parameters_of_its_fields():
    given = {"gamma": 0.5, "steps": 7, "unrelated": 1, "background": False}
    filled = from_parameters(Experiment, given, background=True)
    assert filled == Experiment(gamma=0.5, background=True)
    assert from_parameters(TrainConfig, {**given, "warmup": 2}) == TrainConfig(steps=7, warmup=2)


@pytest.mark.parametrize(
    ("data", "name", "location"),
    [
        ("babyai", "babyai", ""),
        ("/my/features", "features", "/my/features"),
        ("features", "features", "features"),  # a folder of that name
        ("features:/my/features", "features", "/my/features"),
        ("C:/my/features", "features", "C:/my/features"),
    ],
)
def test_data_is_a_name_a_location_or_both(data: str, name: str, location: str):
    assert split_data(data, PAIR_DATA) == (name, location)


def test_a_source_gets_the_parameters_of_its_fields():
    found = make_source("features:/data", VIDEO_DATA, vars(Recognition(clips=5)))
    assert (found.location, found.clips) == ("/data", 5)


# laws


def test_every_named_source_follows_the_protocol():
    for known, kind, parameters in (
        (PAIR_DATA, PairSource, vars(Experiment())),
        (VIDEO_DATA, VideoSource, vars(Recognition())),
    ):
        for name in known:
            assert isinstance(make_source(f"{name}:somewhere", known, parameters), kind)


def test_every_choice_is_described_in_one_line_and_resolves():
    for table in (*CHOICES.values(), PAIR_DATA, VIDEO_DATA):
        assert all(choice.help and "\n" not in choice.help for choice in table.values())
    assert all(callable(choice.resolve()) for choice in SHUFFLES.values())
    assert all(callable(choice.resolve(0.1, 0.8)) for choice in ALIGNMENTS.values())
    assert all(callable(choice.resolve(0.1, 0.8, 0.5)) for choice in CHOICES["assignment"].values())
    assert [type(choice.resolve(0.8)).__name__ for choice in CHOICES["drop_rule"].values()] == [
        "float",
        "partial",
        "LearntDropCost",
    ]
    assert all(choice.resolve(True, 0.1, evenly) for choice in CHOICES["unit_loss"].values())


def test_names_in_types_are_those_of_the_tables():
    assert set(get_args(Tuned)) == set(TRAINABLE)
    assert set(get_args(get_type_hints(OrderTerm)["anchor"])) == set(ANCHORS)


@pytest.mark.parametrize("notebook", FILLED)
def test_defaults_of_notebooks_are_those_of_the_dataclasses_or_have_a_reason(notebook: str):
    defaults = {field.name: field.default for described in FILLED[notebook] for field in fields(described)}
    given = {parameter.name: parameter.default for parameter in read_parameters(notebook)}
    different = {name for name in given.keys() & defaults.keys() if given[name] != defaults[name]}
    assert different == set(OWN_DEFAULTS.get(notebook, {}))


def test_the_training_notebook_has_every_parameter():
    given = {parameter.name for parameter in read_parameters("02_train")}
    assert {field.name for field in fields(Experiment)} <= given
    assert {field.name for field in fields(TrainConfig)} - given == {"betas", "power"}


@pytest.mark.parametrize(
    ("notebook", "name"), [(notebook, name) for notebook, known in LISTED.items() for name in known]
)
def test_the_choices_of_a_parameter_are_listed(notebook: str, name: str, capsys: pytest.CaptureFixture):
    known = set(LISTED[notebook][name])
    main(["params", notebook])
    printed = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    for parameter in read_parameters(notebook):
        if parameter.name == name:
            in_comment = {parameter.default, *re.findall(r'"([^"]+)"', parameter.help)}
            listed = {parameter.default, *re.findall(r"""["']([^"']+)["']""", printed[name])}
            assert in_comment <= known and listed == known


def test_parameters_are_described_and_refused_without_torch():
    program = """
import sys
from tempclr import TrainConfig
from tempclr.experiments.experiment import Experiment
from tempclr.experiments.recognition import Recognition
cases = (Experiment, {"gamma": -1.0}), (Recognition, {"shuffle": "none"}), (TrainConfig, {"steps": 0})
for described, wrong in cases:
    described()
    try:
        described(**wrong)
    except ValueError as error:
        print(error)
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *refused, loaded = done.stdout.splitlines()
    assert len(refused) == 3 and loaded == "False"


# refusals


def test_unknown_fields_are_refused():
    with pytest.raises(TypeError, match="smoothing"):
        from_parameters(Experiment, {}, smoothing=1)
