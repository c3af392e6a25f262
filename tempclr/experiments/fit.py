"""One training run from parameters to result, and what is reported of it.

`02_train` shows the same steps one by one, with a view of the training as it runs.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from accelerate import Accelerator
from torch import Generator

from tempclr.experiments import video_text
from tempclr.experiments.experiment import Experiment
from tempclr.experiments.runs import Run, read_history
from tempclr.losses import TempCLR
from tempclr.metrics import bootstrap, groups
from tempclr.sequences import Pair
from tempclr.tasks import retrieval
from tempclr.training.checkpoints import load_weights
from tempclr.training.history import skipped_videos
from tempclr.training.loop import StepRecord, TrainConfig, train


def fit(experiment: Experiment, config: TrainConfig, run: Run) -> Iterator[StepRecord]:
    """Train on the CPU and yield a record per step; after the last one the run is finished.

    The result equals that of `02_train` with the same parameters.

    Args:
        experiment: Data, model and objective.
        config: Parameters of the loop.
        run: Folder of the run; an interrupted training in it is continued.

    Raises:
        ValueError: As `training.train`, or if a parameter does not fit the data.
    """
    videos, validation = (video_text.pairs(experiment, split) for split in ("train", "validation"))
    pairs = video_text.training_pairs(experiment, videos)
    model = video_text.model(experiment, pairs)
    loop = train(
        model,
        pairs,
        config,
        accelerator=Accelerator(cpu=True),
        generator=Generator().manual_seed(experiment.seed),
        validate=partial(retrieval.dtw_recall, pairs=validation),
        folder=run.folder,
    )
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(experiment.seed)  # for dropout
        for record in loop:
            yield record
            if record.ended == "terminated":
                return
    run.finish(result(experiment, model, validation, run, left_out=len(videos) - len(set(pairs.names))))


def result(experiment: Experiment, model: TempCLR, validation: Sequence[Pair], run: Run, *, left_out: int) -> dict:
    """Return what is reported of a finished training; the model is left with its best weights.

    Args:
        experiment: What was trained.
        model: The trained model.
        validation: Validation videos.
        run: Folder of the run.
        left_out: Training videos with too few sentences.
    """
    history = read_history(run.folder)
    load_weights(model, run.folder / "best.pt")
    embedded = retrieval.embed(model.eval(), validation)
    recalls = retrieval.recall_by_group(embedded, groups([pair.name for pair in validation]), retrieval.dtw)
    recall = bootstrap(recalls[None], generator=Generator().manual_seed(experiment.seed))
    scores = {record["step"]: record["score"] for record in history if record["score"] is not None}
    return {
        "protocol": retrieval.PROTOCOL,
        "seed": experiment.seed,
        "validation R@1 by DTW": recall.mean,
        "interval": {"what": "95 % percentile bootstrap over rooms", **vars(recall)},
        "at step": max(scores, key=lambda step: scores[step]),
        "validation videos": len(validation),
        "chance": 1 / len(validation),
        "trainable parameters": sum(each.numel() for each in model.parameters() if each.requires_grad),
        "videos left out": left_out,
        "videos skipped by loss": skipped_videos(history),
        "training seconds": sum(record["seconds"] for record in history),
    }
