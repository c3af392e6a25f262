"""An executed notebook as one HTML page."""

from html import unescape
from pathlib import Path

from tempclr._util.optional import import_optional

UNBROKEN = "<style>div.output_text pre { white-space: pre; overflow-x: auto }</style>"  # lines of tables
VIEW, STATE = (f"application/vnd.jupyter.widget-{what}+json" for what in ("view", "state"))


def as_html(notebook: Path) -> str:
    """Return an executed notebook as one HTML page that asks nothing of the network; its views are alive in it."""
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
    _bake(content)
    html, _ = exporter.from_notebook_node(content)
    return html.replace("</head>", f"{UNBROKEN}</head>", 1)


def _bake(notebook: dict) -> None:
    """Put pages in the place of live views, and of progress bars, which need a kernel, what they said at the end."""
    saved_page = import_optional("tempclr_widgets", "notebooks").saved_page
    widgets = notebook["metadata"].pop("widgets", {}).get(STATE, {}).get("state", {})
    for output in (each for cell in notebook["cells"] for each in cell.get("outputs", ())):
        shown = output.get("data", {}).pop(VIEW, None)
        saved = widgets.get(shown["model_id"]) if shown else None
        page = saved_page(saved) if saved else None
        if page is not None:
            output["data"]["text/html"] = page._repr_html_()
        elif saved and (words := _words(saved, widgets)):
            output["data"]["text/plain"] = words


def _words(widget: dict, widgets: dict) -> str:
    """What a box of widgets says, without its bar."""
    names = (name.removeprefix("IPY_MODEL_") for name in widget["state"].get("children", ()))
    texts = (widgets.get(name, {}).get("state", {}).get("value") for name in names)
    return unescape(" ".join(" ".join(text.split()) for text in texts if isinstance(text, str)))
