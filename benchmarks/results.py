"""What order teaches without bounds and with them: settings chosen on validation, then the test split over eight seeds.

    python benchmarks/results.py [--out runs/results] [--seeds 8] [--observation symbols pixels] [--processes 2]

Prints the trials, the tables and the machine, and draws the validation curves of all trials. Finished training runs are
kept, so the same command continues after an interruption. About 40 minutes on two cores.
"""

import argparse
from pathlib import Path

import torch
from alignment import machine
from matplotlib import pyplot as plt

from tempclr._util.files import write_text
from tempclr.launcher.pool import run_all
from tempclr.plots import style, training
from tempclr.studies import selection, steps_without_times


def main(out: Path, seeds: int, observations: list[str], processes: int) -> None:
    """Train what is not trained yet, and print and write the tables."""
    run_all(selection.trials(out / "trials"), processes=processes, description="trials")
    found = selection.tried(out / "trials")
    chosen = selection.chosen(found)
    lines = [f"machine: {machine(1)}", "", selection.as_text(found), ""]
    lines += [f"{bounds} bounds, {steps_without_times.METHODS[m]}: {dict(s)}" for (bounds, m), s in chosen.items()]
    draw(found, out / "trials.png")
    for observation in observations:
        folder = out / observation
        runs = steps_without_times.trainings(folder, seeds=range(seeds), chosen=chosen, observation=observation)
        run_all(runs, processes=processes, description=f"training on {observation}")
        metrics = steps_without_times.as_metrics(steps_without_times.measure(folder, seeds=range(seeds)), seed=0)
        lines += ["", f"from {observation}", steps_without_times.as_text(metrics), steps_without_times.verdict(metrics)]
    text = "\n".join(lines)
    write_text(out / "results.txt", text + "\n")
    print(text)


def draw(found: list[selection.Trial], path: Path) -> None:
    """Draw the validation score of every trial over training."""
    plt.rcParams.update(style.settings())
    figure, axes = plt.subplots(2, 2, figsize=(7, 4.8), sharey=True, layout="constrained")
    kinds = list(dict.fromkeys((trial.bounds, trial.method) for trial in found))
    for ax, (bounds, method) in zip(axes.flat, kinds, strict=True):
        name = next(iter(selection.GRIDS[method]))  # one curve for each of its values
        histories: dict[str, list] = {}
        for trial in found:
            if (trial.bounds, trial.method) == (bounds, method):
                label = f"{name.replace('_', ' ')} {trial.settings[name]:g}"
                histories.setdefault(label, []).append(trial.history)
        title = f"{bounds} bounds, {steps_without_times.METHODS[method]}"
        training.learning_curves(histories, "score", ylabel="validation R@1 by DTW", title=title, level=1.0, ax=ax)
    figure.savefig(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/results"), metavar="DIR", help="folder of all runs")
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="training runs of each kind (default: 8)")
    parser.add_argument(
        "--observation",
        nargs="+",
        choices=list(steps_without_times.SIZES),
        default=["symbols", "pixels"],
        help="what is seen of a room (default: both)",
    )
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="training runs at a time (default: 2)")
    given = parser.parse_args()
    if not 1 <= given.seeds <= selection.SEED or given.processes < 1:
        parser.error(
            f"expected 1 to {selection.SEED} seeds (the next one chose the settings) and at least 1 process, "
            f"got {given.seeds} and {given.processes}"
        )
    torch.set_num_threads(1)
    try:
        main(given.out.resolve(), given.seeds, given.observation, given.processes)
    except ValueError as error:
        raise SystemExit(f"results: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit("results: interrupted; the same command continues") from None
