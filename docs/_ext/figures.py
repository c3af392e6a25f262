"""Draw the figures of the page on the method, light and dark, with the package itself."""

from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import pyplot
from matplotlib.figure import Figure

import tempclr
from tempclr.plots import alignment, style

CLIPS, SENTENCES = 9, 3  # three clips show each sentence


def write(folder: Path) -> None:
    """Draw every figure into a folder, as `<name>-light.svg` and `<name>-dark.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    for dark in (False, True):
        with mpl.rc_context({**style.settings(dark=dark), "svg.hashsalt": "tempclr"}):
            for name, draw in {"recursion": _recursion, "orders": _orders}.items():
                figure = draw()
                path = folder / f"{name}-{'dark' if dark else 'light'}.svg"
                figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
                pyplot.close(figure)


def _cost() -> torch.Tensor:
    """Costs of three sentences and nine clips, where each sentence fits three clips of its own."""
    generator = torch.Generator().manual_seed(3)
    fits = torch.arange(SENTENCES)[:, None] == torch.arange(SENTENCES).repeat_interleave(CLIPS // SENTENCES)
    return torch.where(fits, 0.25, 1.0) + 0.3 * torch.rand(SENTENCES, CLIPS, generator=generator)


def _recursion() -> Figure:
    """The cheapest path, and how it spreads out as gamma grows."""
    cost, gammas = _cost(), (0.05, 0.3, 1.0)
    figure, axes = pyplot.subplots(1, 4, figsize=(8.6, 1.7), layout="constrained")
    drawn = {
        "path": tempclr.path_of(tempclr.dtw, cost).numpy(),
        "title": f"DTW {tempclr.dtw(cost).item():.2f}",
        "ylabel": "sentence",
    }
    alignment.cost_matrix(cost.numpy(), **drawn, xlabel="clip", unit="cost", ax=axes[0])
    for gamma, ax in zip(gammas, axes[1:], strict=True):
        value, soft = tempclr.soft_dtw(cost, gamma=gamma).item(), tempclr.expected_alignment(cost, gamma=gamma)
        title = f"gamma {gamma:g}: {value:.2f}"
        alignment.soft_alignment(soft.numpy(), title=title, colorbar=ax is axes[-1], ax=ax)
        ax.set(xlabel="clip", ylabel="")
    return figure


def _orders() -> Figure:
    """The true order, one with permuted segments, one with permuted clips too, and the cost of each."""
    cost = _cost()
    orders = {
        "true order": [0, 1, 2, 3, 4, 5, 6, 7, 8],
        "segments permuted": [3, 4, 5, 0, 1, 2, 6, 7, 8],
        "segments and clips": [5, 3, 4, 0, 2, 1, 7, 6, 8],
    }
    figure, axes = pyplot.subplots(1, 3, figsize=(8.6, 1.9), layout="constrained")
    for (title, order), ax in zip(orders.items(), axes, strict=True):
        shuffled = cost[:, order]
        value = tempclr.soft_dtw(shuffled).item()
        path = tempclr.path_of(tempclr.dtw, shuffled).numpy()
        words = {"title": f"{title}\nsoft-DTW {value:.2f}", "xlabel": "clip", "ylabel": "sentence", "unit": "cost"}
        alignment.cost_matrix(shuffled.numpy(), path=path, **words, colorbar=ax is axes[-1], ax=ax)
        ax.set_xticks(range(CLIPS), order)
    return figure
