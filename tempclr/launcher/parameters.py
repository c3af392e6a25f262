"""The parameters of a notebook: its first cell tagged `parameters`, checked before a kernel starts.

The cell is parsed here and not by papermill, which takes seconds to import.
"""

import ast
import io
import json
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tempclr

_TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list}


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameter cell."""

    name: str
    type: str  # "int", "float", "str", "bool" or "list"
    default: object
    help: str  # the comment at the end of the line


def notebook_path(notebook: str | Path) -> Path:
    """Return the path of a notebook, given its path or the name of one that ships with the package.

    Raises:
        ValueError: If there is no such notebook; the message lists those that ship.
    """
    path = Path(notebook)
    if path.suffix == ".ipynb" and path.is_file():
        return path.resolve()
    shipped = {file.stem: file for file in sorted(_notebook_folder().glob("*.ipynb"))}
    if path.name in shipped:
        return shipped[path.name].resolve()
    raise ValueError(f"expected a notebook file or one of {', '.join(shipped)}, got {str(notebook)!r}")


def read_cells(path: Path) -> list[dict]:
    """Return the cells of a notebook file, as stored.

    Raises:
        ValueError: If the file is not a notebook.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"expected a Jupyter notebook (nbformat 4) in {path}: {error!r}") from error


def read_parameters(notebook: str | Path) -> list[Parameter]:
    """Return the parameters of a notebook, in the order of its parameter cell; none if there is no such cell.

    Raises:
        ValueError: If there is no such notebook, or a line of the cell is not an annotated literal.
    """
    path = notebook_path(notebook)
    tagged = (cell for cell in read_cells(path) if "parameters" in cell["metadata"].get("tags", ()))
    cell = next(tagged, {"source": ""})
    source = "".join(cell["source"])  # a string or a list of lines
    try:
        lines, comments = ast.parse(source).body, _comments(source)  # in this order: the parser's errors say more
        return [_parameter(line, comments.get(line.end_lineno or 0, "")) for line in lines]
    except (ValueError, SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"cannot read the parameters of {path.name}: {error}") from error


def resolve(notebook: str | Path, given: Mapping[str, object]) -> dict[str, object]:
    """Return all parameters of a notebook: the given values, and the defaults of the others.

    Args:
        notebook: Path or name.
        given: Values by name. Text is parsed where another type is expected, as on a command line.

    Raises:
        ValueError: If a name is unknown or a value has the wrong type.
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
    """Return a preset: parameters that were chosen together, such as those of a published recipe.

    Args:
        notebook: Path or name.
        name: Name of a preset, stored beside the notebook as `<notebook>.<name>.json`, or path of a JSON file.

    Raises:
        ValueError: If there is no such preset, or it is not a JSON object of parameters of the notebook.
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
    """Folder of the notebooks that ship: inside the installed package, or beside it in a checkout."""
    package = Path(tempclr.__file__).parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def _parameter(line: ast.stmt, comment: str) -> Parameter:
    """One statement of the parameter cell as a parameter."""
    text = ast.unparse(line)
    if (
        not isinstance(line, ast.AnnAssign)
        or line.value is None
        or (kind := ast.unparse(line.annotation)) not in _TYPES
    ):
        raise ValueError(f"expected `name: type = value` with a type among {', '.join(_TYPES)}, got `{text}`")
    try:
        return Parameter(ast.unparse(line.target), kind, ast.literal_eval(line.value), comment)
    except ValueError as error:
        raise ValueError(f"expected a literal value, got `{text}`") from error


def _comments(source: str) -> dict[int, str]:
    """Comments of a source text by line number, from 1."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _converted(parameter: Parameter, value: object) -> object:
    """A value converted to the parameter's type; refused if it has another one."""
    wanted = _TYPES[parameter.type]
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
