"""Steps without times on real recordings: strings of spoken digits, whose transcript is known in order, not in time.

    python benchmarks/digits.py [--seeds 3] [--steps 100] [--hidden 0 2] [--out runs/digits]

Each objective has equally many trials on validation strings, and the best is trained anew with further seeds. A seed
draws weights, batches, wrong orders and the strings of training; test strings are always the same. On these, clips are
named in three ways: aligned with the true transcript, aligned with the best of the transcripts of all test strings, and
each by itself as the nearest digit. The clips of unnamed digits are background, which only alignments name. Finished
objectives are kept, so the same command continues after an interruption.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from alignment import machine
from jaxtyping import Float, Int
from torch import Generator, Tensor

from tempclr import TempCLR, TrainConfig, train
from tempclr._util.files import write_text
from tempclr.alignment import aligned_steps, drop_dtw, percentile
from tempclr.costs import cosine_cost
from tempclr.data.digits import NAMES, Digits
from tempclr.data.text import DIM, sentence_embeddings
from tempclr.encoders import MLP, Projection
from tempclr.losses import DiscriminativeTerm, OrderTerm, OwnAlignment, UnitTerm
from tempclr.metrics import Interval, bootstrap, paired_interval
from tempclr.pairwise import distances
from tempclr.sequences import BACKGROUND, Pair
from tempclr.tasks import retrieval
from tempclr.tasks.segmentation import split_evenly

FRAMES, WIDTH, EMBEDDING, BATCH, WARMUP = 4, 256, 64, 32, 20
WAYS = ("transcript", "decoded", "nearest digit")
DROP_COSTS = (0.3, 0.5, 0.7, 0.9, 2.0)  # of a clip that is named background; no cosine cost is above 2
EVEN, EXACT = "unit loss, even split", "unit loss, exact bounds"


@dataclass(frozen=True)
class Data:
    """A kind of strings."""

    name: str
    hidden: int  # digits per string that are spoken but not named

    def pairs(self, split: str, bounds: str = "exact", seed: int = 0) -> list[Pair]:
        """The strings of a split; those of training depend on the seed."""
        source = Digits(hidden_steps=self.hidden, background=True, bounds=bounds, frames_per_clip=FRAMES, seed=seed)
        return source.pairs(split, sentence_embeddings)


def objectives(data: Data) -> dict[str, dict[str, dict]]:
    """The objectives by name, each with its trials: arguments of `TempCLR` by what they change."""
    unit, alone = UnitTerm(), {"weight": 0.0}
    drop = partial(percentile, share=0.3) if data.hidden else None
    own = partial(OwnAlignment, drop_cost=drop)
    by_temperature = {
        f"temperature {value:g}": {"unit": UnitTerm(temperature=value)} | alone for value in (0.05, 0.1, 0.2)
    }
    return {
        EVEN: by_temperature,
        "and order loss": {
            f"temperature {value:g}": {
                "unit": unit,
                "order": OrderTerm(anchor="video", temperature=value),
                "weight": 0.5,
            }
            for value in (0.03, 0.1, 0.3)
        },
        "own alignment": {
            f"from {start:g} on": {"unit": UnitTerm(assignment=own(start=start))} | alone for start in (0.1, 0.3, 0.5)
        },
        "own alignment, soft": {
            f"gamma {gamma:g}": {"unit": UnitTerm(assignment=own(start=0.3, gamma=gamma))} | alone
            for gamma in (0.01, 0.03, 0.1)
        },
        "discriminative (CDFL)": {
            f"temperature {value:g}": {"unit": DiscriminativeTerm(temperature=value)} | alone
            for value in (0.05, 0.1, 0.2)
        },
        EXACT: by_temperature,
    }


def trained(data: Data, objective: str, arguments: Mapping, seed: int, steps: int) -> TempCLR:
    """A model trained with one setting of an objective."""
    pairs = data.pairs("train", "exact" if objective == EXACT else "unknown", seed)
    torch.manual_seed(seed)
    video = MLP(pairs[0].clips.shape[1], EMBEDDING, hidden=WIDTH, dropout=0.2)
    model = TempCLR(Projection(DIM, EMBEDDING), video, **arguments)
    config = TrainConfig(steps=steps, batch=BATCH, warmup=WARMUP, learning_rate=2e-3, checkpoint_every=steps)
    generator = Generator().manual_seed(seed)
    for record in train(model, pairs, config, accelerator=Accelerator(cpu=True), generator=generator):
        if record.ended == "terminated":
            raise KeyboardInterrupt
    return model.eval()


def named_right(model: TempCLR, pairs: list[Pair], drop_cost: float) -> Float[Tensor, "3 strings"]:
    """The share of clips of each string that is named right, in each of `WAYS`.

    Alignments leave out clips at a cost, which are then named background. The third way cannot; it is judged on the
    clips of named digits.
    """
    embedded = retrieval.embed(model, pairs)
    align = partial(drop_dtw, drop_y=drop_cost, gamma=0.0)
    best = distances(embedded.paragraphs, embedded.videos, align).argmin(0)
    with torch.no_grad():
        vocabulary = model.text(sentence_embeddings(NAMES)).expand(len(pairs), -1, -1)
    nearest = cosine_cost(vocabulary, embedded.videos.values).argmin(1)
    x, y, aligned = embedded.paragraphs, embedded.videos, []
    for string in (torch.arange(len(pairs)), best):
        cost, lengths = cosine_cost(x.values[string], y.values), torch.stack((x.lengths[string], y.lengths), 1)
        aligned.append(aligned_steps(align, cost, lengths))
    rows = []
    for number, pair in enumerate(pairs):
        truth = digits_of(pair, pair.segments)
        right = [
            digits_of(pairs[string], names[number, : len(truth)]) == truth
            for string, names in zip((number, int(best[number])), aligned, strict=True)
        ]
        right.append((nearest[number, : len(truth)] == truth)[truth != BACKGROUND])
        rows.append(torch.stack([each.float().mean() for each in right]))
    return torch.stack(rows, 1)


def digits_of(pair: Pair, segments: Int[Tensor, " m"]) -> Int[Tensor, " m"]:
    """The digit that each clip shows, given its sentence; background stays."""
    digits = torch.tensor([NAMES.index(name) for name in pair.captions])
    return torch.where(segments >= 0, digits[segments.clamp(min=0)], BACKGROUND)


def split_right(pairs: list[Pair]) -> Float[Tensor, "strings"]:
    """The share of clips of each string that an even split names right: a baseline without a model."""
    split = [split_evenly(range(len(pair.sentences)), len(pair.clips)) for pair in pairs]
    return torch.stack([(one == pair.segments).float().mean() for one, pair in zip(split, pairs, strict=True)])


def choose(data: Data, objective: str, steps: int) -> tuple[str, float, float]:
    """The trial and the drop cost that name most clips of validation strings, over all ways, and that share."""
    pairs, found = data.pairs("validation"), []
    for name, arguments in objectives(data)[objective].items():
        model = trained(data, objective, arguments, 0, steps)
        for drop_cost in DROP_COSTS if data.hidden else DROP_COSTS[-1:]:
            found.append((named_right(model, pairs, drop_cost).mean().item(), name, drop_cost))
            log(f"{data.name}: {objective}, {name}, drop cost {drop_cost}: {found[-1][0]:.3f} on validation")
    share, name, drop_cost = max(found)
    return name, drop_cost, share


def measure(data: Data, seeds: int, steps: int, path: Path) -> dict:
    """All objectives on one kind of strings: the chosen trial, and what is named right on test strings.

    What the file at `path` holds is kept, and every finished objective is added to it.
    """
    test = data.pairs("test")
    settings = {"seeds": seeds, "steps": steps}
    found: dict = {**settings, "strings": len(test), "clips": sum(len(pair.clips) for pair in test), "objectives": {}}
    found["even split"] = split_right(test).tolist()
    if path.is_file():
        found = json.loads(path.read_text())
        stored = {name: found.get(name) for name in settings}
        if stored != settings:
            raise ValueError(
                f"expected results of {settings} in {path}, got {stored}; delete it or choose another --out"
            )
    for objective, trials in objectives(data).items():
        if objective in found["objectives"]:
            continue
        name, drop_cost, share = choose(data, objective, steps)
        right = []
        for seed in range(1, seeds + 1):
            model = trained(data, objective, trials[name], seed, steps)
            right.append(named_right(model, test, drop_cost).tolist())
            log(f"{data.name}: {objective}, {name}, seed {seed}: {torch.tensor(right[-1]).mean(1).tolist()}")
        chosen = {"trial": name, "drop cost": drop_cost, "validation": share}
        found["objectives"][objective] = chosen | {"right": right}  # [seeds, ways, strings]
        write_text(path, json.dumps(found))
    return found


def table(data: Data, found: dict) -> str:
    """What was measured on one kind of strings, as Markdown."""
    right = {name: torch.tensor(each["right"]) for name, each in found["objectives"].items()}
    seeds, chance = len(right[EVEN]), 1 / len(NAMES)
    even = torch.tensor([found["even split"]])
    lines = [
        f"**{data.name}**: {found['strings']} test strings, {found['clips']} clips, {seeds} seeds",
        "",
        "| trained by | chosen | " + " | ".join(WAYS) + " |",
        "| --- " * (2 + len(WAYS)) + "|",
        f"| nothing: an even split, chance | | {interval(even)} | | {chance:.2f} |",
    ]
    for name, each in right.items():
        cells = []
        for way in range(len(WAYS)):
            cell = str(interval(each[:, way]))
            if name != EVEN:
                difference = each[:, way] - right[EVEN][:, way]
                cell += f"; {paired_interval(difference, generator=Generator().manual_seed(0)).signed()}"
            cells.append(cell)
        chosen = found["objectives"][name]
        drop = f", drop cost {chosen['drop cost']:g}" if data.hidden else ""
        lines.append(f"| {name} | {chosen['trial']}{drop} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def interval(values: Float[Tensor, "seeds strings"]) -> Interval:
    """The mean and its interval over seeds and strings."""
    return bootstrap(values, generator=Generator().manual_seed(0))


def log(text: str) -> None:
    """Say at once how far the work is."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print the tables and keep the raw numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings per objective (3)")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="steps of each training (100)")
    parser.add_argument("--hidden", type=int, nargs="+", default=[0, 2], metavar="N", help="unnamed digits (0 2)")
    parser.add_argument("--out", type=Path, default=Path("runs/digits"), metavar="DIR", help="folder of the results")
    options = parser.parse_args()
    if options.seeds < 1 or options.steps <= WARMUP or min(options.hidden) < 0:
        parser.error(
            f"expected at least 1 seed, more than {WARMUP} steps and no negative --hidden, "
            f"got {options.seeds}, {options.steps} and {options.hidden}"
        )
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    print(machine(1))
    for hidden in options.hidden:
        data = Data(f"five named digits, {hidden or 'no'} unnamed", hidden)
        try:
            found = measure(data, options.seeds, options.steps, options.out / f"hidden-{hidden}.json")
        except ValueError as error:
            raise SystemExit(f"digits: {error}") from error
        except KeyboardInterrupt:
            raise SystemExit("digits: interrupted; the same command continues") from None
        print(f"\n{table(data, found)}", flush=True)


if __name__ == "__main__":
    main()
