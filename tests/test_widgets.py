"""Views without a browser: what they compute, keep, send and write. The tests in tests/e2e use a browser."""

import base64
import html
import io
import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
import traitlets
from ipywidgets.widgets.widget import _remove_buffers
from PIL import Image
from recording import HOSTILE, asked, from_browser, state_of
from tempclr_widgets import AlignmentExplorer, saved_page
from tempclr_widgets._pictures import MOST_PIXELS, sheet_of
from tempclr_widgets.saved import VIEWS
from tempclr_widgets.view import STATIC, View, module

import tempclr
from tempclr.plots import style

pytestmark = pytest.mark.usefixtures("recording")


@pytest.fixture
def cost(generator: torch.Generator) -> torch.Tensor:
    return torch.rand(4, 7, generator=generator)


@pytest.fixture
def view(cost: torch.Tensor) -> AlignmentExplorer:
    return AlignmentExplorer(cost, sentences=HOSTILE, alignments=["dtw", "otam"])


# known answers


def test_two_equal_sequences_cost_nothing():
    view = AlignmentExplorer([[0.0, 1.0], [1.0, 0.0]], sentences=["a", "b"])
    assert view.values["dtw"]["hard"] == 0
    answer, (_, path) = asked(view, ask=["dtw"])
    assert answer["answers"][0]["hard"] == 0
    assert np.frombuffer(path, "<i4").tolist() == [0, 0, 1, 1]


def test_a_single_step_is_aligned():
    answer, (alignment, _) = asked(AlignmentExplorer([[0.25]], sentences=["a"]), ask=["dtw"])
    assert answer == {"answers": [{"name": "dtw", "value": 0.25, "hard": 0.25}]}
    assert np.frombuffer(alignment, "<f4") == 1


def test_a_cost_without_a_path_has_no_value():
    view = AlignmentExplorer([[torch.inf, 1.0], [1.0, 1.0]], sentences=["a", "b"])
    assert view.values == {"dtw": {"soft": None, "hard": None}}
    answer, (alignment, path) = asked(view, ask=["dtw"])
    assert answer["answers"][0]["value"] is None
    assert not np.frombuffer(alignment, "<f4").any() and path == b""
    json.dumps(view.values, allow_nan=False)


def test_brushed_sentences_come_with_the_clips_on_their_path():
    view = AlignmentExplorer([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]], sentences=["a", "b"])
    assert view.brushed == ([], [])
    from_browser(view, brush=["rows", 0, 0])
    assert view.brushed == ([0], [0, 1])
    from_browser(view, brush=["columns", 1, 2])
    assert view.brushed == ([0, 1], [1, 2])


def test_pictures_are_cut_from_their_sheet(generator: torch.Generator):
    frames = torch.randint(0, 256, (5, 2, 4, 6, 3), dtype=torch.uint8, generator=generator).numpy()
    content, (count, height, width, across) = sheet_of(frames, 5)
    sheet = np.asarray(Image.open(io.BytesIO(content)))
    for number, picture in enumerate(frames.reshape(10, 4, 6, 3)):
        top, left = number // across * height, number % across * width
        assert np.array_equal(sheet[top : top + height, left : left + width], picture)
    assert (count, height, width) == (2, 4, 6)


def test_the_colours_are_those_of_the_figures():
    (text,) = re.findall(r"bytesOf\(`([^`]+)`\)", (STATIC / "colours.js").read_text())
    colours = matplotlib.colormaps[style.COSTS](np.arange(256), bytes=True)[:, :3]
    assert base64.b64decode(text) == colours.tobytes()


# laws


@pytest.mark.parametrize("gamma", [0.001, 0.1, 10.0])
def test_a_gamma_from_the_browser_is_answered_with_its_alignment(cost: torch.Tensor, gamma: float):
    view = AlignmentExplorer(cost, sentences=HOSTILE)
    from_browser(view, gamma=gamma)
    answer, (alignment, _) = asked(view, ask=["dtw"])
    value = tempclr.soft_dtw(cost.double(), gamma=gamma).item()
    assert answer["answers"][0]["value"] == pytest.approx(value)
    assert view.values["dtw"]["soft"] == pytest.approx(value)
    shown = torch.from_numpy(np.frombuffer(alignment, "<f4").copy()).reshape(4, 7)
    torch.testing.assert_close(shown, tempclr.expected_alignment(cost.double(), gamma=gamma).float())


@pytest.mark.parametrize(
    ("name", "state", "function"),
    [
        ("dtw", {"band": 1.0}, partial(tempclr.soft_dtw, gamma=0.1, band=1.0)),
        ("otam", {}, partial(tempclr.otam, gamma=0.1)),
        ("subsequence_dtw", {}, partial(tempclr.alignment.subsequence_dtw, gamma=0.1)),
        ("drop_dtw", {"drop_cost": 0.2}, partial(tempclr.drop_dtw, gamma=0.1, drop_y=0.2)),
        (
            "drop_dtw",
            {"drop_cost": 0.3, "drops": "xy"},
            partial(tempclr.drop_dtw, gamma=0.1, drop_x=0.3, drop_y=0.3),
        ),
    ],
)
def test_every_alignment_function_answers_the_browser(
    view: AlignmentExplorer, cost: torch.Tensor, name: str, state: dict, function: partial
):
    from_browser(view, **state)
    answer, (alignment, _) = asked(view, ask=[name])
    assert answer["answers"][0]["value"] == pytest.approx(function(cost.double()).item())
    wanted = tempclr.alignment_of(function, cost.double()).float().numpy()
    np.testing.assert_allclose(np.frombuffer(alignment, "<f4").reshape(4, 7), wanted, atol=1e-6)


def test_a_change_in_the_browser_is_answered_without_a_request(view: AlignmentExplorer):
    view.comm.sent.clear()
    from_browser(view, gamma=0.7, brush=["rows", 0, 1])
    ((data, _),) = [each for each in view.comm.sent if each[0].get("method") == "custom"]
    assert [answer["name"] for answer in data["content"]["answers"]] == ["dtw", "otam"]
    assert data["content"]["answers"][0]["value"] == pytest.approx(view.values["dtw"]["soft"])


def test_a_page_holds_the_state_of_the_view_and_its_texts(view: AlignmentExplorer, cost: torch.Tensor):
    from_browser(view, gamma=0.5, brush=["rows", 1, 2])
    page = view.static().html
    state = state_of(page)
    assert state["sentences"] == HOSTILE
    assert state["gamma"] == 0.5 and state["brush"] == ["rows", 1, 2]
    held = base64.b64decode(state["_cost"]["base64"])
    assert held == cost.numpy().astype("<f4").tobytes()
    assert not {"_esm", "layout", "_model_name", "comm"} & state.keys()
    assert "\u2028" not in page


def test_a_notebook_shows_the_page_in_a_sandboxed_frame(view: AlignmentExplorer):
    page = view.static(height=500)
    shown = page._repr_html_()
    (content,) = re.findall(r'srcdoc="([^"]*)"', shown)
    assert html.unescape(content) == page.html
    assert 'sandbox="allow-scripts"' in shown and "500px" in shown


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
def test_a_view_is_saved_in_every_format(view: AlignmentExplorer, suffix: str, tmp_path: Path):
    path = view.save(tmp_path / f"view{suffix}")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    start = {".html": b"<!doctype html>", ".png": b"\x89PNG", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(start)


def test_the_figure_shows_every_alignment_function(view: AlignmentExplorer, cost: torch.Tensor):
    axes = [ax for ax in view.figure().axes if ax.get_images() and ax.get_title(loc="left") + ax.get_title()]
    assert len(axes) == 4
    np.testing.assert_allclose(np.asarray(axes[0].get_images()[0].get_array()), cost.double(), rtol=1e-6)
    soft = tempclr.expected_alignment(cost.double(), gamma=0.1)
    np.testing.assert_allclose(np.asarray(axes[1].get_images()[0].get_array()), soft, atol=1e-6)


def test_the_state_kept_in_a_notebook_is_small(generator: torch.Generator):
    drawn = torch.randint(0, 255, (60, 2, 56, 56, 3), dtype=torch.uint8, generator=generator) // 64 * 64
    costs = torch.rand(20, 60, generator=generator)
    view = AlignmentExplorer(costs, sentences=["x"] * 20, frames=drawn.numpy())
    asked(view, ask=["dtw"])
    assert sum(len(value) for value in view.get_state().values() if isinstance(value, bytes | memoryview)) < 1_000_000


def test_large_pictures_are_made_smaller():
    frames = np.random.default_rng(0).integers(0, 255, (30, 1, 480, 640, 3), dtype=np.uint8)
    content, (_, height, width, _) = sheet_of(frames, 30)
    assert 30 * height * width <= 1.01 * MOST_PIXELS
    assert width / height == pytest.approx(4 / 3, rel=0.02)
    assert len(content) < 3_000_000


@pytest.mark.parametrize("kind", VIEWS.values())
def test_a_module_is_small_and_reaches_nothing_outside(kind: type[View]):
    source = str(kind._esm)
    assert len(source.encode()) < 100_000
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|https?:", source)
    assert not re.search(r"^import ", source, re.MULTILINE)
    assert "</script" not in source and source.rstrip().endswith("export default { render };")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("kind", VIEWS.values())
def test_a_bundled_module_is_valid_javascript(kind: type[View], tmp_path: Path):
    path = tmp_path / "view.mjs"
    path.write_text(str(kind._esm))
    done = subprocess.run(["node", "--check", str(path)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", VIEWS.values())
def test_sliders_end_where_their_traits_do(kind: type[View]):
    traits = kind.class_traits()
    ends = traits["_limits"].default()
    assert ends["gamma"] == [0.001, 10.0] and traits["gamma"].max == 10.0 and traits["gamma"].min in (0.0, 0.001)
    if "temperature" in ends:
        assert ends["temperature"] == [traits["temperature"].min, traits["temperature"].max]
    if "steps" in ends:
        assert ends["steps"][1] == traits["x"]._maxlen


def test_the_table_of_views_holds_every_view_of_the_package():
    assert set(VIEWS) == {each.__name__ for each in View.__subclasses__() if each.__module__.startswith("tempclr_")}


def test_the_state_in_a_notebook_becomes_a_page(cost: torch.Tensor):
    view = AlignmentExplorer(cost, sentences=HOSTILE, gamma=0.3)
    packed, paths, buffers = _remove_buffers(view.get_state())
    encoded = [
        {"path": path, "encoding": "base64", "data": base64.b64encode(each).decode()}
        for path, each in zip(paths, buffers, strict=True)
    ]
    page = saved_page({"state": packed, "buffers": encoded})
    assert state_of(page.html) == state_of(view.static().html)
    assert saved_page({"state": {"_anywidget_id": "other.Widget"}}) is None


# refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cost": [1.0, 2.0]}, "expected a cost matrix"),
        ({"cost": np.zeros((0, 3)), "sentences": []}, "expected a cost matrix"),
        ({"cost": [[float("nan")]]}, "finite or \\+inf"),
        ({"cost": [[-float("inf")]]}, "finite or \\+inf"),
        ({"cost": torch.zeros(1, 1).expand(1001, 10_000)}, "at most 10,000,000 cells, got 10,010,000; show a part"),
        ({"sentences": ["a", "b"]}, "expected 1 sentences for a cost of 1 rows, got 2"),
        ({"sentences": []}, "expected 1 sentences"),
        ({"sentences": "a"}, "got one string"),
        ({"frames": np.zeros((2, 4, 4, 3), np.uint8)}, "8-bit frames"),
        ({"frames": np.zeros((1, 4, 4, 3))}, "8-bit frames"),
        ({"frames": np.zeros((1, 0, 4, 3), np.uint8)}, "8-bit frames"),
        ({"gamma": 0.0}, "gamma from 0.001 to 10"),
        ({"gamma": float("nan")}, "gamma from 0.001 to 10"),
        ({"band": -2.0}, "band of >= 0 steps, or -1"),
        ({"drop_cost": float("inf")}, "finite drop_cost"),
        ({"drops": "z"}, "'y', 'x' or 'xy'"),
        ({"alignments": []}, "alignments among dtw, otam"),
        ({"alignments": ["dwt"]}, "got \\['dwt'\\]"),
        ({"starts": 1.0}, "video and starts together"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        AlignmentExplorer(**({"cost": [[1.0]], "sentences": ["a"]} | arguments))


def test_sentences_must_be_given():
    with pytest.raises(TypeError, match="sentences"):
        AlignmentExplorer([[1.0]])


def test_invalid_videos_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip, notes = tmp_path / "clip.webm", tmp_path / "notes.txt"
    given = {"cost": [[1.0]], "sentences": ["a"], "starts": 2.0}
    with pytest.raises(ValueError, match=r"found none at .*clip\.webm"):
        AlignmentExplorer(**given, video=clip)
    notes.write_text("x")
    with pytest.raises(ValueError, match="a video such as"):
        AlignmentExplorer(**given, video=notes)
    clip.write_bytes(bytes(3 * 2**20))
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="at most 1 MB, got 3 MB in clip"):
        patch.setattr("tempclr_widgets.alignment_explorer._MOST_VIDEO", 2**20)
        AlignmentExplorer(**given, video=clip)
    for starts in ([1.0, 2.0], [-1.0], [float("nan")]):
        with pytest.raises(ValueError, match="1 rising seconds in starts"):
            AlignmentExplorer(**(given | {"starts": starts}), video=clip)


def test_a_video_travels_when_asked_for_and_in_a_page_but_not_in_the_notebook(tmp_path: Path):
    clip = tmp_path / "clip.webm"
    clip.write_bytes(b"moving pictures")
    view = AlignmentExplorer([[1.0]], sentences=["a"], video=clip, starts=2.0)
    assert asked(view, video=True) == ({"video": True}, [b"moving pictures"])
    assert b"moving pictures" not in view.get_state().values()
    assert "_video" in state_of(view.static().html)


def test_invalid_state_from_the_browser_is_refused(view: AlignmentExplorer):
    for name, value in (
        ("alignments", ["dwt"]),
        ("alignments", []),
        ("gamma", 0.0),
        ("arrangement", "x"),
        ("ink", 2.0),
    ):
        with pytest.raises(traitlets.TraitError):
            setattr(view, name, value)


def test_a_file_with_another_suffix_or_no_folder_is_refused(view: AlignmentExplorer, tmp_path: Path):
    with pytest.raises(ValueError, match=r"ends in \.html, \.png or \.svg, got 'view\.gif'"):
        view.save(tmp_path / "view.gif")
    with pytest.raises(ValueError, match="an existing folder"):
        view.save(tmp_path / "none" / "view.html")


def test_a_missing_module_is_refused():
    with pytest.raises(ValueError, match=r"found no nothing\.js"):
        module("nothing.js")
