"""Pages of the views saved in an executed notebook."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tempclr_widgets.alignment_explorer import AlignmentExplorer
from tempclr_widgets.retrieval_inspector import RetrievalInspector
from tempclr_widgets.shuffle_lab import ShuffleLab
from tempclr_widgets.soft_dtw_playground import SoftDTWPlayground
from tempclr_widgets.training_monitor import TrainingMonitor
from tempclr_widgets.view import HEIGHT, Page, View

VIEWS: Mapping[str, type[View]] = MappingProxyType(
    {
        view.__name__: view
        for view in (AlignmentExplorer, RetrievalInspector, ShuffleLab, SoftDTWPlayground, TrainingMonitor)
    }
)


def saved_page(
    saved: Mapping[str, Any], *, views: Mapping[str, type[View]] = VIEWS, height: int = HEIGHT
) -> Page | None:
    """Return the page of a view saved in an executed notebook, or None for any other widget.

    Args:
        saved: The widget's entry in the notebook's widget state.
        views: Classes by name. To include a view of your own, pass `{**VIEWS, "Heights": Heights}`.
        height: Height of the page's frame in a notebook, in pixels.
    """
    state = dict(saved["state"])
    view = views.get(str(state.get("_anywidget_id", "")).rpartition(".")[2])
    if view is None:
        return None
    for buffer in saved.get("buffers", []):
        *inner, last = buffer["path"]
        place: Any = state
        for key in inner:
            place[key] = place = dict(place[key])
        place[last] = {"base64": buffer["data"]}
    return view.page_of(
        {name: value for name, value in state.items() if name in view.class_own_traits()}, height=height
    )
