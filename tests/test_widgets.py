import json

import comm
import numpy as np
import pytest
import torch
import traitlets
from comm.base_comm import BaseComm
from tempclr_widgets import AlignmentExplorer

import tempclr


class RecordingComm(BaseComm):
    """A channel to a browser that is not there: it keeps what is sent."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.sent: list[tuple[dict, list]] = []
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        self.sent.append((data or {}, buffers or []))


@pytest.fixture(autouse=True)
def _recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "create_comm", RecordingComm)


@pytest.fixture
def cost(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(4, 7, generator=generator)


def from_browser(view: AlignmentExplorer, **state: object) -> None:
    """What a browser sends when the reader moves something."""
    view.comm.handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


# known answers


def test_two_equal_sequences_cost_nothing():
    view = AlignmentExplorer([[0.0, 1.0], [1.0, 0.0]])
    assert view.values["DTW"] == 0
    assert view._paths == [[[0, 0], [1, 1]]]


def test_a_single_step_is_drawn():
    view = AlignmentExplorer([[0.25]])
    assert view.values["DTW"] == 0.25
    assert np.frombuffer(view._alignments, "<f4") == 1


def test_a_cost_without_a_path_has_no_value():
    view = AlignmentExplorer([[torch.inf, 1.0], [1.0, 1.0]])
    assert view.values == {"DTW": None, "soft-DTW": None}
    assert view._paths == [[]]
    json.dumps(view.values, allow_nan=False)


# laws


@pytest.mark.parametrize("gamma", [0.001, 0.1, 10.0])
def test_a_gamma_from_the_browser_recomputes_as_the_engine_does(cost: torch.Tensor, gamma: float):
    view = AlignmentExplorer(cost)
    from_browser(view, gamma=gamma)
    assert view.values["soft-DTW"] == pytest.approx(tempclr.soft_dtw(cost.double(), gamma=gamma).item())
    shown = torch.from_numpy(np.frombuffer(view._alignments, "<f4").copy()).reshape(4, 7)
    torch.testing.assert_close(shown, tempclr.expected_alignment(cost.double(), gamma=gamma).float())


def test_a_shuffled_order_is_aligned_beside_the_true_one(cost: torch.Tensor, generator: torch.Generator):
    orders = tempclr.negatives.shuffled_orders(7, 3, generator=generator)
    view = AlignmentExplorer(cost, orders=orders)
    from_browser(view, order=2)
    shuffled = cost[:, orders[2]].double()
    assert view.values["shuffled DTW"] == pytest.approx(tempclr.dtw(shuffled).item())
    assert view._paths[1] == tempclr.dtw_path(shuffled).tolist()
    from_browser(view, order=-1)
    assert len(view._paths) == 1


def test_what_is_recomputed_is_sent_to_the_browser(cost: torch.Tensor):
    view = AlignmentExplorer(cost)
    view.comm.sent.clear()
    from_browser(view, gamma=0.5)
    states = [data.get("state", {}) for data, _ in view.comm.sent]
    assert any("values" in state for state in states)


def test_state_stays_small(generator: torch.Generator):
    frames = torch.randint(0, 255, (60, 2, 56, 56, 3), dtype=torch.uint8, generator=generator)
    flat = frames // 64 * 64  # few colours, as drawn pictures have
    view = AlignmentExplorer(torch.rand(20, 60, generator=generator), frames=flat.numpy())
    binary = sum(len(value) for value in view.get_state().values() if isinstance(value, bytes | memoryview))
    assert binary < 1_000_000


def test_labels_are_kept_as_text(cost: torch.Tensor):
    view = AlignmentExplorer(cost, sentences=["<b>x</b>", "$y$", "שלום", ""])
    assert view.sentences[0] == "<b>x</b>"
    source = AlignmentExplorer._esm.read_text() if hasattr(AlignmentExplorer._esm, "read_text") else str(view._esm)
    assert "innerHTML" not in source
    assert len(source) < 100_000
    assert "http" not in source.replace("http://www.w3.org/2000/svg", "")


# refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cost": [1.0, 2.0]}, "expected a cost matrix"),
        ({"cost": np.zeros((0, 3))}, "expected a cost matrix"),
        ({"cost": [[float("nan")]]}, "finite or \\+inf"),
        ({"cost": [[-float("inf")]]}, "finite or \\+inf"),
        ({"cost": np.zeros((1001, 1000))}, "show a part"),
        ({"cost": [[1.0]], "sentences": ["a", "b"]}, "expected 1 sentences"),
        ({"cost": [[1.0, 2.0]], "orders": [[0, 0]]}, "permutation"),
        ({"cost": [[1.0]], "frames": np.zeros((2, 4, 4, 3), np.uint8)}, "8-bit frames"),
        ({"cost": [[1.0]], "frames": np.zeros((1, 4, 4, 3))}, "8-bit frames"),
        ({"cost": [[1.0]], "gamma": 0.0}, "gamma from 0.001 to 10"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        AlignmentExplorer(**arguments)


def test_an_order_that_was_not_given_is_refused(cost: torch.Tensor):
    view = AlignmentExplorer(cost)
    with pytest.raises(traitlets.TraitError, match="expected an order"):
        view.order = 0
