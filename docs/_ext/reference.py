"""Write the reference: one page per part of the package, with every public name exactly once."""

import importlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from docstrings import as_rst, described_fields, inline, prose, signature_of
from public_names import PublicName, modules, public_names
from sphinx.application import Sphinx

VALUE = 300  # most characters of a constant that are shown


def pages() -> dict[str, str]:
    """Return the pages of the reference by name, and their index, as reStructuredText."""
    grouped: dict[str, dict[str, list[PublicName]]] = {}
    for each in public_names():
        grouped.setdefault(_page_of(each.home), {}).setdefault(_section_of(each), []).append(each)
    order = [page for page in dict.fromkeys(_page_of(module.__name__) for module in modules()) if page in grouped]
    found = {page: _page(page, grouped[page]) for page in order}
    listed = "\n".join(f"   {page}" for page in order)
    rows = "\n".join(f"   * - :doc:`{page}`\n     - {_first_line(page)}" for page in order)
    title = _title("Reference")
    text = "Every public name of the package, with its docstring."
    table = f".. list-table::\n   :widths: 30 70\n\n{rows}"
    found["index"] = f"{title}\n\n{text}\n\n{table}\n\n.. toctree::\n   :hidden:\n\n{listed}\n"
    return found


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = folder / f"{name}.rst"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> Mapping[str, object]:
    """Have autodoc use the docstrings and signatures of the source."""
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("html-page-context", _links_from_source)
    return {"version": "1", "parallel_read_safe": True}


def _page_of(module: str) -> str:
    """The page that a module is on: its package and the first name in it."""
    return ".".join(module.split(".")[:2]) if module.startswith("tempclr.") else module.split(".")[0]


def _section_of(name: PublicName) -> str:
    """The heading of a name: the public module that defines it, or else offers it."""
    private = any(part.startswith("_") for part in name.home.split("."))
    return name.path.rpartition(".")[0] if private else name.home


def _page(page: str, sections: Mapping[str, list[PublicName]]) -> str:
    """One page: the package's docstring, then its names by module."""
    written = [_title(page), f".. py:module:: {page}", _docstring_of(page)]
    for module, names in sections.items():
        if module != page:
            written += [_title(module.removeprefix(f"{page}."), "-"), _docstring_of(module)]
        written += [_entry(each) for each in names]
    return "\n\n".join(written) + "\n"


def _entry(name: PublicName) -> str:
    """The directive that documents one name."""
    if name.kind == "function":
        return f".. autofunction:: {name.path}"
    if name.kind == "class":
        return f".. autoclass:: {name.path}\n   :members:"
    lines = [f".. py:data:: {name.path}", f"   :value: {_shown(name.value)}", ""]
    return "\n".join([*lines, *(f"   {line}" for line in inline(name.comment, _resolver(name.home)).splitlines())])


def _shown(value: object) -> str:
    """A constant in one line."""
    text = " ".join((f"TypeVar({value.__name__!r})" if isinstance(value, TypeVar) else repr(value)).split())
    return text if len(text) <= VALUE else f"{text[:VALUE]} ..."


def _docstring_of(module: str) -> str:
    """A module's docstring as reStructuredText."""
    return prose((importlib.import_module(module).__doc__ or "").strip().splitlines(), _resolver(module))


def _first_line(module: str) -> str:
    """The first line of a module's docstring."""
    return inline((importlib.import_module(module).__doc__ or "").strip().splitlines()[0], _resolver(module))


def _title(text: str, mark: str = "=") -> str:
    return f"{text}\n{mark * len(text)}"


@cache
def _paths() -> Mapping[str, tuple[str, ...]]:
    """The paths that a name, or the end of a path, may stand for."""
    found: dict[str, tuple[str, ...]] = {}
    for each in public_names():
        for path in {each.path, f"{each.home}.{each.name}"}:
            parts = path.split(".")
            for start in range(len(parts)):
                short = ".".join(parts[start:])
                found[short] = tuple(dict.fromkeys((*found.get(short, ()), each.path)))
    return found


@cache
def _resolver(module: str) -> object:
    """A function from a name in backticks to the path of what it means in a module."""
    homes = {each.path: each.home for each in public_names()}

    def resolve(code: str) -> str | None:
        if not code.replace(".", "").replace("_", "").isalnum() or code[0].isdigit():
            return None
        candidates = _paths().get(code, ())
        near = [path for path in candidates if homes[path] == module or path.rpartition(".")[0] == module]
        for found in (near, [path for path in candidates if path.count(".") == 1], candidates):
            if len(found) == 1:
                return found[0]
        return None

    return resolve


def _docstring(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Replace a docstring that autodoc has read with reStructuredText."""
    text = "\n".join(lines)
    if what == "class" and hasattr(value, "__dataclass_fields__") and "Args:" not in text:
        text += f"\n\n{described_fields(value)}"
    home = getattr(value, "__module__", None) or name.rpartition(".")[0]
    resolve = _resolver(home)
    own = {name, name.rpartition(".")[0]}  # no link from a name to itself
    lines[:] = as_rst(text, lambda code: None if resolve(code) in own else resolve(code)).splitlines()


def _signature(
    app: Sphinx, what: str, name: str, value: object, options: object, signature: str, returned: str
) -> tuple[str, str] | None:
    """Replace a signature made by autodoc with the one in the source."""
    return signature_of(what, value)


def _links_from_source(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Point links from source code to where each name is documented; viewcode assumes one path per module."""
    if not page.startswith("_modules/"):
        return
    home = page.removeprefix("_modules/").replace("/", ".")
    paths = {each.name: each.path for each in public_names() if each.home == home}

    def moved(match: re.Match) -> str:
        name, *members = match[2].removeprefix(f"{_common(match[2], home)}.").split(".")
        return f"{match[1]}#{'.'.join([paths.get(name, name), *members])}"

    context["body"] = re.sub(r'(class="viewcode-back" href="[^"#]*)#([\w.]+)', moved, context["body"])


def _common(path: str, home: str) -> str:
    """The package or module at the beginning of a path to a name that a module defines."""
    parts = home.split(".")
    return next(start for at in range(len(parts), 0, -1) if path.startswith(f"{(start := '.'.join(parts[:at]))}."))
