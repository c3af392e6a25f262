"""How far wrong orders lie from the true one, beside the temperature of the order loss.

    python benchmarks/spread.py [--rooms 300] [--steps 300] [--temperatures 1 0.2 0.05] [--seed 0] [--out runs/spread]

For each validation video, d is the distance of its sentences to its clips (soft-DTW, as in the order loss), and the gap
of a wrong order is how much larger d is with the sentences in that order. The softmax at temperature t sees gap / t.
Models are trained on symbols of rooms whose steps have no times: not at all, with the unit loss alone, and with
both losses at each temperature. Printed are, over videos and 31 wrong orders each:

    mean, sd    of the gaps, in the unit of the cosine cost summed over a path
    wrong       share of the wrong orders that are nearer than the true one
    true        mean probability of the true order at this temperature (chance: 1/32)
    hard        number of wrong orders that share the gradient equally: exp of the entropy of their shares (at most 31)
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from alignment import as_markdown, machine
from jaxtyping import Float
from torch import Generator, Tensor
from tqdm import tqdm

from tempclr import TempCLR, TrainConfig, cosine_cost, soft_dtw, train
from tempclr.experiments import video_text
from tempclr.experiments.experiment import Experiment
from tempclr.negatives import permute_segments, wrong_orders
from tempclr.sequences import collate
from tempclr.tasks import retrieval

WRONG = 31


def gaps(model: TempCLR, batch: list, generator: Generator) -> Float[Tensor, "videos orders"]:
    """Return how much larger the distance of each video is with its sentences in wrong orders."""
    embedded = retrieval.embed(model.eval(), batch)
    x, y = embedded.paragraphs, embedded.videos
    each_a_segment = torch.arange(x.values.shape[1]).expand(len(x), -1)
    captions = collate(batch).captions
    orders = wrong_orders(each_a_segment, WRONG, permute_segments, captions=captions, generator=generator)
    cost = cosine_cost(x.values, y.values)
    wrong = torch.stack([cost[video, order] for video, order in enumerate(orders.values)])  # [videos, orders, n, m]
    return soft_dtw(wrong) - soft_dtw(cost)[:, None]


def row(name: str, found: Float[Tensor, "videos orders"], temperature: float) -> dict[str, object]:
    """Return one line of the table."""
    shares = (-found / temperature).softmax(1)
    true = torch.cat((torch.zeros(len(found), 1), -found / temperature), 1).softmax(1)[:, 0]
    hard = (-(shares * shares.clamp(min=1e-30).log()).sum(1)).exp()
    return {
        "trained with": name,
        "temperature": temperature,
        "mean": found.mean().item(),
        "sd": found.std().item(),
        "wrong": (found < 0).float().mean().item(),
        "true": true.mean().item(),
        "hard": hard.mean().item(),
    }


def main() -> None:
    """Train, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=300)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0, 0.2, 0.05])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/spread"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    common = Experiment(
        seed=given.seed,
        train_rooms=given.rooms,
        validation_rooms=48,
        observation="symbols",
        bounds="unknown",
        anchor="video",
        weight=0.5,
    )
    pairs, validation = (list(video_text.pairs(common, split)) for split in ("train", "validation"))
    rows = []
    arms = [("nothing", common), ("unit loss", replace(common, weight=0.0))]
    arms += [("both", replace(common, temperature=each)) for each in given.temperatures]
    for name, experiment in tqdm(arms, unit="model"):
        model = video_text.model(experiment, pairs)
        config = TrainConfig(steps=given.steps, batch=32, warmup=20, validate_every=given.steps)
        generator = Generator().manual_seed(given.seed)
        if name != "nothing":
            torch.manual_seed(given.seed)  # for dropout
            for _ in train(model, pairs, config, accelerator=Accelerator(cpu=True), generator=generator):
                pass
        found = gaps(model, validation, Generator().manual_seed(given.seed))
        own = [experiment.temperature] if name == "both" else given.temperatures
        rows += [row(name, found, temperature) for temperature in own]
        recall = retrieval.dtw_recall(model, validation)
        for each in rows[-len(own) :]:
            each["R@1 by DTW"] = recall
            print(json.dumps(each), flush=True)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "spread.json").write_text(json.dumps(rows, indent=2))
    print(as_markdown({"machine": machine(1), "Gaps of wrong orders": rows}))


if __name__ == "__main__":
    main()
