import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import nbformat
import pytest

from tempclr.cli import main


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    cell = nbformat.v4.new_code_cell('number: int = 1\nrun_dir: str = ""')
    cell.metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell("1 / 0")])
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, tmp_path / "fails.ipynb")
    return tmp_path / "fails.ipynb"


# known answers


def test_params_lists_the_parameters_of_a_notebook(capsys: pytest.CaptureFixture):
    assert main(["params", "01_soft_dtw"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["x_steps", "int", "24"]
    assert any(line.startswith("gammas") and "[0.001, 0.03, 0.3, 3.0]" in line for line in lines)


def test_help_names_every_command():
    done = subprocess.run([sys.executable, "-m", "tempclr", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("run", "params", "view", "audit", "demo"))


# laws


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["run", "--help"], 0),
        (["audit", "--help"], 0),
        (["params", "02_train"], 0),
        (["run", "02_train", "-p", "nothing=1", "--out", "never"], 2),
        (["run", "02_train", "-p", "steps=many", "--out", "never"], 2),
        (["run", "02_train", "--preset", "nothing", "--out", "never"], 2),
        (["view", "never", "--out", "page.txt"], 2),
        (["audit", "never.npz", "--out", "never"], 2),
        (["audit", ".", "--scores", "nothing", "--out", "never"], 2),
        (["audit", ".", "--kinds", "swaps", "swaps", "--out", "never"], 2),
        (["audit", ".", "--sides", "both", "--out", "never"], 2),
        (["audit", ".", "--orders", "0", "--out", "never"], 2),
        (["audit", ".", "--out", "."], 2),
        (["demo", "--processes", "0", "--out", "never"], 2),
    ],
)
def test_help_lists_and_refusals_do_not_wait_for_heavy_imports(arguments: list[str], code: int, tmp_path: Path):
    program = f"""
import sys
from tempclr.cli import main
try:
    code = main({arguments})
except SystemExit as ended:
    code = ended.code
print("loaded", *sys.modules)
raise SystemExit(code)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"torch", "papermill", "nbconvert", "matplotlib", "accelerate"} & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "place", "words"),
    [
        (["run", "02_train"], "tempclr.launcher.execute.run", "the same command continues"),
        (["audit", "."], "tempclr.studies.audit.subjects", "the same command starts over"),
    ],
)
def test_an_interrupted_command_says_whether_it_continues(
    arguments: list[str],
    place: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupt)
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 130
    assert words in capsys.readouterr().err


@pytest.mark.kernel
def test_a_failing_notebook_exits_with_1_and_reports_the_error(
    failing: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert main(["run", str(failing), "--out", str(tmp_path / "out")]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_reader_that_closes_the_pipe_sees_no_traceback():
    command = [sys.executable, "-m", "tempclr", "params", "02_train"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listing:
        listing.stdout.close()
        assert listing.stderr.read() == ""
    assert listing.returncode == 1


@pytest.mark.kernel
def test_an_interrupt_stops_every_process_and_keeps_finished_work(tmp_path: Path):
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "tempclr", "demo", "--smoke", "--out", str(out)]
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=listening
    ) as demo:
        checkpoint = out / "unknown-unit-0.partial" / "last.pt"
        deadline = time.monotonic() + 600
        while not checkpoint.exists() and not checkpoint.parent.with_suffix("").exists():
            assert demo.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(demo.pid, signal.SIGINT)  # as Ctrl-C does
        errors = demo.stderr.read()
    assert demo.returncode == 130
    assert "the same command continues" in errors
    assert "Traceback" not in errors
    assert list(out.glob("unknown-*")) and not (out / "index.html").exists()


@pytest.mark.kernel
def test_parameters_override_those_of_a_preset(tmp_path: Path):
    cell = nbformat.v4.new_code_cell('number: int = 1\nshare: float = 0.5\nrun_dir: str = ""')
    cell.metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, tmp_path / "small.ipynb")
    (tmp_path / "small.large.json").write_text('{"number": 7, "share": 0.25}')
    out = tmp_path / "out"
    assert main(["run", str(tmp_path / "small.ipynb"), "--preset", "large", "-p", "number=8", "--out", str(out)]) == 0
    assert json.loads((out / "env.json").read_text())["parameters"] == {"number": 8, "share": 0.25}


# refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "number"], "NAME=VALUE, got 'number'"),
        (["-p", "=1"], "NAME=VALUE"),
        (["-p", "number=1", "-p", "number=2"], "each parameter once"),
        (["-p", "other=1"], "got other"),
        (["-p", "number=x"], "of type int"),
    ],
)
def test_bad_parameters_exit_with_2_before_anything_starts(
    failing: Path, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert main(["run", str(failing), *arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_an_existing_folder_exits_with_2(failing: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["run", str(failing), "--out", str(tmp_path)]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_no_processes_exit_with_2(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["demo", "--processes", "0", "--out", str(tmp_path / "demo")]) == 2
    assert "--processes of at least 1, got 0" in capsys.readouterr().err
