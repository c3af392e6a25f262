"""The reading list of the package: short, in order, and complete."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tempclr"
LISTED = re.compile(r"^    ([\w/]+) {2,}\S", re.MULTILINE)
DOCSTRING = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")), clean=False)
METHOD, TRUSTED = (LISTED.findall(part) for part in DOCSTRING.split("taken on trust"))


def source(name: str) -> Path:
    """The file of a module, or of a package."""
    path = PACKAGE / name
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def defined_in(module: str, name: str) -> str:
    """The module that defines a name of another one, which may only pass it on."""
    if source(f"{module}/{name}").is_file():
        return f"{module}/{name}"
    for node in ast.parse(source(module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.asname or alias.name for alias in node.names]:
            return defined_in(node.module.removeprefix("tempclr.").replace(".", "/"), name)
    return module


def needed(name: str) -> set[str]:
    """The modules of the package that a file imports, in whatever form and wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(source(name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module != "tempclr", f"{name}: name the module that is imported from"
            if node.module.startswith("tempclr."):
                module = node.module.removeprefix("tempclr.").replace(".", "/")
                found |= {defined_in(module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("tempclr") for alias in node.names)
    return found


def test_the_method_is_read_in_an_hour():
    assert len(METHOD) > 10 and len(set(METHOD)) == len(METHOD)
    assert sum(len(source(name).read_text(encoding="utf-8").splitlines()) for name in METHOD) <= 1250


@pytest.mark.parametrize("name", METHOD)
def test_a_file_of_the_method_needs_those_before_it_and_those_on_trust(name: str):
    before = METHOD[: METHOD.index(name)]
    assert needed(name) <= {*before, *TRUSTED}


def test_nothing_is_listed_in_vain():
    assert all(source(name).is_file() for name in (*METHOD, *TRUSTED))
    assert set(TRUSTED) == set().union(*map(needed, METHOD)) - set(METHOD)
