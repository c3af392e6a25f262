"""An executed notebook as one HTML page."""

from collections.abc import Callable, Mapping
from html import unescape
from pathlib import Path
from typing import Protocol

from tempclr._util.optional import import_optional

_UNBROKEN = "<style>div.output_text pre { white-space: pre; overflow-x: auto }</style>"  # no wrapping of text tables
_VIEW, _STATE = (f"application/vnd.jupyter.widget-{what}+json" for what in ("view", "state"))


class Page(Protocol):
    """Something that Jupyter displays as HTML."""

    def _repr_html_(self) -> str: ...


SavedPage = Callable[[Mapping[str, object]], Page | None]
"""Maps a widget's entry in a notebook's widget state to a page, or to None if it does not know the widget."""


def as_html(notebook: Path, saved_page: SavedPage | None = None) -> str:
    """Return an executed notebook as one HTML page that loads nothing from the network.

    Args:
        notebook: The executed notebook.
        saved_page: Makes the page that replaces a widget, such as `tempclr_widgets.saved_page`, which keeps views
            interactive. Without it, a line of text replaces a view.
    """
    exporter = import_optional("nbconvert", "notebooks").HTMLExporter(template_name="classic", embed_images=True)
    empty = "data:text/javascript,"
    for name, value in {
        "mathjax_url": "",
        "require_js_url": empty,
        "jquery_url": empty,
        "mermaid_js_url": f"{empty}export%20default%20%7Binitialize()%7B%7D%7D",
        "html_manager_semver_range": "",
        "jupyter_widgets_base_url": "",
        "widget_renderer_url": empty,
    }.items():
        if exporter.has_trait(name):
            setattr(exporter, name, value)
    content = import_optional("nbformat", "notebooks").read(str(notebook), as_version=4)
    replace_widgets(content, saved_page)
    html, _ = exporter.from_notebook_node(content)
    return html.replace("</head>", f"{_UNBROKEN}</head>", 1)


def replace_widgets(notebook: dict, saved_page: SavedPage | None) -> None:
    """Replace widgets, which need a kernel: views by their pages, progress bars by their last text."""
    widgets = notebook["metadata"].pop("widgets", {}).get(_STATE, {}).get("state", {})
    for output in (each for cell in notebook["cells"] for each in cell.get("outputs", ())):
        shown = output.get("data", {}).pop(_VIEW, None)
        saved = widgets.get(shown["model_id"]) if shown else None
        page = saved_page(saved) if saved and saved_page else None
        if page is not None:
            output["data"]["text/html"] = page._repr_html_()
        elif saved and (text := _text(saved, widgets)):
            output["data"]["text/plain"] = text


def _text(widget: dict, widgets: dict) -> str:
    """The text in a box of widgets, such as the labels beside a progress bar."""
    names = (name.removeprefix("IPY_MODEL_") for name in widget["state"].get("children", ()))
    texts = (widgets.get(name, {}).get("state", {}).get("value") for name in names)
    return unescape(" ".join(" ".join(text.split()) for text in texts if isinstance(text, str)))
