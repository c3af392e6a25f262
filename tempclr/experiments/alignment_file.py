"""The pair of sequences of a run that a view shows: its cost matrix, sentences and pictures.

alignment.npz   written by a notebook that shows one pair; read without a model
best.pt         of a training run: the pair is embedded again, with the best weights by validation
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from tempclr._util.files import read_arrays, write_arrays
from tempclr.experiments import runs, video_text
from tempclr.experiments.trained import Trained, open_trained
from tempclr.tasks import retrieval

FILE = "alignment.npz"


@dataclass(frozen=True)
class Exhibit:
    """One pair, ready to be shown."""

    name: str
    cost: Float[np.ndarray, "n m"]  # rows are sentences, columns clips
    sentences: tuple[str, ...]
    frames: UInt8[np.ndarray, "m frames height width 3"] | None = None
    gamma: float = 0.1  # initial smoothing, in the unit of the cost


def save(folder: Path | str, exhibit: Exhibit) -> None:
    """Write an exhibit into the folder of a run."""
    arrays = {"cost": exhibit.cost, "sentences": np.array(exhibit.sentences), "name": np.array(exhibit.name)}
    if exhibit.frames is not None:
        arrays["frames"] = exhibit.frames
    write_arrays(Path(folder) / FILE, {"gamma": np.array(exhibit.gamma), **arrays})


def of_run(folder: Path | str, video: int | None = None) -> Exhibit:
    """Return the pair of a run to show.

    Args:
        folder: Folder of a training run, of a run of 04_explore, or of a run that compares training runs beside
            it, the last of which is taken.
        video: Number of a video of the test split, by default 0. A run of 04_explore has only one.

    Raises:
        ValueError: If the folder holds no such run, its file is damaged, or there is no such video.
    """
    folder = Path(folder)
    if (folder / FILE).is_file():
        if video is not None:
            raise ValueError(f"expected no video for {folder}, which shows only one pair, got {video}")
        return _load(folder / FILE)
    if (folder / "best.pt").is_file():
        return of_training(open_trained(folder), video or 0)
    if (folder / "params.json").is_file():
        trained = runs.read_params(folder).get("trained", [])
        beside = [folder.parent / name for name in ([trained] if isinstance(trained, str) else trained)]
        found = [path for path in beside if (path / "best.pt").is_file()]
        if found:
            return of_training(open_trained(found[-1]), video or 0)
    raise ValueError(
        f"expected a run of 02_train, 03_retrieval or 04_explore, found neither {FILE} nor best.pt in {folder}"
    )


def of_training(trained: Trained, video: int = 0) -> Exhibit:
    """Return a pair of the test split, compared by a trained model.

    Raises:
        ValueError: If there is no such video.
    """
    pairs = trained.pairs("test")
    if not 0 <= video < len(pairs):
        raise ValueError(f"expected a video from 0 to {len(pairs) - 1}, got {video}")
    pair = pairs[video]
    cost = retrieval.pair_cost(trained.model(pairs), pair).numpy()
    frames = video_text.pictures(trained.experiment, pair)
    return Exhibit(pair.name, cost, pair.captions, frames, trained.experiment.gamma)


def _load(path: Path) -> Exhibit:
    """An exhibit as it was saved."""
    arrays = read_arrays(path)
    try:
        return Exhibit(
            str(arrays["name"]),
            arrays["cost"],
            tuple(map(str, arrays["sentences"])),
            arrays.get("frames"),
            float(arrays["gamma"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"expected the arrays of an alignment in {path}, got {', '.join(arrays)}") from error
