"""Torch checkpoints that hold Python objects besides tensors, read without creating the objects.

`torch.load` with `weights_only=True` creates only tensors and plain containers, and refuses a file that names any
other class, such as that of its settings. Here the pickle is first scanned, without executing it, for the classes and
functions that it names, and for whether their objects are filled like a dict or like a list. Placeholders then take
their place.
"""

import io
import pickletools
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


def load_with_placeholders(path: Path) -> tuple[object, tuple[str, ...]]:
    """Return the content of a file written by any version of `torch.save`, and the names that were replaced.

    The placeholder of an object is a dict or a list if the object is filled like one, otherwise an empty object; the
    same holds for what a function returns. Nothing that the file names is imported or called.

    Raises:
        ValueError: If it is not such a file, is damaged, or names something that `torch.load` blocks in any case.
    """
    try:
        pickled = _pickle(path)
        filled = _filled(pickled)
        with _no_safe_globals():
            names = tuple(sorted(torch.serialization.get_unsafe_globals_in_checkpoint(_without_tensors(pickled))))
            placeholders: list[Any] = [
                (type("Placeholder", (filled.get(name, _EmptyPlaceholder),), {}), name) for name in names
            ]
            torch.serialization.add_safe_globals(placeholders)
            return torch.load(path, map_location="cpu", weights_only=True), names
    except Exception as error:  # damaged or unsafe files fail in many ways
        raise ValueError(
            f"expected {path} to be a torch checkpoint with tensors and plain containers; "
            f"nothing in it was run: {error}"
        ) from error


@contextmanager
def _no_safe_globals() -> Iterator[None]:
    """Clear the classes that the program allows torch to create, and restore them at the end."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


class _EmptyPlaceholder:
    """Replaces an object; ignores its arguments and its state."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _DictPlaceholder:
    """Replaces a class whose objects are filled like a dict."""

    def __new__(cls, *_: object) -> OrderedDict:  # type: ignore[misc]
        return OrderedDict()


class _ListPlaceholder:
    """Replaces a class whose objects are filled like a list."""

    def __new__(cls, *_: object) -> list:  # type: ignore[misc]
        return []


_MARK = "("  # cannot be the name of a class
_FILLING = {  # opcodes that fill an object
    "SETITEM": _DictPlaceholder,
    "SETITEMS": _DictPlaceholder,
    "APPEND": _ListPlaceholder,
    "APPENDS": _ListPlaceholder,
}


def _pickle(path: Path) -> bytes:
    """The pickle of a file's objects, without the data of its tensors."""
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            with zipfile.ZipFile(file) as archive:
                (name,) = (each for each in archive.namelist() if each.endswith("/data.pkl"))
                return archive.read(name)
        file.seek(0)  # before torch 1.6: several pickles, then the data
        for _ in ("a magic number", "the version", "the machine"):
            _skip_pickle(file)
        begin = file.tell()
        _skip_pickle(file)
        end = file.tell()
        file.seek(begin)
        return file.read(end - begin)


def _skip_pickle(file: io.BufferedReader) -> None:
    """Advance to the end of a pickle."""
    for _ in pickletools.genops(file):
        pass


def _without_tensors(pickled: bytes) -> io.BytesIO:
    """A torch file with this pickle and no tensors."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    file.seek(0)
    return file


def _filled(pickled: bytes) -> dict[str, type]:
    """Placeholders for the names whose objects are filled with items.

    The pickle is traced with a stack that holds, in place of each object, the name of the class that created it.
    """
    found: dict[str, type] = {}
    stack: list[str | None] = []
    memo: dict[int, str | None] = {}
    argument: Any
    for code, argument, _ in pickletools.genops(pickled):
        if "PUT" in code.name:
            memo[argument] = stack[-1]
            continue
        made = None
        taken = _taken(stack, code.stack_before)
        if code.name == "GLOBAL":
            made = _name(*argument.split(" "))
        elif "GET" in code.name:
            made = memo[argument]
        elif code.name == "MARK":
            made = _MARK
        elif code.name in ("REDUCE", "NEWOBJ", "BUILD", *_FILLING):
            made = taken[0]
        if code.name in _FILLING and made is not None:
            found[made] = _FILLING[code.name]
        stack += [made] * len(code.stack_after)
    return found


def _taken(stack: list[str | None], wanted: list) -> list[str | None]:
    """What an opcode pops from the stack."""
    count = len(wanted)
    if pickletools.markobject in wanted:  # everything above the last mark, the mark, and what is wanted below it
        count = stack[::-1].index(_MARK) + 1 + wanted.index(pickletools.markobject)
    begin = len(stack) - count
    taken = stack[begin:]
    del stack[begin:]
    return taken


def _name(module: str, name: str) -> str:
    """The name of a class or function in Python 3, as torch uses it."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"
