"""The training loop, top to bottom on one screen.

    accelerator = Accelerator(cpu=True)
    for record in train(model, pairs, TrainConfig(steps=300), accelerator=accelerator, generator=generator):
        ...  # log, plot or stop: the caller decides

`train` yields a record per step and appends it to a file. It writes checkpoints, each complete or absent, and continues
from the last one exactly as if it had never stopped. The same program runs on several processes or GPUs with
`accelerate launch` or `torchrun`.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, gather_object
from torch import Generator, nn

from tempclr._util.files import remove_partial
from tempclr.losses import Losses
from tempclr.sequences import Pair
from tempclr.training.batches import batch_of
from tempclr.training.checkpoints import save
from tempclr.training.config import StepRecord as StepRecord
from tempclr.training.config import TrainConfig as TrainConfig
from tempclr.training.history import History
from tempclr.training.identity import check_alike
from tempclr.training.interruption import termination
from tempclr.training.recomputation import recomputed
from tempclr.training.schedules import learning_rate
from tempclr.training.state import State


def train(
    model: nn.Module,
    pairs: Sequence[Pair],
    config: TrainConfig,
    *,
    accelerator: Accelerator,
    generator: Generator,
    validate: Callable[[nn.Module], float] | None = None,
    stop: Callable[[], bool] | None = None,
    folder: Path | str | None = None,
) -> Iterator[StepRecord]:
    """Train a model in place and yield a record per step.

    Each of several processes takes its share of every batch. If the model gathers embeddings
    (`TempCLR(gather=training.processes.AllProcesses())`), the step equals that of a single process.
    SIGTERM ends training after the current step, with a checkpoint from which it can be continued. A signal that
    comes too late for that, such as in the last step, is sent again when training is over.

    Args:
        model: Called with a batch, `generator` (the source of wrong orders) and `progress` (the share of training
            that is done); returns `Losses`, whose mean over processes is the loss of the whole batch.
        pairs: Training data, at least one batch; the same on all processes.
        config: Parameters of the loop.
        accelerator: Device, mixed precision and processes; `Accelerator(cpu=True)` is one CPU process.
        generator: Source of batches and wrong orders, on the CPU.
        validate: Returns a score of the model on held-out data, higher is better. The weights with the best score are
            kept. It must not draw from the generators of the loop. Every process calls it; the score of the first
            counts. Required if `config.patience` is set.
        stop: Called after every step; if it returns true on any process, training ends as on SIGTERM.
        folder: Where `history.jsonl`, `last.pt` and `best.pt` are written, on a disk that all processes share.
            If it holds a `last.pt`, training continues exactly after that step.

    Raises:
        ValueError: If there are fewer pairs than a batch, the accelerator shards models, the processes or the
            checkpoint belong to different runs (see `training.identity`), or a score is not a number. Also if
            the loss of a step cannot be computed, or the loss or its gradient is not finite: the weights are
            then those before the step, whose batches are written to the folder for inspection.
        OSError: If a file cannot be written; the previous checkpoint is intact.
    """
    # long on purpose: the whole loop can be read top to bottom in one place
    _check_accelerator(accelerator, config)
    if config.patience and validate is None:
        raise ValueError(f"expected `validate` with a patience of {config.patience}, got none; pass a function")
    folder = None if folder is None else Path(folder)
    layers = recomputed(model) if config.recompute else nullcontext()
    with termination() as request, closing(State(model, pairs, config, accelerator, generator)) as state, layers:
        if folder is not None and (folder / "last.pt").exists():
            state.restore(folder / "last.pt")
        progress = state.progress
        given = {"a folder": folder is not None, "a validation": validate is not None, "steps done": progress.step}
        check_alike(given, accelerator)
        history = None
        if folder is not None and accelerator.is_main_process:
            remove_partial(folder)
            history = History(folder, after=progress.step)
        while progress.ended is None:
            began = time.perf_counter()
            progress.step += 1
            rate = learning_rate(progress.step, config)
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            measured = _gradient(state, pairs, config, folder)
            state.optimizer.step()
            if state.ema is not None:
                state.ema.update_parameters(model)
            progress.unit_skipped += measured["unit_skipped"]
            progress.order_skipped += measured["order_skipped"]
            seconds = time.perf_counter() - began

            score, best, last = None, False, progress.step == config.steps
            if validate is not None and (last or progress.step % config.validate_every == 0):
                score = _score(state, validate)
                best = progress.validated(score, config)
            signalled, stopped = _anywhere((request.asked, stop is not None and bool(stop())), accelerator)
            progress.ended = "steps" if last else progress.ended or ("terminated" if signalled or stopped else None)
            record = StepRecord(
                progress.step,
                **measured,
                learning_rate=rate,
                seconds=seconds,
                score=score,
                best=best,
                ended=progress.ended,
            )
            due = bool(record.ended) or record.step % config.checkpoint_every == 0
            if history is not None:
                history.append(record, durable=due)
            if folder is not None and history is not None and best:
                save({"model": state.evaluated.state_dict(), "step": record.step, "score": score}, folder / "best.pt")
            if folder is not None and due:
                state.save(folder / "last.pt")
            if record.ended:
                state.finish()
            request.handled = signalled and record.ended == "terminated"
            yield record


def _gradient(state: State, pairs: Sequence[Pair], config: TrainConfig, folder: Path | None) -> dict[str, Any]:
    """Losses of a step and the norm of its gradient; the clipped gradient stays in the parameters."""
    accelerator, orders_state = state.accelerator, state.orders_generator.get_state()
    process, processes = accelerator.process_index, accelerator.num_processes
    state.model.train()
    state.optimizer.zero_grad()
    batches, losses, names = [], [], []
    done = (state.progress.step - 1) / config.steps
    try:
        for left in reversed(range(config.accumulate)):
            drawn = [pairs[index] for index in next(state.batches)]  # once, because pairs may be read from files
            names += [pair.name for pair in drawn]
            batches.append(batch_of(drawn, process, processes).to(accelerator.device))
            with accelerator.no_sync(state.wrapped) if left else nullcontext():
                losses.append(state.wrapped(batches[-1], generator=state.orders_generator, progress=done))
                accelerator.backward(losses[-1].total / config.accumulate)
        norm = accelerator.clip_grad_norm_(state.model.parameters(), config.clip_norm).item()
        total, unit, order, *skipped = _over_processes(losses, accelerator)
        unscaled = accelerator.scaler is None  # with a scaler, an infinite gradient only skips the step
        if not math.isfinite(total) or (unscaled and not math.isfinite(norm)):
            raise ValueError(
                f"expected a finite loss and gradient, got a loss of {total} and a gradient of norm {norm}"
            )
    except ValueError as error:
        where = f" (kept in {state.save_batches(folder, batches, names, orders_state)})" if folder is not None else ""
        raise ValueError(f"step {state.progress.step} on {', '.join(names)}{where}: {error}") from error
    fields = ("total", "unit", "order", "gradient_norm", "unit_skipped", "order_skipped")
    return dict(zip(fields, (total, unit, order, norm, *map(round, skipped)), strict=True))


def _over_processes(losses: list[Losses], accelerator: Accelerator) -> list[float]:
    """Mean total, unit and order loss over a step's batches and processes, and numbers of videos skipped."""
    means = torch.stack([torch.stack((each.total, each.unit, each.order)).detach() for each in losses]).mean(0)
    skipped = means.new_tensor([(each.unit_skipped, each.order_skipped) for each in losses]).sum(0)
    return accelerator.reduce(torch.cat((means / accelerator.num_processes, skipped)), "sum").tolist()


def _score(state: State, validate: Callable[[nn.Module], float]) -> float:
    """The score that the first process's validation returns, as a plain number."""
    state.evaluated.eval()
    with torch.no_grad():
        score = validate(state.evaluated)
    try:
        number = float(score)
    except (TypeError, ValueError, RuntimeError) as error:  # None, text, several numbers
        step = state.progress.step
        raise ValueError(f"expected validation to return a number, got {score!r} at step {step}") from error
    return gather_object([number])[0]


def _anywhere(here: tuple[bool, ...], accelerator: Accelerator) -> list[bool]:
    """For each of several conditions, whether it holds on any process."""
    return (accelerator.reduce(torch.tensor(here, device=accelerator.device).float(), "sum") > 0).tolist()


def _check_accelerator(accelerator: Accelerator, config: TrainConfig) -> None:
    """Refuse what the loop does not support."""
    sharding = (DistributedType.DEEPSPEED, DistributedType.FSDP, DistributedType.MEGATRON_LM)
    if accelerator.distributed_type in sharding:
        raise ValueError(
            f"expected an accelerator with the whole model on every device, got {accelerator.distributed_type.value}"
        )
    if accelerator.gradient_accumulation_steps != 1:
        raise ValueError(
            f"expected gradient accumulation in TrainConfig(accumulate=...), "
            f"got an accelerator with gradient_accumulation_steps={accelerator.gradient_accumulation_steps}"
        )
    if accelerator.mixed_precision != "no" and not accelerator.native_amp:
        raise ValueError(
            f"expected a device that computes in {accelerator.mixed_precision}, got {accelerator.device.type}, where "
            "accelerate ignores the setting; choose bf16 or no"
        )
    if config.batch < accelerator.num_processes:
        raise ValueError(
            f"expected a batch of at least one video for each of {accelerator.num_processes} processes, "
            f"got {config.batch}"
        )
