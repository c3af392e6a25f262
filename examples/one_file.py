"""TempCLR in one file, with PyTorch and nothing else: python examples/one_file.py

A video is a sequence of clips, its paragraph a sequence of sentences. Two encoders learn to map both into one space,
such that (1) each clip is close to its sentence, the unit loss, and (2) the whole video is close to the whole
paragraph in its true order, and far from it in shuffled orders, the order loss. How close two sequences are is the
cost of their best alignment, by soft-DTW.

Method: Yang et al., "TempCLR: Temporal Alignment Representation with Contrastive Learning", ICLR 2023.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

# Data: toy videos. There are 12 kinds of action. Each has a fixed sentence embedding, and a fixed look in the video
# that has nothing in common with it; a video is 5 of them, described by 5 sentences and shown in 2 noisy clips each.

KINDS, SENTENCES, CLIPS_PER_SENTENCE, TEXT_DIM, VIDEO_DIM = 12, 5, 2, 24, 32
SEGMENTS = torch.arange(SENTENCES).repeat_interleave(CLIPS_PER_SENTENCE)  # the sentence that each clip shows


def toy_videos(videos: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return sentences [videos, n, TEXT_DIM], clips [videos, m, VIDEO_DIM] and captions [videos, n], as numbers."""
    world = torch.Generator().manual_seed(0)  # the same for training and test
    text, look = (torch.randn(KINDS, dim, generator=world) for dim in (TEXT_DIM, VIDEO_DIM))
    captions = torch.stack([torch.randperm(KINDS, generator=generator)[:SENTENCES] for _ in range(videos)])
    clips = look[captions][:, SEGMENTS]
    return text[captions], clips + 3.0 * torch.randn(clips.shape, generator=generator), captions


# Alignment: what it costs to match sentences with clips step by step, in order.


def cosine_cost(x: Tensor, y: Tensor) -> Tensor:
    """Return one minus the cosine of every step of x [*batch, n, dim] with every step of y [*batch, m, dim]."""
    return 1 - normalize(x, dim=-1) @ normalize(y, dim=-1).mT


def soft_dtw(cost: Tensor, gamma: float = 0.1) -> Tensor:
    """Return the cost of the best alignment of each cost matrix [*batch, n, m], smoothed by gamma so that it learns.

        R(i, j) = cost(i, j) + softmin{ R(i-1, j-1), R(i-1, j), R(i, j-1) }
        softmin(a) = -gamma log sum_k exp(-a_k / gamma)

    Cuturi & Blondel, "Soft-DTW: a Differentiable Loss Function for Time-Series", ICML 2017, algorithm 1.
    """
    n, m = cost.shape[-2:]
    reached: dict[tuple[int, int], Tensor] = {}
    for i in range(n):
        for j in range(m):
            before = [reached[cell] for cell in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if cell in reached]
            softmin = -gamma * torch.logsumexp(-torch.stack(before) / gamma, 0) if before else 0.0
            reached[i, j] = cost[..., i, j] + softmin
    return reached[n - 1, m - 1]


# Negatives: wrong orders of the clips. Whole segments change places; the clips of a segment stay together.


def wrong_orders(segments: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return different wrong orders [count, m] of the clips; `clips[order]` is a shuffled video."""
    sentences = int(segments.max()) + 1
    found: dict[tuple[int, ...], Tensor] = {}
    while len(found) < count:
        permuted = torch.randperm(sentences, generator=generator)
        if not torch.equal(permuted, torch.arange(sentences)):
            order = torch.cat([(segments == segment).nonzero()[:, 0] for segment in permuted])
            found[tuple(order.tolist())] = order
    return torch.stack(list(found.values()))


# Losses, both of embedded sentences x [videos, n, dim] and clips y [videos, m, dim].


def unit_loss(x: Tensor, y: Tensor, segments: Tensor, captions: Tensor, temperature: float = 0.1) -> Tensor:
    """Return the InfoNCE loss of each clip with its sentence, both ways; equal captions are not negatives."""
    spoken, shown = x[:, segments].flatten(0, 1), y.flatten(0, 1)
    groups = captions[:, segments].flatten()
    same = torch.eye(len(groups), dtype=torch.bool)
    twins = (groups[:, None] == groups) & ~same
    scores = (1 - cosine_cost(spoken, shown)) / temperature
    right = torch.arange(len(groups))
    return sum(cross_entropy(each.masked_fill(twins, -torch.inf), right) for each in (scores, scores.T))


def order_distances(x: Tensor, y: Tensor, orders: Tensor) -> Tensor:
    """Return the distance of each paragraph to its video in true order, then in the wrong ones: [videos, 1 + count].

    Each clip is encoded once: shuffling a video permutes the columns of its cost matrix. `orders` [videos, count, m].
    """
    true = torch.arange(y.shape[1]).expand(len(y), 1, -1)
    orders = torch.cat((true, orders), 1)
    cost = cosine_cost(x, y)[:, None].expand(-1, orders.shape[1], -1, -1)
    return soft_dtw(cost.gather(3, orders[:, :, None].expand(cost.shape)))


def order_loss(x: Tensor, y: Tensor, orders: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the InfoNCE loss of the true order of each video among the wrong ones."""
    scores = -order_distances(x, y, orders) / temperature
    return cross_entropy(scores, torch.zeros(len(x), dtype=torch.int64))  # the true order is number 0


# Training.


def batch_losses(
    text: nn.Module, video: nn.Module, batch: tuple[Tensor, Tensor, Tensor], orders: Tensor, weight: float = 0.7
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the total, the unit and the order loss of a batch."""
    sentences, clips, captions = batch
    x, y = text(sentences), video(clips)
    unit, order = unit_loss(x, y, SEGMENTS, captions), order_loss(x, y, orders)
    return (1 - weight) * unit + weight * order, unit, order


def right_order_wins(text: nn.Module, video: nn.Module, count: int = 31, videos: int = 200) -> float:
    """Return the share of new videos that are closer to their paragraph in true order than in any wrong one."""
    generator = torch.Generator().manual_seed(2)
    sentences, clips, _ = toy_videos(videos, generator)
    orders = torch.stack([wrong_orders(SEGMENTS, count, generator) for _ in range(videos)])
    with torch.no_grad():
        return (order_distances(text(sentences), video(clips), orders).argmin(1) == 0).float().mean().item()


def main(steps: int = 100, videos: int = 16, negatives: int = 31, dim: int = 32) -> float:
    """Train on toy videos, print how often the right order wins, and return the last share."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    text, video = nn.Linear(TEXT_DIM, dim), nn.Linear(VIDEO_DIM, dim)
    optimizer = torch.optim.Adam([*text.parameters(), *video.parameters()], lr=3e-3)
    share = right_order_wins(text, video)
    print(f"untrained: the right order wins in {share:.0%} of new videos, by chance in {1 / (1 + negatives):.0%}")
    for step in range(1, steps + 1):
        batch = toy_videos(videos, generator)
        orders = torch.stack([wrong_orders(SEGMENTS, negatives, generator) for _ in range(videos)])
        total, unit, order = batch_losses(text, video, batch, orders)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        if step % 20 == 0:
            share = right_order_wins(text, video)
            print(f"step {step:3}: unit loss {unit:.2f}, order loss {order:.2f}, the right order wins in {share:.0%}")
    return share


if __name__ == "__main__":
    main()
