"""Imports point down, never sideways: the picture in CONTRIBUTING is read, and held."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PICTURE = re.compile(r"^      (\w+)(?:/|\.py) +(\d+) ", re.MULTILINE)  # `      losses/   3   the objective`
LAYER = {name: int(layer) for name, layer in PICTURE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))}
PACKAGE = ROOT / "tempclr"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part(path: Path) -> str:
    """The file or folder of the package that a file is, or is in."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, by their path below it, in whatever form."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "tempclr":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tempclr."):
            below = node.module.removeprefix("tempclr.")
            # `from tempclr.tasks import retrieval` is an import of tasks.retrieval
            found |= {f"{below}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("tempclr.") for alias in node.names if alias.name.startswith("tempclr.")}
            assert not any(alias.name.startswith("tempclr_widgets") for alias in node.names)
    return found - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_from_lower_layers_alone(path: Path):
    own = part(path)
    for module in imported(path):
        other = module.split(".")[0]
        assert other == own or LAYER[other] < LAYER[own], f"{own} imports {module}"


def test_every_file_has_a_layer():
    assert {part(path) for path in FILES} == set(LAYER)


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


def test_importing_the_package_imports_nothing_heavy():
    program = "import sys, tempclr; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {
        "matplotlib",
        "plotly",
        "numba",
        "triton",
        "papermill",
        "transformers",
        "peft",
        "minigrid",
        "IPython",
        "tempclr_widgets",
    }
    assert not heavy & set(done.stdout.split())
