"""HTML pages that load nothing from elsewhere: a template of this folder, filled, with pictures as data URLs."""

import base64
from importlib.resources import files
from pathlib import Path

from tempclr._util.optional import import_optional


def render(template: str, **values: object) -> str:
    """Return a template of this folder as HTML; what stands in the values is escaped."""
    environment = import_optional("jinja2", "notebooks").Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    text = files("tempclr.studies").joinpath(template).read_text(encoding="utf-8")
    return environment.from_string(text).render(**values)


def picture(path: Path) -> str:
    """Return a PNG as a data URL, or an empty string if there is no such file."""
    if not path.is_file():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
