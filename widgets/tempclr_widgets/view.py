"""The base class of all views: live in a notebook, saved as one HTML page, or drawn as a picture.

A new view is one JavaScript module, which ends in `export default { render };` (see the head of `static/view.js`), and
one class:

    class Heights(View):
        _esm = module("heights.js")
        values = traitlets.Bytes().tag(sync=True)  # send arrays as bytes: .astype("<f4").tobytes()

        def figure(self) -> Figure: ...  # what `save` draws as PNG or SVG

Keep the state that the module needs to redraw itself in synchronized traits, and keep it small. Send large results as
messages (`self.send`), which a saved notebook does not store. Without a kernel, in a saved page (`model.baked`) or a
reopened notebook, the module computes its results itself.
"""

import base64
import html
import json
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import anywidget
from matplotlib.figure import Figure

from tempclr._util.files import atomic_write, write_text

STATIC = Path(__file__).parent / "static"
HEIGHT = 860  # of the frame of a page in a notebook, in pixels; most views need no scroll bar of their own
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([\w.]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|function) (\w+))", re.MULTILINE)
COMMENT = re.compile(r"^ *(?:/\*\*.*?\*/|//(?: [^\n]*)?)\n", re.MULTILINE | re.DOTALL)  # comments on lines of their own
_PICTURES = (".png", ".svg")
# state of the widget machinery, which a page does not need
_OWN = {"comm", "keys", "layout", "tabbable", "tooltip", "log"}

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>:root {{ color-scheme: light dark; }} html {{ background: light-dark(#fff, #17191c); }}
body {{ margin: 0 auto; max-width: 1360px; color: light-dark(#1d1f21, #e8e6e3); }}
h1 {{ font: 600 17px/1.3 system-ui, sans-serif; margin: 18px 16px 2px; }}</style>
</head>
<body>
<h1>{title}</h1>
<main id="tempclr-view"></main>
<noscript>This page needs JavaScript.</noscript>
<script type="application/json" id="tempclr-state">{state}</script>
<script type="module">
{module}
view_js.openPage({{ render }});
</script>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:"
)


@cache
def module(name: str | Path) -> str:
    """Return the source of an ES module, bundled with the modules it imports and without comments.

    Args:
        name: File in the package's `static/`, or absolute path of your own file. An import of `"./other.js"` is
            searched for beside your file, then in `static/`.

    Raises:
        ValueError: If a file does not exist.
    """
    own = Path(name)
    folders = (own.parent, STATIC) if own.is_absolute() else (STATIC,)
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            raise ValueError(f"expected a module in {' or '.join(map(str, folders))}, found no {name}")
        text = path.read_text(encoding="utf-8")
        for _, needed in _IMPORT.findall(text):
            if needed not in texts:
                add(needed)
        text = _IMPORT.sub(lambda found: f"const {found[1]} = {_identifier(found[2])};", text)
        texts[name] = COMMENT.sub("", text)

    add(own.name)
    *shared, last = texts
    return "\n".join([*(_enclosed(each, texts[each]) for each in shared), texts[last]])


def _enclosed(name: str, text: str) -> str:
    """A module as an object of its exports; everything else in it stays private."""
    exports = ", ".join(_EXPORT.findall(text))
    return f"const {_identifier(name)} = (() => {{\n{_EXPORT.sub('', text)}return {{ {exports} }};\n}})();"


def _identifier(name: str) -> str:
    """The JavaScript name of a module's object."""
    return re.sub(r"\W", "_", name)


@dataclass(frozen=True)
class Page:
    """A view as one HTML page that needs no kernel and no network; a notebook shows it in a frame."""

    html: str
    height: int  # of the frame in a notebook, in pixels

    def _repr_html_(self) -> str:
        """The page in a sandboxed frame."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts" title="view" loading="lazy" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )


class View(anywidget.AnyWidget):
    """A widget that is interactive in a notebook and in one offline HTML page, and can be saved as a picture."""

    title = "view"  # title of the page

    @abstractmethod
    def figure(self) -> Figure:
        """Return the current view as a matplotlib figure."""

    def live(self) -> Self:
        """Return the view itself; a notebook displays it connected to its kernel."""
        return self

    def static(self, *, height: int = HEIGHT) -> Page:
        """Return the current view as one self-contained page in which links and sliders still work.

        Args:
            height: Height of the page's frame in a notebook, in pixels.
        """
        return _page(self.title, str(self._esm), self.page_state(), height)  # anywidget replaces `_esm` in instances

    @classmethod
    def page_of(cls, state: Mapping[str, object], *, height: int = HEIGHT) -> Page:
        """Return the page of a view of this class from its saved state."""
        return _page(cls.title, str(cls._esm), state, height)

    def page_state(self) -> dict[str, object]:
        """Return the state that a page holds: the synchronized traits that the view defines."""
        return {name: value for name, value in self.get_state().items() if name not in _OWN and not _of_anywidget(name)}

    def save(self, path: Path | str) -> Path:
        """Write the view to a file and return its path: an interactive page for .html, a figure for .png or .svg.

        Raises:
            ValueError: If the file has another suffix, or its folder does not exist.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in (".html", *_PICTURES):
            raise ValueError(f"expected a file that ends in .html, .png or .svg, got {path.name!r}")
        if not path.parent.is_dir():
            raise ValueError(f"expected an existing folder, got {path.parent}; create it first")
        if suffix == ".html":
            write_text(path, self.static().html)
            return path
        with atomic_write(path) as temporary:
            self.figure().savefig(temporary, format=suffix[1:], dpi=200)
        return path


def _page(title: str, module: str, state: Mapping[str, object], height: int) -> Page:
    """The page of a module and its state."""
    text = json.dumps(state, default=_as_base64, allow_nan=False)  # ASCII, hence no U+2028
    page = PAGE.format(
        policy=_POLICY,
        title=html.escape(title),
        state=text.replace("<", "\\u003c"),  # so that it contains neither </script> nor <!--
        module=module.replace("export default { render };", "").replace("</script", "<\\/script"),
    )
    return Page(page, height)


def _of_anywidget(name: str) -> bool:
    """Whether a trait belongs to the widget machinery."""
    return name.startswith(("_model_", "_view_", "_anywidget", "_esm", "_css", "_dom_"))


def _as_base64(value: object) -> dict[str, str]:
    """Bytes as base64 text for JSON."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"expected plain state, got {type(value).__name__}")
    return {"base64": base64.b64encode(value).decode("ascii")}
