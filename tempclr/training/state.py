"""The state of training: everything the next step depends on, created, saved and restored in one place."""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tempclr.sequences import Batch, Pair
from tempclr.training.batches import Batches, clip_counts
from tempclr.training.checkpoints import check_weights, load, save
from tempclr.training.config import Ended, TrainConfig
from tempclr.training.identity import check_identity, identity

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """How far training has come."""

    step: int = 0
    best: float = -math.inf  # highest validation score
    stale: int = 0  # validations since then
    unit_skipped: int = 0  # videos that the unit loss has skipped so far
    order_skipped: int = 0  # the same for the order loss
    ended: Ended | None = None

    def validated(self, score: float, config: TrainConfig) -> bool:
        """Record a validation score, and return whether it is the best so far."""
        if math.isnan(score):
            raise ValueError(f"expected validation to return a number, got {score} at step {self.step}")
        best = score > self.best
        self.best, self.stale = (score, 0) if best else (self.best, self.stale + 1)
        if config.patience and self.stale >= config.patience:
            self.ended = "patience"
        return best


class State:
    """Model, optimiser, averaged weights, batches and generators of one process.

    Args:
        model: Moved to the accelerator's device; wrapped if there are several processes.
        pairs: Training data.
        config: Parameters of the loop.
        accelerator: The accelerator of this process.
        generator: Source of batches; all processes take over the state of the first one's.
    """

    def __init__(
        self,
        model: nn.Module,
        pairs: Sequence[Pair],
        config: TrainConfig,
        accelerator: Accelerator,
        generator: Generator,
    ) -> None:
        self.progress, self.accelerator, self.model = Progress(), accelerator, model.to(accelerator.device)
        self.resumed_after = 0  # last step before this process began
        trainable = [weight for weight in model.parameters() if weight.requires_grad]
        if not trainable:
            raise ValueError("expected a model with at least one trainable parameter, got none")
        generator.set_state(gather_object([generator.get_state()])[0])
        self.identity: dict[str, Any] = identity(model, pairs, config, accelerator, generator.initial_seed())
        lengths = clip_counts(pairs, bucket=config.bucket)
        self.batches = Batches(lengths, config.batch, bucket=config.bucket, generator=generator)
        self.ema = None
        if config.ema_decay:
            self.ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
        kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimizer]
        optimizer = kind(trainable, config.learning_rate, config.betas, weight_decay=config.weight_decay)
        self.wrapped, self.optimizer = accelerator.prepare(model, optimizer)
        seed = torch.randint(2**62, (), generator=generator).item() + accelerator.process_index
        self.orders_generator = Generator(accelerator.device).manual_seed(seed)

    @property
    def evaluated(self) -> nn.Module:
        """The model that is validated and kept as the best: with averaged weights, if there are any."""
        return self.model if self.ema is None else self.ema.module

    def save(self, path: Path) -> None:
        """Write everything to a file; all processes must call this, and the first one writes."""
        randomness = gather_object([self._randomness()])
        if not self.accelerator.is_main_process:
            return
        content = {
            "identity": self.identity,
            "progress": asdict(self.progress),
            "model": self.model.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.accelerator.scaler is None else self.accelerator.scaler.state_dict(),
            "batches": self.batches.state_dict(),
            "randomness": randomness,
        }
        save(content, path)

    def restore(self, path: Path) -> None:
        """Restore everything that `save` wrote.

        Raises:
            ValueError: If the file is not a checkpoint, or belongs to another training run or model.
        """
        stored = load(path)
        if "identity" not in stored or "progress" not in stored:
            raise ValueError(f"expected a checkpoint `last.pt` of `train` at {path}, got one of {', '.join(stored)}")
        check_identity(stored["identity"], self.identity, path)
        check_weights(stored["model"], self.model, path)
        self.progress = Progress(**stored["progress"])
        self.model.load_state_dict(stored["model"])
        if self.ema is not None:
            self.ema.load_state_dict(stored["ema"])
        self.optimizer.load_state_dict(stored["optimizer"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(stored["scaler"])
        self.batches.load_state_dict(stored["batches"])
        self._set_randomness(stored["randomness"][self.accelerator.process_index])
        self.resumed_after = self.progress.step
        if self.progress.ended == "terminated":
            self.progress.ended = None
        self.finish()

    def save_batches(self, folder: Path, batches: list[Batch], names: list[str], orders_state: Tensor) -> Path:
        """Write the step that failed on this process, for inspection.

        Args:
            folder: Where the file is written.
            batches: Batches of the step.
            names: Names of the step's videos on all processes.
            orders_state: State of the generator of wrong orders before the step.

        Returns:
            The path of the file. `load` returns its `batches`, `names`, `model` (the weights) and `orders_state`.
        """
        process = self.accelerator.process_index
        path = folder / f"stopped-at-{self.progress.step}{f'-process-{process}' if process else ''}.pt"
        plain = [asdict(batch) for batch in batches]
        save({"batches": plain, "names": names, "model": self.model.state_dict(), "orders_state": orders_state}, path)
        return path

    def finish(self) -> None:
        """Load the averaged weights, if there are any, into the model once training is over."""
        if self.ema is not None and self.progress.ended in ("steps", "patience"):
            self.model.load_state_dict(self.ema.module.state_dict())

    def close(self) -> None:
        """Log what was skipped, and remove the wrappers that mixed precision and several processes need."""
        self._log_skipped()
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        vars(self.model).pop("forward", None)
        for kept, own in (
            (self.accelerator._models, self.wrapped),  # `free_memory` would also release what the caller prepared
            (self.accelerator._optimizers, self.optimizer),
        ):
            kept[:] = [each for each in kept if each is not own]

    def _log_skipped(self) -> None:
        """Log how many videos the losses skipped, if this process took a step."""
        step = self.progress.step
        if step == self.resumed_after or not self.accelerator.is_main_process:
            return
        drawn = step * self.identity["batch"] * self.identity["accumulate"]
        for skipped, why in (
            (self.progress.unit_skipped, "had nothing to be contrasted with and were skipped by the unit loss"),
            (self.progress.order_skipped, "had no wrong order and were skipped by the order loss"),
        ):
            if skipped:
                log.warning("%d of %d videos drawn in %d steps %s", skipped, drawn, step, why)

    def _randomness(self) -> dict[str, Tensor | None]:
        """States of this process's generators of wrong orders and of dropout."""
        device = self.accelerator.device
        own = None if device.type == "cpu" else torch.get_device_module(device).get_rng_state()
        return {"orders_generator": self.orders_generator.get_state(), "cpu": torch.get_rng_state(), "device": own}

    def _set_randomness(self, stored: dict[str, Any]) -> None:
        """Restore what `_randomness` returned."""
        device = self.accelerator.device
        self.orders_generator.set_state(stored["orders_generator"])
        torch.set_rng_state(stored["cpu"])
        if stored["device"] is not None:
            torch.get_device_module(device).set_rng_state(stored["device"])
