"""The retrieval inspector without a browser: ranks, rivals and costs equal those of the task."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from recording import HOSTILE, from_browser, state_of
from tempclr_widgets import RetrievalInspector
from tempclr_widgets.retrieval_inspector import DETAILS, SCORES

import tempclr
from tempclr import TempCLR, metrics
from tempclr.costs import cosine_cost
from tempclr.encoders import Projection
from tempclr.sequences import Pair, Sequences, pad
from tempclr.tasks import retrieval

pytestmark = pytest.mark.usefixtures("recording")


@pytest.fixture
def both(generator: torch.Generator) -> tuple[Sequences, Sequences]:
    """Twelve paragraphs of four sentences and noisy videos of them, of different lengths."""
    steps = [torch.randn(4, 8, generator=generator) for _ in range(12)]
    videos = [
        each.repeat_interleave(1 + k % 3, 0) + torch.randn(4 * (1 + k % 3), 8, generator=generator)
        for k, each in enumerate(steps)
    ]
    return pad(steps), pad(videos)


@pytest.fixture
def view(both: tuple[Sequences, Sequences]) -> RetrievalInspector:
    return RetrievalInspector(*both, sentences=[HOSTILE] * 12, names=[f"<i>{k}</i>" for k in range(12)])


# known answers


def test_only_order_distinguishes_two_videos_of_the_same_steps():
    steps = pad([torch.eye(3), torch.eye(3).flip(0)])
    view = RetrievalInspector(steps, steps, sentences=[["a", "b", "c"], ["c", "b", "a"]])
    assert view.ranks["DTW"].tolist() == [1, 1] and view.ranks["Cap.Avg."].tolist() == [1.5, 1.5]
    assert view.shown == (0, 1)


# laws


def test_ranks_and_first_videos_equal_those_of_the_task(view: RetrievalInspector, both: tuple[Sequences, Sequences]):
    first = np.frombuffer(view._first, "<i4").reshape(len(SCORES), 12, 5)
    right = np.frombuffer(view._right_scores, "<f4").reshape(len(SCORES), 12)
    shown = np.frombuffer(view._ranks, "<f4").reshape(len(SCORES), 12)
    for k, (name, score_fn) in enumerate(retrieval.RETRIEVAL_SCORES.items()):
        scores = score_fn(*both)
        np.testing.assert_allclose(shown[k], metrics.ranks(scores) + 1)
        np.testing.assert_allclose(right[k], scores.diagonal(), atol=1e-6)
        assert first[k].tolist() == scores.argsort(dim=1, descending=True)[:, :5].tolist()
        assert view.ranks[name].tolist() == shown[k].tolist()


def test_a_rival_is_the_best_of_the_wrong_videos(view: RetrievalInspector, both: tuple[Sequences, Sequences]):
    for name in SCORES:
        from_browser(view, score=name)
        for query in range(12):
            from_browser(view, query=query)
            scores = retrieval.RETRIEVAL_SCORES[name](*both)[query]
            scores[query] = -torch.inf
            assert view.shown == (query, scores.argmax().item())
    from_browser(view, rival=3)
    assert view.shown == (11, 3)


def test_another_gamma_ranks_again(view: RetrievalInspector, both: tuple[Sequences, Sequences]):
    view.gamma = 2.0
    wanted = retrieval.soft_dtw(*both, gamma=2.0)
    right = np.frombuffer(view._right_scores, "<f4").reshape(len(SCORES), 12)
    np.testing.assert_allclose(right[SCORES.index("soft-DTW")], wanted.diagonal(), atol=1e-6)
    np.testing.assert_allclose(view.ranks["soft-DTW"], metrics.ranks(wanted) + 1)


def test_any_video_can_be_compared(view: RetrievalInspector):
    for rival in range(1, 12):
        view.rival = rival
        assert rival in view._costs["0"]["videos"]


def test_only_costs_of_the_current_paragraph_are_sent(view: RetrievalInspector, both: tuple[Sequences, Sequences]):
    for query in (0, 5):
        from_browser(view, query=query)
        (kept,) = [view._costs[str(query)]]
        assert list(view._costs) == [str(query)] and kept["videos"][0] == query
        values, at = np.frombuffer(kept["costs"], "<f4"), 0
        for video, clips in zip(kept["videos"], kept["clips"], strict=True):
            cost = values[at : at + 4 * clips].reshape(4, clips)
            np.testing.assert_allclose(cost, cosine_cost(both[0][query], both[1][video]), atol=1e-6)
            at += 4 * clips
        assert at == len(values)


def test_the_score_is_the_cost_of_an_alignment_per_step(view: RetrievalInspector):
    cost = view.cost(2, 4)
    wanted = -tempclr.dtw(cost).item() / sum(cost.shape)
    assert view._found["DTW"][2, 4].item() == pytest.approx(wanted, abs=1e-6)


def test_a_model_is_inspected_through_its_embeddings(generator: torch.Generator):
    steps = [torch.randn(4, 6, generator=generator) for _ in range(3)]
    pairs = [Pair(f"video {k}", each, each, torch.arange(4), tuple("abcd")) for k, each in enumerate(steps)]
    encoder = Projection(6, 5)
    view = RetrievalInspector.of_model(TempCLR(encoder, encoder), pairs, score="soft-DTW")
    assert view.names == ["video 0", "video 1", "video 2"] and view.score == "soft-DTW"
    assert view.ranks["DTW"].tolist() == [1, 1, 1]


def test_page_and_pictures_are_saved_with_escaped_text(view: RetrievalInspector, tmp_path: Path):
    for name in ("view.html", "view.png", "view.svg"):
        assert view.save(tmp_path / name).stat().st_size > 5000
    state = state_of((tmp_path / "view.html").read_text())
    assert set(state["_costs"]) == {str(query) for query in range(12)}
    assert state["names"][1] == "<i>1</i>" and len(json.dumps(state)) < 100_000


def test_a_large_page_keeps_the_paragraphs_with_the_worst_ranks(
    view: RetrievalInspector, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempclr_widgets.retrieval_inspector._PAGE_BYTES", 4000)
    kept = list(view.page_state()["_costs"])
    assert 1 < len(kept) < 12 and kept[0] == "0"
    worst = torch.stack(list(view.ranks.values())).amax(0)
    left = [query for query in range(12) if str(query) not in kept]
    assert worst[[int(query) for query in kept[1:]]].min() >= worst[left].max()


def test_every_score_has_its_contribution_and_hint():
    assert list(DETAILS) == SCORES == list(retrieval.RETRIEVAL_SCORES)


# refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"videos": pad([torch.ones(2, 3)] * 2)}, "2 to 5,000 paragraphs and as many videos, got 3 and 2"),
        ({"sentences": [["a", "b"]] * 2}, "the sentences of each paragraph"),
        ({"sentences": ["ab"] * 3}, "the sentences of each paragraph"),
        ({"names": ["a"]}, "expected 3 names, got 1"),
        ({"score": "luck"}, "expected a score of mean-pool, Cap.Avg., DTW, soft-DTW, got 'luck'"),
        ({"gamma": 0.0}, "a gamma from 0.001 to 10"),
        ({"query": 3}, "a query from 0 to 2, got 3"),
        ({"videos": pad([torch.full((2, 3), torch.nan)] * 3)}, "finite"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict, message: str):
    given = {"paragraphs": pad([torch.ones(2, 3)] * 3), "videos": pad([torch.ones(2, 3)] * 3)}
    given |= {"sentences": [["a", "b"]] * 3} | arguments
    with pytest.raises(ValueError, match=message):
        RetrievalInspector(given.pop("paragraphs"), given.pop("videos"), **given)


def test_a_single_paragraph_is_refused():
    one = pad([torch.ones(2, 3)])
    with pytest.raises(ValueError, match="2 to 5,000 paragraphs"):
        RetrievalInspector(one, one, sentences=[["a", "b"]])
