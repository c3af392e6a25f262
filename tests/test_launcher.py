import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import nbformat
import psutil
import pytest
from filelock import FileLock

from tempclr.cli import main, saved_page
from tempclr.launcher import signals
from tempclr.launcher.execute import NotebookRun, run
from tempclr.launcher.parameters import preset, read_parameters, resolve
from tempclr.launcher.pool import is_done, run_all
from tempclr.training.checkpoints import load
from tempclr.training.history import read_history


def write(path: Path, code: str, declared: str = "") -> Path:
    """Write a notebook of a parameter cell and one code cell."""
    cell = nbformat.v4.new_code_cell(
        f'number: int = 1  # any\nshare: float = 0.5\nrun_dir: str = ""\n{declared}'.strip()
    )
    cell.metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(code)])
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)
    return path


SMALL = """
from tempclr.experiments.runs import Run
Run(run_dir, number=number).finish({'number': number})
print('<script>x</script>')
"""


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return write(tmp_path / "small.ipynb", SMALL)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A notebook and the folder of its run with number=3, for tests that only read them."""
    folder = tmp_path_factory.mktemp("finished")
    notebook = write(folder / "small.ipynb", SMALL)
    return notebook, run(notebook, {"number": 3}, folder / "out", progress=False)


TRAINING = """
import time
from pathlib import Path
import torch
from accelerate import Accelerator
from tempclr import Pair, TempCLR, TrainConfig, train
from tempclr.encoders import Projection
from tempclr.experiments.runs import Run
from tempclr.losses import OrderTerm
torch.manual_seed(0)
torch.set_num_threads(1)
pairs = [
    Pair(str(k), torch.randn(3, 4), torch.randn(3, 4), torch.arange(3), tuple(f"{k} {i}" for i in range(3)))
    for k in range(6)
]
model = TempCLR(Projection(4, 4), Projection(4, 4), order=OrderTerm(negatives=2))
config = TrainConfig(steps=100, batch=4, warmup=2, checkpoint_every=1000)
given = {"accelerator": Accelerator(cpu=True), "generator": torch.Generator().manual_seed(0), "folder": run_dir}
for record in train(model, pairs, config, **given):
    if record.ended == "terminated":
        raise SystemExit("asked to end")
    time.sleep(0.05 if SLOW.exists() else 0)
Run(run_dir).finish({"weights": [weight.tolist() for weight in model.parameters()]})
"""

WAITING = """
import os, signal, sys, time
from pathlib import Path

def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # for signals that arrive while the kernel closes
    sys.exit("asked to end")

if SLOW.exists():
    signal.signal(signal.SIGTERM, end)
    Path(run_dir, "processes").write_text(f"{os.getpid()} {os.getppid()} .")
try:
    while SLOW.exists():
        time.sleep(0.05)
finally:
    Path(run_dir, "in order").touch()
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A file; as long as it exists, a notebook waits."""
    (tmp_path / "slow").touch()
    return tmp_path / "slow"


def until(true: Callable[[], object], still: subprocess.Popen | None = None) -> None:
    """Wait until a condition holds, even on a busy machine; fail if a process ends before."""
    deadline = time.monotonic() + 600
    while not true():
        assert time.monotonic() < deadline and (still is None or still.poll() is None)
        time.sleep(0.05)


def started(*arguments: str) -> subprocess.Popen:
    """Start Python in its own process group; it handles Ctrl-C, which a shell's background jobs ignore."""
    listening = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        [sys.executable, *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=listening
    )


def lives(process: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# known answers


def test_parameters_are_read_with_type_default_and_comment(notebook: Path):
    found = [(each.name, each.type, each.default, each.help) for each in read_parameters(notebook)]
    assert found == [("number", "int", 1, "any"), ("share", "float", 0.5, ""), ("run_dir", "str", "", "")]


def test_text_is_parsed_where_another_type_is_expected(notebook: Path):
    assert resolve(notebook, {"number": "7", "share": "2"}) == {"number": 7, "share": 2.0, "run_dir": ""}
    assert resolve(notebook, {"run_dir": "12"})["run_dir"] == "12"


def test_a_preset_stands_beside_its_notebook_or_in_a_file(notebook: Path, tmp_path: Path):
    notebook.with_suffix(".large.json").write_text('{"number": 7}')
    (tmp_path / "mine.json").write_text('{"share": 0.25}')
    assert preset(notebook, "large") == {"number": 7}
    assert preset(notebook, str(tmp_path / "mine.json")) == {"share": 0.25}


# laws


@pytest.mark.kernel
def test_a_run_leaves_one_complete_folder(finished: tuple[Path, Path]):
    _, out = finished
    assert sorted(path.name for path in out.iterdir()) == [
        "env.json",
        "metrics.json",
        "notebook.ipynb",
        "params.json",
        "report.html",
    ]
    assert json.loads((out / "metrics.json").read_text()) == {"number": 3}
    env = json.loads((out / "env.json").read_text())
    assert env["parameters"] == {"number": 3, "share": 0.5}
    assert not out.with_name("out.partial").exists()


@pytest.mark.kernel
def test_the_page_loads_nothing_from_the_network_and_escapes_output(finished: tuple[Path, Path]):
    page = (finished[1] / "report.html").read_text()
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)\s*=\s*[\"']([^\"']+)", page)
    assert [address for address in loaded if not address.startswith("data:")] == []
    assert not re.search(r"url\(\s*[\"']?https?:|@import|import\([\"']https?:", page)
    assert "<script>x</script>" not in page and "&lt;script&gt;x&lt;/script&gt;" in page


@pytest.mark.kernel
def test_the_page_shows_the_last_text_of_a_progress_bar(tmp_path: Path):
    code = "from tqdm.auto import tqdm\nfor _ in tqdm(range(3), desc='<b>steps</b>'):\n    pass"
    page = (run(write(tmp_path / "bar.ipynb", code), {}, tmp_path / "out", progress=False) / "report.html").read_text()
    assert "&lt;b&gt;steps&lt;/b&gt;: 100% 3/3 [" in page and "0/3" not in page


@pytest.mark.kernel
def test_a_function_that_is_passed_in_makes_the_pages_of_widgets(tmp_path: Path):
    class Shown:
        def _repr_html_(self) -> str:
            return "<p>this page</p>"

    def page_of(saved: Mapping[str, object]) -> Shown | None:
        return Shown() if saved["model_name"] == "IntSliderModel" else None

    notebook = write(
        tmp_path / "slider.ipynb", "from ipywidgets import IntSlider, Text\ndisplay(IntSlider(), Text('x'))"
    )
    page = (run(notebook, {}, tmp_path / "out", saved_page=page_of, progress=False) / "report.html").read_text()
    assert page.count("<p>this page</p>") == 1 and "Text(value=" in page and "widget-view+json" not in page


@pytest.mark.kernel
def test_a_failed_run_is_kept_in_a_partial_folder_and_can_be_continued(tmp_path: Path):
    flag = tmp_path / "flag"
    code = f"import pathlib\nassert pathlib.Path({str(flag)!r}).exists()\nprint('went on')"
    notebook = write(tmp_path / "fails.ipynb", code)
    with pytest.raises(Exception, match="AssertionError"):
        run(notebook, {}, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists() and (tmp_path / "out.partial" / "notebook.ipynb").exists()
    with pytest.raises(ValueError, match="interrupted run with other parameters"):
        run(notebook, {"number": 2}, tmp_path / "out", progress=False)
    flag.touch()
    assert run(notebook, {}, tmp_path / "out", progress=False).is_dir()
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.kernel
def test_finished_jobs_are_skipped_and_a_failing_job_stops_no_other(notebook: Path, tmp_path: Path):
    good = NotebookRun(str(notebook), {"number": 5}, tmp_path / "good")
    bad = NotebookRun(str(write(tmp_path / "bad.ipynb", "1 / 0")), {}, tmp_path / "bad")
    with pytest.raises(ValueError, match=r"(?s)bad\.ipynb.*ZeroDivisionError"):
        run_all([bad, good], processes=1, description="test", saved_page=saved_page)
    assert is_done(good) and not is_done(bad)
    before = (good.out / "env.json").stat().st_mtime_ns
    run_all([good], processes=1, description="test")
    assert (good.out / "env.json").stat().st_mtime_ns == before


@pytest.mark.kernel
def test_an_interrupted_training_stores_its_last_step_and_continues_as_if_never_stopped(tmp_path: Path, slow: Path):
    notebook = write(tmp_path / "train.ipynb", TRAINING.replace("SLOW", f"Path({str(slow)!r})"))
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    command = ["run", str(notebook), "--out", str(out)]
    done = 0
    for number in (signal.SIGTERM, signal.SIGINT):
        with started("-m", "tempclr", *command) as running:
            until(lambda: (partial / "history.jsonl").exists() and len(read_history(partial)) > done, running)  # noqa: B023
            running.send_signal(number)
            errors = running.stderr.read()
        assert running.returncode == 130
        assert "the same command continues" in errors
        assert not re.search("Traceback|Task |Error|died", errors)
        last = read_history(partial)[-1]
        assert done < last["step"] < 100 and last["ended"] == "terminated"
        done = load(partial / "last.pt")["progress"]["step"]
        assert done == last["step"] and not out.exists()
    slow.unlink()
    assert main(command) == 0
    undisturbed = run(notebook, {}, tmp_path / "undisturbed", progress=False)
    assert (out / "metrics.json").read_text() == (undisturbed / "metrics.json").read_text()
    assert [record["step"] for record in read_history(out)] == list(range(1, 101))


@pytest.mark.kernel
@pytest.mark.parametrize(("send", "number", "count"), [(os.killpg, signal.SIGTERM, 2), (os.kill, signal.SIGKILL, 1)])
def test_no_job_outlives_the_process_that_started_it_and_all_can_be_continued(
    tmp_path: Path, slow: Path, send: Callable[[int, int], None], number: int, count: int
):
    notebook = write(tmp_path / "waits.ipynb", WAITING.replace("SLOW", f"Path({str(slow)!r})"))
    jobs = [NotebookRun(str(notebook), {"number": k}, tmp_path / f"out-{k}") for k in range(count)]
    told = [job.out.with_suffix(".partial") / "processes" for job in jobs]
    program = f"""
from tempclr.launcher.execute import NotebookRun
from tempclr.launcher.pool import run_all
from pathlib import PosixPath, WindowsPath
try:
    run_all({jobs}, processes=2, description="test")
except KeyboardInterrupt:
    raise SystemExit(130)
"""
    with started("-c", program) as running:
        until(lambda: all(path.exists() and path.read_text().endswith(".") for path in told), running)
        send(running.pid, number)
        errors = running.stderr.read()
    workers = [int(process) for path in told for process in path.read_text().split()[:2]]
    if number == signal.SIGTERM:
        assert running.returncode == 130 and not any(map(lives, workers))
    else:
        until(lambda: not any(map(lives, workers)))
    assert all((path.parent / "in order").exists() for path in told)
    assert "Traceback" not in errors
    slow.unlink()
    run_all(jobs, processes=2, description="test")
    assert all(map(is_done, jobs))


@pytest.mark.kernel
def test_a_second_signal_kills_a_kernel_that_ignores_the_first(tmp_path: Path):
    flag = tmp_path / "flag"
    code = f"import pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\npathlib.Path({str(flag)!r})"
    notebook = write(tmp_path / "deaf.ipynb", f"{code}.touch()\ntime.sleep(1000)")
    outside = signal.signal(signal.SIGTERM, lambda *_: None)  # of one that comes too late
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    ended = threading.Event()

    def ask() -> None:
        until(flag.exists)
        os.kill(os.getpid(), signal.SIGINT)
        while not ended.wait(1.5):  # those within a second are one, and this process may be slow to notice the first
            os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(notebook, {}, tmp_path / "out", progress=False)
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    finally:
        ended.set()
        asking.join()
        signal.signal(signal.SIGTERM, outside)
    assert (tmp_path / "out.partial" / "notebook.ipynb").exists()


def test_threads_other_than_the_main_one_leave_signals_alone():
    found = []

    def look() -> None:
        with signals.passed_to_kernel(), signals.received(), signals.sigint_ignored():
            found.extend(map(signal.getsignal, (signal.SIGTERM, signal.SIGINT)))

    looking = threading.Thread(target=look)
    looking.start()
    looking.join()
    assert found == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]


# refusals


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nubmer": 1}, "expected parameters among number, share, run_dir, got nubmer"),
        ({"number": "1.5"}, "number to be of type int, got 1.5"),
        ({"number": "x"}, "number to be of type int, got 'x'"),
        ({"number": True}, "number to be of type int, got True"),
        ({"share": "__import__('os')"}, "share to be of type float"),
        ({"run_dir": "elsewhere"}, "no run_dir among the parameters"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_before_anything_starts(
    notebook: Path, given: dict, message: str, tmp_path: Path
):
    with pytest.raises(ValueError, match=re.escape(message)):
        run(notebook, given, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_presets_that_do_not_fit_are_refused(notebook: Path):
    beside = notebook.with_suffix(".large.json")
    for content, message in (
        ("[1]", "expected a JSON object of parameters in .*, got list"),
        ("{", "expected a JSON object in .*large.json"),
        ('{"nubmer": 1}', "expected parameters among number, share, run_dir, got nubmer"),
        ('{"number": "x"}', "number to be of type int, got 'x'"),
    ):
        beside.write_text(content)
        with pytest.raises(ValueError, match=message):
            preset(notebook, "large")
    with pytest.raises(ValueError, match=r"a preset of small \(large\), got 'larger'"):
        preset(notebook, "larger")


def test_a_folder_that_exists_is_refused_and_untouched(notebook: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(ValueError, match="a folder that does not exist"):
        run(notebook, {}, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.kernel
def test_a_result_of_other_parameters_does_not_count_as_done(finished: tuple[Path, Path]):
    notebook, out = finished
    with pytest.raises(ValueError, match="other parameters or another version of the code"):
        is_done(NotebookRun(str(notebook), {"number": 2}, out))


def test_two_processes_cannot_write_one_folder(notebook: Path, tmp_path: Path):
    (tmp_path / "out.partial").mkdir()
    with FileLock(tmp_path / "out.partial" / ".lock"), pytest.raises(ValueError, match="no other process"):
        run(notebook, {}, tmp_path / "out")


def test_an_unknown_notebook_is_refused():
    with pytest.raises(ValueError, match=r"02_train, 03_retrieval, 04_explore, 05_gallery.*, got '99_nothing'"):
        read_parameters("99_nothing")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("free = 3", "`name: type = value` with a type among int, float, str, bool, list, got `free = 3`"),
        ("free: dict = {}", "got `free: dict = {}`"),
        ("free: int", "got `free: int`"),
        ("free: int = number + 1", "a literal value, got `free: int = number + 1`"),
        ("free: int = (", "never closed"),
    ],
)
def test_a_parameter_that_is_not_an_annotated_literal_is_refused(tmp_path: Path, declared: str, message: str):
    with pytest.raises(ValueError, match=re.escape("cannot read the parameters of free.ipynb")) as refusal:
        read_parameters(write(tmp_path / "free.ipynb", "", declared=declared))
    assert message in str(refusal.value)


def test_a_file_that_is_not_a_notebook_is_refused(tmp_path: Path):
    for content in ("{", "[]", "{}"):
        (tmp_path / "bad.ipynb").write_text(content)
        with pytest.raises(ValueError, match="expected a Jupyter notebook"):
            read_parameters(tmp_path / "bad.ipynb")
