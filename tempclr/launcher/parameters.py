"""The parameters of a notebook: its first tagged cell, checked before a kernel starts."""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tempclr
from tempclr._util.optional import import_optional

TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list}


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameter cell."""

    name: str
    type: str  # "int", "float", "str", "bool" or "list"
    default: object
    help: str  # the comment behind it


def notebook_path(notebook: str | Path) -> Path:
    """Return the path of a notebook given as a path or as the name of one that ships with the package.

    Raises:
        ValueError: If there is none; the message lists those that ship.
    """
    path = Path(notebook)
    if path.suffix == ".ipynb" and path.is_file():
        return path.resolve()
    shipped = {file.stem: file for file in sorted(_notebook_folder().glob("*.ipynb"))}
    if path.name in shipped:
        return shipped[path.name].resolve()
    raise ValueError(f"expected a notebook file or one of {', '.join(shipped)}, got {str(notebook)!r}")


def read_parameters(notebook: str | Path) -> list[Parameter]:
    """Return the parameters of a notebook, in the order of its parameter cell.

    Raises:
        ValueError: If there is no such notebook, or a parameter is not an annotated literal.
    """
    path = notebook_path(notebook)
    papermill = import_optional("papermill", "notebooks")
    found = []
    for name, info in papermill.inspect_notebook(str(path)).items():
        kind = str(info["inferred_type_name"])
        if kind not in TYPES:
            raise ValueError(
                f"expected parameter {name!r} of {path.name} to be annotated as one of {', '.join(TYPES)}, got {kind}"
            )
        found.append(Parameter(name, kind, ast.literal_eval(str(info["default"])), str(info["help"])))
    return found


def resolve(notebook: str | Path, given: Mapping[str, object]) -> dict[str, object]:
    """Return all parameters of a notebook, those given in place of its defaults.

    Args:
        notebook: Path or name.
        given: By name. A string stands for what it says where another type is expected, as on a command line.

    Raises:
        ValueError: If one is unknown or of another type.
    """
    known = {parameter.name: parameter for parameter in read_parameters(notebook)}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"expected parameters among {', '.join(known)}, got {', '.join(unknown)}")
    return {
        name: _converted(parameter, given[name]) if name in given else parameter.default
        for name, parameter in known.items()
    }


def preset(notebook: str | Path, name: str) -> dict[str, object]:
    """Return parameters that were chosen together, such as those of a published recipe.

    Args:
        notebook: Path or name.
        name: Of a preset that stands beside the notebook as `<notebook>.<name>.json`, or the path of a JSON file.

    Raises:
        ValueError: If there is none, or it is no JSON object of parameters of the notebook.
    """
    path = notebook_path(notebook)
    file = Path(name) if name.endswith(".json") else path.with_suffix(f".{name}.json")
    if not file.is_file():
        prefix = f"{path.stem}."
        names = [each.stem.removeprefix(prefix) for each in sorted(path.parent.glob(f"{prefix}*.json"))]
        raise ValueError(
            f"expected a JSON file or a preset of {path.stem} ({', '.join(names) or 'none'}), got {name!r}"
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected a JSON object in {file}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object of parameters in {file}, got {type(content).__name__}")
    resolve(path, content)
    return content


def _notebook_folder() -> Path:
    """Where the shipped notebooks are: in the package, or beside it in a checkout."""
    package = Path(tempclr.__file__).parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def _converted(parameter: Parameter, value: object) -> object:
    """A value in the parameter's type, refused when it is of another."""
    wanted = TYPES[parameter.type]
    if isinstance(value, str) and wanted is not str:
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise ValueError(f"expected {parameter.name} to be of type {parameter.type}, got {value!r}") from None
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        raise ValueError(f"expected {parameter.name} to be of type {parameter.type}, got {value!r}")
    return value
