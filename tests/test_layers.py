"""Imports point down, never sideways, as the picture in CONTRIBUTING says; `import tempclr` loads nothing heavy."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tempclr

ROOT = Path(__file__).parent.parent
PICTURE = re.compile(r"^      (\w+)(?:/|\.py) +(\d+) ", re.MULTILINE)  # `      losses/   3   the objective`
LAYER = {name: int(layer) for name, layer in PICTURE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))}
PACKAGE = ROOT / "tempclr"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
NAME = re.compile(r"(tempclr|tempclr_widgets)(\.\w+)*")
OFFERED = {  # names of the package -> where it takes them from
    alias.asname: f"tempclr.{statement.module}.{alias.name}" if statement.module else f"tempclr.{alias.name}"
    for statement in ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8")).body
    if isinstance(statement, ast.ImportFrom)
    for alias in statement.names
}
USES_WIDGETS = {"cli"}
HEAVY = {
    *("torch", "numpy", "accelerate", "jaxtyping", "matplotlib", "plotly", "numba", "triton", "papermill"),
    *("transformers", "peft", "minigrid", "IPython", "tempclr_widgets"),
}


def part(path: Path) -> str:
    """The file or folder directly below `tempclr` that a file is, or is in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def named(source: str, package: str) -> Iterator[str]:
    """Full names of what a module of a package imports: by a statement, by a string, or as `tempclr.name`.

    A string counts if it is the name of a module, as in `import_module("tempclr.losses")`. `from a import b` counts
    as `a.b`, which may be a module or something in one. A name of the package itself counts as what it stands for,
    as `import tempclr` loads it on use.
    """
    nodes = list(ast.walk(ast.parse(source)))
    roots = {
        alias.asname or alias.name.split(".")[0]
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "tempclr" or (alias.name.startswith("tempclr.") and not alias.asname)
    }
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            found = (".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names)
            yield from (OFFERED.get(name.removeprefix("tempclr."), name) for name in found)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
            yield node.value
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in roots:
            yield OFFERED.get(node.attr, f"tempclr.{node.attr}")


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, by their names below `tempclr`."""
    package = ".".join(("tempclr", *path.relative_to(PACKAGE).parts[:-1]))
    found = {name.removeprefix("tempclr.") for name in named(path.read_text(), package) if name.startswith("tempclr.")}
    return found - {"__version__", "__file__"}


# known answers


@pytest.mark.parametrize(
    "source",
    [
        "from tempclr.losses import model",
        "import tempclr.losses.model",
        "import tempclr.losses.model as objective",
        "def later():\n    from tempclr.losses import model",
        "from ..losses import model",
        "importlib.import_module('tempclr.losses.model')",
        "import_optional('tempclr.losses.model', 'notebooks')",
        "lazy_loader.load('tempclr.losses.model')",
    ],
)
def test_every_form_of_import_is_seen(source: str):
    assert "tempclr.losses.model" in set(named(source, "tempclr.training"))


@pytest.mark.parametrize(
    "source", ["import tempclr\ntempclr.train(1)", "import tempclr as t\nt.train(1)", "from tempclr import train"]
)
def test_a_name_of_the_package_counts_as_what_it_stands_for(source: str):
    assert "tempclr.training.loop.train" in set(named(source, "tempclr.losses"))


# laws


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_from_lower_layers_alone(path: Path):
    own = part(path)
    for module in imported(path):
        other = module.split(".")[0]
        assert other == own or LAYER[other] < LAYER[own], f"{own} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_imports_the_widgets(path: Path):
    widgets = {name for name in named(path.read_text(), "") if name.split(".")[0] == "tempclr_widgets"}
    assert not widgets or part(path) in USES_WIDGETS


def test_every_file_has_a_layer():
    assert {part(path) for path in FILES} == set(LAYER)
    assert len(set(LAYER) - {"__main__"}) <= 17


def test_files_of_a_folder_import_each_other_without_a_cycle():
    for folder in (path for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()):
        inside = {path.stem: path for path in folder.glob("*.py") if path.stem != "__init__"}
        needs = {
            stem: {
                other
                for other in inside
                if any(f"{module}.".startswith(f"{folder.name}.{other}.") for module in imported(path))
            }
            - {stem}
            for stem, path in inside.items()
        }
        while needs:
            free = [stem for stem, others in needs.items() if not others & needs.keys()]
            assert free, f"cycle among {sorted(needs)} in {folder.name}"
            for stem in free:
                del needs[stem]


def test_the_package_has_few_names_and_each_is_there():
    assert len(tempclr.__all__) <= 25
    for name in tempclr.__all__:
        assert getattr(tempclr, name) is not None


def loaded(program: str) -> set[str]:
    """Modules that a fresh interpreter has imported after a program."""
    program += "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_nothing_heavy():
    assert not HEAVY & loaded("import tempclr; tempclr.__version__; dir(tempclr)")


def test_parts_are_attributes_of_the_package_and_load_no_plots():
    modules = loaded("import tempclr; tempclr.tasks, tempclr.plots, tempclr.data, tempclr.metrics, tempclr.pairwise")
    assert {"tempclr.tasks", "tempclr.plots", "tempclr.data", "tempclr.metrics", "tempclr.pairwise"} <= modules
    assert not {"matplotlib", "plotly"} & modules


def test_the_parameters_of_training_need_no_torch():
    assert "torch" not in loaded("import tempclr; tempclr.TrainConfig(steps=30)")


# refusals


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="soft_dwt"):
        tempclr.soft_dwt  # noqa: B018
