"""The command line: run a notebook, list its parameters, look at a run, run the demo."""

import argparse
import os
import sys
from pathlib import Path

from tempclr import __version__
from tempclr._util.optional import import_optional
from tempclr.experiments import alignment_file
from tempclr.launcher import execute
from tempclr.launcher.parameters import preset, read_parameters
from tempclr.studies import demo


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a notebook failed, 2 refused, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except ValueError as error:
        print(f"tempclr: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader has seen enough, as in `tempclr params 02_train | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again when it exits
        return 1
    except KeyboardInterrupt:
        print("tempclr: interrupted; the same command continues", file=sys.stderr)
        return 130
    except Exception as error:
        if type(error).__name__ != "PapermillExecutionError":
            raise
        print(f"tempclr: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    """All commands and their help."""
    parser = argparse.ArgumentParser(prog="tempclr", description="Align sequences, and learn to.")
    parser.add_argument("--version", action="version", version=f"tempclr {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="execute a notebook headlessly into a new folder")
    run.add_argument("notebook", help="path of a notebook, or name of one that ships (such as 02_train)")
    run.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a parameter; repeat for more"
    )
    run.add_argument(
        "--preset",
        metavar="NAME",
        help="parameters chosen together, such as `published` for 02_train and 06_localization, or a JSON file of "
        "them; those given by -p come before",
    )
    run.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for everything it makes")
    run.set_defaults(command=_run)

    params = commands.add_parser("params", help="list the parameters of a notebook")
    params.add_argument("notebook", help="path of a notebook, or name of one that ships")
    params.set_defaults(command=_params)

    view = commands.add_parser(
        "view",
        help="write a page in which a run can be explored, offline",
        description="Write one self-contained HTML page: sentences, clips and their alignment, linked; its sliders "
        "work without a kernel and without a network.",
    )
    view.add_argument(
        "run_dir", type=Path, metavar="RUN_DIR", help="folder of a run of 02_train, 03_retrieval or 04_explore"
    )
    view.add_argument("--video", type=int, metavar="N", help="which video of the test split (0)")
    view.add_argument("--out", type=Path, metavar="FILE", help="the page, ending in .html (RUN_DIR/explorer.html)")
    view.set_defaults(command=_view)

    show = commands.add_parser("demo", help="train, evaluate and look, on simulated procedures; about 4 minutes")
    show.add_argument(
        "--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="folder of the report (runs/demo)"
    )
    show.add_argument("--processes", type=int, default=2, metavar="N", help="notebooks at a time (2)")
    show.add_argument(
        "--smoke", action="store_true", help="tiny sizes, to see that everything runs; its numbers mean nothing"
    )
    show.set_defaults(command=_demo)
    return parser


def _run(options: argparse.Namespace) -> None:
    """Execute one notebook."""
    given: dict[str, object] = {}
    for text in options.parameter:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"expected a parameter NAME=VALUE, got {text!r}")
        if name in given:
            raise ValueError(f"expected each parameter once, got {name} twice")
        given[name] = value
    chosen = preset(options.notebook, options.preset) if options.preset else {}
    print(execute.run(options.notebook, {**chosen, **given}, options.out))


def _params(options: argparse.Namespace) -> None:
    """Print name, type, default and comment of every parameter."""
    listed = read_parameters(options.notebook)
    width = max((len(parameter.name) for parameter in listed), default=0)
    for parameter in listed:
        print(f"{parameter.name:{width}}  {parameter.type:5}  {parameter.default!r}  {parameter.help}".rstrip())


def _view(options: argparse.Namespace) -> None:
    """Write a page of a run and print where it is."""
    out = options.out or options.run_dir / "explorer.html"
    if out.suffix.lower() != ".html" or not out.parent.is_dir():
        raise ValueError(f"expected a file that ends in .html in a folder that exists, got {out}")
    shown = alignment_file.of_run(options.run_dir, options.video)
    import_optional("anywidget", "notebooks")
    from tempclr_widgets import AlignmentExplorer

    view = AlignmentExplorer(shown.cost, sentences=shown.sentences, frames=shown.frames, gamma=shown.gamma)
    view.title = f"Alignment of {shown.name}"
    print(view.save(out))


def _demo(options: argparse.Namespace) -> None:
    """Run the demo, or say that it is done."""
    demo.run(options.out, processes=options.processes, smoke=options.smoke)
