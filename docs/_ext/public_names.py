"""Find what is public and where users import it from; the reference is built from this.

A module is public if no part of its path begins with an underscore. Its public names are those of its
`__all__`, or else what it defines and what it re-exports (`from a import b as b`), without an underscore.
A name that several modules offer is documented once, under the shortest path.
"""

import ast
import importlib.util
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

PACKAGES = ("tempclr", "tempclr_widgets")
LOGGERS = {"log", "logger"}  # internal, although they have no underscore


@dataclass(frozen=True)
class PublicName:
    """One public name: the path that users import it by, and where it is defined."""

    path: str  # such as tempclr.soft_dtw
    home: str  # module of its definition, such as tempclr.alignment.soft_dtw
    name: str
    line: int  # of the definition
    kind: str  # "function", "class" or "data"
    comment: str  # beside or above the definition of data

    @property
    def value(self) -> object:
        """The object itself."""
        return getattr(importlib.import_module(self.path.rpartition(".")[0]), self.name)


def modules() -> list[ModuleType]:
    """Return every public module, packages before their modules."""
    found = []
    for package in map(importlib.import_module, PACKAGES):
        found.append(package)
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part.startswith("_") for part in each.name.split(".")):
                found.append(importlib.import_module(each.name))
    return found


@cache
def public_names() -> tuple[PublicName, ...]:
    """Return every public name once, ordered by module and line."""
    doors: dict[tuple[str, str], list[str]] = {}
    for module in modules():
        for name in _offered(module):
            if not inspect.ismodule(getattr(module, name)):
                doors.setdefault(_definition(module, name), []).append(f"{module.__name__}.{name}")
    found = []
    for (home, name), paths in doors.items():
        line, kind, comment = _definitions(home)[name]
        path = min(paths, key=lambda path: (path.count("."), not path.startswith(f"{home}."), path))
        found.append(PublicName(path, home, path.rpartition(".")[2], line, kind, comment))
    return tuple(sorted(found, key=lambda each: (each.home, each.line)))


def _offered(module: ModuleType) -> list[str]:
    """The public names of a module."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("_")]
    exported = [name for name, (_, _, explicit) in _imports(module.__name__).items() if explicit]
    names = [*_definitions(module.__name__), *exported]
    return [name for name in names if not name.startswith("_") and name not in LOGGERS]


def _definition(module: ModuleType, name: str) -> tuple[str, str]:
    """The module that defines what another offers, and its name there."""
    home = module.__name__
    while name not in _definitions(home):
        imported = _imports(home).get(name)
        if imported is None:  # it is imported lazily
            value = getattr(module, name)
            home, name = value.__module__, value.__name__
            if name not in _definitions(home):
                raise ValueError(f"expected {home} to define {name}, which {module.__name__} offers")
            break
        home, name, _ = imported
    return home, name


@cache
def _tree(module: str) -> tuple[ast.Module, tuple[str, ...]]:
    """A module's source, parsed and as lines."""
    text = Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")
    return ast.parse(text), tuple(text.splitlines())


@cache
def _imports(module: str) -> dict[str, tuple[str, str, bool]]:
    """What a module imports by name: from where, as what, and whether to offer it."""
    tree, _ = _tree(module)
    statements = [each for each in tree.body if isinstance(each, ast.ImportFrom) and each.module]
    return {
        alias.asname or alias.name: (each.module, alias.name, alias.asname == alias.name)
        for each in statements
        for alias in each.names
    }


@cache
def _definitions(module: str) -> dict[str, tuple[int, str, str]]:
    """What a module defines: line, kind, and the comment on data."""
    tree, lines = _tree(module)
    found = {}
    for each in tree.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            found[each.name] = each.lineno, "function", ""
        elif isinstance(each, ast.ClassDef):
            found[each.name] = each.lineno, "class", ""
        else:
            for name in _assigned(each):
                found.setdefault(name, (each.lineno, "data", comment_on(lines, each)))
    return found


def _assigned(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement assigns."""
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        for target in getattr(statement, "targets", [getattr(statement, "target", None)]):
            for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(each, ast.Name):
                    yield each.id


def comment_on(lines: tuple[str, ...], statement: ast.stmt) -> str:
    """Return the comment on a statement: beside its first or last line and continued below, or else above it."""
    for line in dict.fromkeys((statement.lineno, statement.end_lineno)):
        beside = _comment_in(lines[line - 1])
        if beside:
            more = lines[statement.end_lineno :]
            below = [text.strip() for text in more[: _leading_comments(more)]]
            return " ".join([beside, *(text.lstrip("# ") for text in below)])
    before = lines[: statement.lineno - 1][::-1]
    above = [text.strip() for text in before[: _leading_comments(before)]][::-1]
    return " ".join(text.lstrip("# ") for text in above)


def _leading_comments(lines: tuple[str, ...]) -> int:
    """How many of the first lines are only comments."""
    return next((at for at, text in enumerate(lines) if not text.strip().startswith("#")), len(lines))


def _comment_in(line: str) -> str:
    """The comment at the end of a line of code, after two spaces."""
    before, mark, comment = line.rpartition("  # ")
    return comment.strip() if mark and before.strip() else ""
