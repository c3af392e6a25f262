"""The command line: run a notebook, list its parameters, explore a run, audit a model, run the demo.

Each command imports what it needs only when it runs, so help, parameter lists and refusals do not wait for torch.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tempclr import __version__
from tempclr._util.optional import import_optional

if TYPE_CHECKING:
    from tempclr_widgets.view import Page


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 refused, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except ValueError as error:
        print(f"tempclr: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader closed the pipe, as in `tempclr params 02_train | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python reports it again at exit
        return 1
    except KeyboardInterrupt:
        again = "continues" if options.command in (_run, _demo) else "starts over"
        print(f"tempclr: interrupted; the same command {again}", file=sys.stderr)
        return 130
    except Exception as error:
        if type(error).__name__ != "PapermillExecutionError":
            raise
        print(f"tempclr: {error}", file=sys.stderr)
        return 1
    return 0


def saved_page(saved: Mapping[str, object]) -> "Page | None":
    """Return the page of a view saved in a notebook; see `tempclr_widgets.saved_page`, imported only if needed."""
    import_optional("anywidget", "notebooks")
    import tempclr_widgets

    return tempclr_widgets.saved_page(saved)


def _parser() -> argparse.ArgumentParser:
    """All commands and their help."""
    parser = argparse.ArgumentParser(prog="tempclr", description="Align sequences, and learn to.")
    parser.add_argument("--version", action="version", version=f"tempclr {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="execute a notebook headlessly into a new folder"))
    _add_params(commands.add_parser("params", help="list the parameters of a notebook"))
    view = commands.add_parser(
        "view",
        help="write an HTML page to explore a run offline",
        description="Write one self-contained HTML page with the sentences of a video, its clips and their alignment, "
        "linked to each other. Its controls work without a kernel and without a network.",
    )
    _add_view(view)
    audit = commands.add_parser(
        "audit",
        help="measure how often a model notices a wrong order",
        description="Measure how often a model scores a wrong order of the clips or sentences of a video below the "
        "true one, by kind of wrong order, and write a page, pictures and metrics.json into a new folder.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_audit(audit)
    _add_demo(commands.add_parser("demo", help="train, evaluate and report on simulated videos (about 4 minutes)"))
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    """Arguments of `run`."""
    run.add_argument("notebook", help="path of a notebook, or name of one that ships with tempclr (such as 02_train)")
    run.add_argument(
        "-p",
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a parameter; repeat the option to set more",
    )
    run.add_argument(
        "--preset",
        metavar="NAME",
        help="start from a preset, such as `published` of 02_train and 06_localization or `low-temperature` of "
        "02_train, or from a JSON file of parameters; -p overrides single values",
    )
    run.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder for everything that the notebook writes"
    )
    run.set_defaults(command=_run)


def _add_params(params: argparse.ArgumentParser) -> None:
    """Arguments of `params`."""
    params.add_argument("notebook", help="path of a notebook, or name of one that ships with tempclr")
    params.set_defaults(command=_params)


def _add_view(view: argparse.ArgumentParser) -> None:
    """Arguments of `view`."""
    view.add_argument(
        "run_dir", type=Path, metavar="RUN_DIR", help="folder of a run of 02_train, 03_retrieval or 04_explore"
    )
    view.add_argument("--video", type=int, metavar="N", help="number of the video in the test split (default: 0)")
    view.add_argument(
        "--out", type=Path, metavar="FILE", help="file to write, ending in .html (default: RUN_DIR/explorer.html)"
    )
    view.set_defaults(command=_view)


def _add_audit(audit: argparse.ArgumentParser) -> None:
    """Arguments of `audit`, and what its names mean."""
    from tempclr.experiments.choices import SCORES, SIDES, WRONG_SEQUENCES

    audit.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="INPUT",
        help="embeddings (.npz), a folder of features with sentences.npz, a training run or a folder of them; several "
        "stand in one table, and seeds of one method count as one model",
    )
    audit.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder of the report")
    named = (
        ("--scores", "scores", SCORES, tuple(SCORES)[:4]),
        ("--kinds", "kinds", WRONG_SEQUENCES, tuple(WRONG_SEQUENCES)),
        ("--sides", "sides", SIDES, tuple(SIDES)),
    )
    explained = []
    for option, what, table, default in named:
        shown = "all" if default == tuple(table) else ", ".join(default)
        audit.add_argument(
            option, nargs="+", dest=what, default=default, metavar="NAME", help=f"{what}, see below (default: {shown})"
        )
        explained += [f"{what}:", *(f"  {name:10} {choice.help}" for name, choice in table.items()), ""]
    audit.add_argument(
        "--orders", type=int, default=31, metavar="N", help="wrong orders per video, kind and side (default: 31)"
    )
    audit.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the wrong orders (default: 0)")
    audit.add_argument(
        "--split", default="test", metavar="SPLIT", help="videos of features and training runs (default: test)"
    )
    audit.add_argument(
        "--frozen",
        action="store_true",
        help="audit the features of the training runs, too, mapped to the sentences by least squares",
    )
    audit.epilog = "\n".join(explained)
    audit.set_defaults(command=_audit)


def _add_demo(show: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    show.add_argument(
        "--out",
        type=Path,
        default=Path("runs/demo"),
        metavar="DIR",
        help="folder of the report and of all runs (default: runs/demo)",
    )
    show.add_argument(
        "--processes", type=int, default=2, metavar="N", help="training runs or notebooks at a time (default: 2)"
    )
    show.add_argument(
        "--smoke", action="store_true", help="use tiny sizes to check that everything runs; the results mean nothing"
    )
    show.set_defaults(command=_demo)


def _run(options: argparse.Namespace) -> None:
    """Execute one notebook."""
    from tempclr.launcher import execute
    from tempclr.launcher.parameters import preset

    given: dict[str, object] = {}
    for text in options.parameter:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"expected a parameter NAME=VALUE, got {text!r}")
        if name in given:
            raise ValueError(f"expected each parameter once, got {name} twice")
        given[name] = value
    chosen = preset(options.notebook, options.preset) if options.preset else {}
    print(execute.run(options.notebook, {**chosen, **given}, options.out, saved_page=saved_page))


def _params(options: argparse.Namespace) -> None:
    """Print the name, type, default and comment of every parameter; "see TABLE" becomes the names in that table."""
    from tempclr.experiments.choices import TABLES
    from tempclr.launcher.parameters import read_parameters

    def names(found: re.Match[str]) -> str:
        return f"one of {', '.join(map(repr, TABLES[found[1]]))}"

    listed = read_parameters(options.notebook)
    width = max((len(parameter.name) for parameter in listed), default=0)
    for parameter in listed:
        text = re.sub(rf"\bsee ({'|'.join(TABLES)})\b", names, parameter.help)
        print(f"{parameter.name:{width}}  {parameter.type:5}  {parameter.default!r}  {text}".rstrip())


def _view(options: argparse.Namespace) -> None:
    """Write a page of a run and print its path."""
    out = options.out or options.run_dir / "explorer.html"
    if out.suffix.lower() != ".html" or not out.parent.is_dir():
        raise ValueError(f"expected a file ending in .html in an existing folder, got {out}")
    from tempclr.experiments import alignment_file

    shown = alignment_file.of_run(options.run_dir, options.video)
    import_optional("anywidget", "notebooks")
    from tempclr_widgets import AlignmentExplorer

    view = AlignmentExplorer(shown.cost, sentences=shown.sentences, frames=shown.frames, gamma=shown.gamma)
    view.title = f"Alignment of {shown.name}"
    print(view.save(out))


def _audit(options: argparse.Namespace) -> None:
    """Audit models, print the table and where the report is."""
    from tempclr.experiments.choices import SCORES, SIDES, WRONG_SEQUENCES

    for what, table in (("scores", SCORES), ("kinds", WRONG_SEQUENCES), ("sides", SIDES)):
        names = getattr(options, what)
        if not set(names) <= table.keys() or len(set(names)) < len(names):
            raise ValueError(f"expected {what} among {', '.join(table)}, each once, got {', '.join(names)}")
    for path in options.inputs:
        if not path.exists():
            raise ValueError(f"expected an .npz file, a folder of features or a training run at {path}, found nothing")
    if options.orders < 1:
        raise ValueError(f"expected --orders of at least 1, got {options.orders}")
    if options.out.exists():
        raise ValueError(f"expected a folder that does not exist, got {options.out}; delete it or choose another")
    from tempclr.studies import audit, audit_page

    audit_page.check(options.out)
    found = audit.audits(
        audit.subjects(options.inputs, split=options.split, frozen=options.frozen),
        scores=options.scores,
        kinds=options.kinds,
        sides=options.sides,
        orders=options.orders,
        seed=options.seed,
        progress=True,
    )
    metrics = audit.as_metrics(found, seed=options.seed)
    audit_page.write(options.out, metrics)
    print(audit.as_text(metrics))
    print(f"\nThe report is at {options.out / 'index.html'}")


def _demo(options: argparse.Namespace) -> None:
    """Run the demo, or say that it is done."""
    if options.processes < 1:
        raise ValueError(f"expected --processes of at least 1, got {options.processes}")
    from tempclr.studies import demo

    demo.run(options.out, processes=options.processes, smoke=options.smoke, saved_page=saved_page)
