"""Files of torch that hold more than tensors: only these and plain containers are made, stand-ins replace the rest.

`torch.load` with `weights_only=True` makes nothing else by itself, and refuses a file that names anything else, such
as the settings of a training. Here the file is first read as a list of instructions, without carrying out any, to learn
which classes and functions it names and whether their objects are filled like a dict or like a list.
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


def load_with_stand_ins(path: Path) -> tuple[object, tuple[str, ...]]:
    """Return what a file holds that `torch.save` wrote as it does by default, also long ago, and what was replaced.

    An object of a class that is not let in becomes a dict or a list, if it is filled like one, or else an
    empty object; so does what a function returns. Nothing that the file names is imported or called.

    Raises:
        ValueError: If it is no such file, is damaged, or names a module that could do harm even so.
    """
    try:
        instructions = _instructions(path)
        filled = _filled(instructions)
        with _nothing_let_in():
            names = tuple(sorted(torch.serialization.get_unsafe_globals_in_checkpoint(_alone(instructions))))
            stand_ins: list[Any] = [(type("StandIn", (filled.get(name, _Empty),), {}), name) for name in names]
            torch.serialization.add_safe_globals(stand_ins)
            return torch.load(path, map_location="cpu", weights_only=True), names
    except Exception as error:  # damaged or unsafe files fail in many ways
        raise ValueError(
            f"expected {path} to be a checkpoint of torch with tensors and plain containers; "
            f"nothing in it was run: {error}"
        ) from error


@contextmanager
def _nothing_let_in() -> Iterator[None]:
    """Forget for a while which classes the program allows torch to make."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


class _Empty:
    """In place of an object: it takes what it is given and forgets it."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _Mapping:
    """In place of a class whose objects are filled like a dict."""

    def __new__(cls, *_: object) -> OrderedDict:  # type: ignore[misc]
        return OrderedDict()


class _List:
    """In place of a class whose objects are filled like a list."""

    def __new__(cls, *_: object) -> list:  # type: ignore[misc]
        return []


MARK = "("  # no name
FILLING = {"SETITEM": _Mapping, "SETITEMS": _Mapping, "APPEND": _List, "APPENDS": _List}


def _instructions(path: Path) -> bytes:
    """The pickle of a file's objects, without the numbers of its tensors."""
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            with zipfile.ZipFile(file) as archive:
                (name,) = (each for each in archive.namelist() if each.endswith("/data.pkl"))
                return archive.read(name)
        file.seek(0)  # as torch wrote before 1.6: several pickles, then the numbers
        for _ in ("a magic number", "the version", "the machine"):
            _pass_over(file)
        begin = file.tell()
        _pass_over(file)
        end = file.tell()
        file.seek(begin)
        return file.read(end - begin)


def _pass_over(file: io.BufferedReader) -> None:
    """Go to the end of a pickle."""
    for _ in pickletools.genops(file):
        pass


def _alone(instructions: bytes) -> io.BytesIO:
    """A file of torch with these instructions and no tensors."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", instructions)
        archive.writestr("archive/version", "3\n")
    file.seek(0)
    return file


def _filled(instructions: bytes) -> dict[str, type]:
    """Stand-ins for those names whose objects are filled with items.

    The stack of the pickle is followed with, in the place of each object, the name of what made it.
    """
    found: dict[str, type] = {}
    stack: list[str | None] = []
    memo: dict[int, str | None] = {}
    argument: Any
    for code, argument, _ in pickletools.genops(instructions):
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
            made = MARK
        elif code.name in ("REDUCE", "NEWOBJ", "BUILD", *FILLING):
            made = taken[0]
        if code.name in FILLING and made is not None:
            found[made] = FILLING[code.name]
        stack += [made] * len(code.stack_after)
    return found


def _taken(stack: list[str | None], wanted: list) -> list[str | None]:
    """What an instruction takes from the stack."""
    count = len(wanted)
    if pickletools.markobject in wanted:  # all down to the last mark, and what is wanted below
        count = stack[::-1].index(MARK) + 1 + wanted.index(pickletools.markobject)
    begin = len(stack) - count
    taken = stack[begin:]
    del stack[begin:]
    return taken


def _name(module: str, name: str) -> str:
    """The name of a class or function, as torch calls it: that of today's Python."""
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"
