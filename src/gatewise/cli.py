"""The command line: `gatewise run`, `gatewise explain`, `gatewise draw`, `gatewise explore`, `gatewise demo`.

Exit codes: 0 done; 1 the script raised; 2 something was asked for that cannot be; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gatewise.version import __version__

LANGUAGES = ("en", "zh", "de")
SUMMARY_STYLES = ("keras3", "classic")

_RUN = """\
Run a Python script that was written for Keras, unmodified.  Its imports of keras, keras.layers, tensorflow,
tensorflow.keras, tf_keras and so on are answered by gatewise; neither Keras nor TensorFlow is needed, and where they
are installed they are left alone.  A name that gatewise lacks gives an error that names the nearest one it has."""

_EXPLAIN = """\
Say in words what an LSTM layer is made of: what `units` is, the shape of every matrix, and the number of parameters by
gate, by matrix and in total, with the arithmetic written out.  Either for a layer given by its numbers,

    gatewise explain --units 10 --features 5 --steps 13

or for every model that a script builds (the script's training is skipped):

    gatewise explain SCRIPT.py [--lang LANG] [--json] [-- ARGUMENTS OF THE SCRIPT]"""

_DRAW = """\
Draw a model: its graph, or with --view and --layer the inside of one of its recurrent layers, as SVG, PNG or PDF, by
the ending of FILE.  The model is one that was saved, or those that a script builds (its training is skipped; the
second model goes to FILE-2, and so on):

    gatewise draw MODEL.keras -o model.svg
    gatewise draw SCRIPT.py -o cell.pdf --view cell --layer lstm [-- ARGUMENTS OF THE SCRIPT]

Views: graph; of a recurrent layer layer, unit, cell, unrolled, matrices."""

_EXPLORE = """\
Open a page that shows how a recurrent layer computes: shapes, counts and pictures that follow sliders, every number
with the sum that made it, step by step.  With a model, its own weights; with --data, what it really computed on it.

    gatewise explore
    gatewise explore MODEL.keras --data x.npy
    gatewise explore SCRIPT.py -o report.html [-- ARGUMENTS OF THE SCRIPT]

The page comes from a server on this machine alone; Ctrl-C ends it.  A script's training is skipped.  With -o the page
is written to one file that needs no server and no network."""

_DEMO = """\
Forecast a series with an LSTM, from the numbers to the pictures: windows, model, summary, the count by gates, training,
and an honest comparison with persistence and with a linear autoregression on years (rows) that were held out.  Without
--csv the series is the yearly sunspot number, 1700-2008, which comes with gatewise."""


class UsageError(Exception):
    """Something that the user gave cannot be used; its text says what, and what to write instead."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (default: the process's); returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    for_script: list[str] = []
    if given[:1] in (["explain"], ["draw"], ["explore"]) and "--" in given:
        given, for_script = given[: given.index("--")], given[given.index("--") + 1 :]
    arguments = _parser().parse_args(given, argparse.Namespace(for_script=for_script))
    try:
        return arguments.command(arguments)
    except UsageError as error:
        print(f"gatewise {arguments.name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (head, less) has enough; keep Python from complaining again when it closes the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gatewise", description="Recurrent networks that count, explain and draw what they compute."
    )
    parser.add_argument("--version", action="version", version=f"gatewise {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_explain(commands)
    _add_draw(commands)
    _add_explore(commands)
    _add_demo(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction) -> None:
    run = _command(commands, "run", "run a script written for Keras, unmodified", _RUN)
    run.add_argument(
        "--summary", choices=SUMMARY_STYLES, default="keras3",
        help="how model.summary() prints: Keras 3's box, or the ruled lines of Keras 2 (default: keras3)",
    )  # fmt: skip
    run.add_argument("script", metavar="SCRIPT.py", help="the script")
    run.add_argument("args", nargs=argparse.REMAINDER, metavar="...", help="the script's own arguments")
    run.set_defaults(command=_run)


def _add_explain(commands: argparse._SubParsersAction) -> None:
    explain = _command(commands, "explain", "say in words what a layer or a script's models are made of", _EXPLAIN)
    explain.add_argument(
        "script", metavar="SCRIPT.py", nargs="?", help="a script written for Keras; its models are explained"
    )
    explain.add_argument("--units", type=int, metavar="H", help="the layer's units")
    explain.add_argument("--features", type=int, metavar="F", help="numbers that come in at each step")
    explain.add_argument("--steps", type=int, metavar="T", help="time steps (default: any number)")
    explain.add_argument("--json", action="store_true", help="print the numbers as JSON instead of words")
    _add_language(explain, "language of the words")
    explain.set_defaults(command=_explain)


def _add_draw(commands: argparse._SubParsersAction) -> None:
    draw = _command(commands, "draw", "draw a saved model, or the models of a script", _DRAW)
    draw.add_argument("source", metavar="MODEL_OR_SCRIPT", help="a saved model (.keras), or a Python script")
    draw.add_argument("-o", "--out", metavar="FILE", type=Path, required=True, help="a .svg, .png or .pdf file")
    draw.add_argument("--view", metavar="VIEW", help="what to draw (default: graph)")
    draw.add_argument("--layer", metavar="NAME", help="the layer to draw: its name, or its path in the model")
    _add_language(draw, "language of the labels")
    draw.set_defaults(command=_draw)


def _add_explore(commands: argparse._SubParsersAction) -> None:
    explore = _command(commands, "explore", "open a page that shows how a layer computes", _EXPLORE)
    explore.add_argument("source", metavar="MODEL_OR_SCRIPT", nargs="?", help="a saved model (.keras), or a script")
    explore.add_argument("--data", metavar="FILE", type=Path, help="what the model runs on: .npy, .npz or .csv")
    explore.add_argument("-o", "--out", metavar="FILE", type=Path, help="write the page to this .html file instead")
    explore.add_argument("--port", type=int, metavar="N", default=0, help="the server's port (default: a free one)")
    explore.add_argument("--no-browser", action="store_true", help="only print the address")
    _add_language(explore, "language of the page")
    explore.set_defaults(command=_explore)


def _add_demo(commands: argparse._SubParsersAction) -> None:
    demo = _command(commands, "demo", "forecast sunspots (or your own series) with an LSTM", _DEMO)
    demo.add_argument("--out", metavar="DIR", type=Path, default=Path("gatewise-demo"),
                      help="folder for the model and the pictures (default: gatewise-demo)")  # fmt: skip
    demo.add_argument("--epochs", type=int, metavar="N", help="passes over the training windows (default: 100)")
    demo.add_argument("--units", type=int, metavar="N", help="units of the LSTM (default: 32)")
    demo.add_argument("--seed", type=int, metavar="N", default=0, help="where chance begins (default: 0)")
    demo.add_argument("--csv", metavar="FILE", type=Path, help="a series of your own: a table with a header")
    demo.add_argument("--column", metavar="NAME", help="its column; not needed if it has only one of numbers")
    _add_language(demo, "language of the explanation")
    demo.set_defaults(command=_demo)


def _command(commands: argparse._SubParsersAction, name: str, short: str, long: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=short, description=long, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(name=name)
    return parser


def _add_language(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--lang", choices=LANGUAGES, help=f"{what} (default: the locale's)")


def _run(arguments: argparse.Namespace) -> int:
    _require_script(arguments.script)
    from gatewise.compat.runner import print_script_error, run_script
    from gatewise.compat.summaries import summaries_in_style

    try:
        with summaries_in_style(arguments.summary):
            run_script(arguments.script, arguments.args)
    except KeyboardInterrupt as error:
        print_script_error(error)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        print_script_error(error)
        return 1
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    numbers = (arguments.units, arguments.features, arguments.steps)
    if arguments.script is None:
        if arguments.units is None or arguments.features is None:
            raise UsageError("give --units and --features (and --steps), or a SCRIPT.py; see gatewise explain --help.")
        from gatewise.explain.command import explain_numbers

        try:
            print(explain_numbers(*numbers, arguments.lang, arguments.json))
        except ValueError as error:
            raise UsageError(str(error)) from None
        return 0
    if any(number is not None for number in numbers):
        raise UsageError("give either a SCRIPT.py or --units, --features and --steps, not both.")
    return _explain_script(arguments)


def _explain_script(arguments: argparse.Namespace) -> int:
    _require_script(arguments.script)
    from gatewise.compat.capture import captured_models
    from gatewise.compat.runner import print_script_error
    from gatewise.explain.command import explain_model

    captured = captured_models(arguments.script, arguments.for_script)
    texts = [explain_model(model, arguments.lang, arguments.json) for model in captured.models]
    if arguments.json:
        print("[" + ",\n".join(texts) + "]")
    elif texts:
        print("\n\n".join(texts))
    for name in captured.unbuilt:
        print(f"Model '{name}' was never given the shape of its input, so it has no weights to count.", file=sys.stderr)
    if isinstance(captured.error, SystemExit):
        print(
            f"gatewise explain: the script ended itself with {captured.error.code!r}; above is what it had built.",
            file=sys.stderr,
        )
        return 1
    if captured.error is not None:
        print_script_error(captured.error)
        return 1
    if not texts:
        raise UsageError(f"{arguments.script} built no model that could be explained.")
    return 0


def _draw(arguments: argparse.Namespace) -> int:
    is_script = arguments.source.endswith(".py")
    models, failed = _models_of_script(arguments) if is_script else ([_saved_model(arguments.source)], False)
    from gatewise.explain.draw.command import draw_models

    try:
        written = draw_models(models, arguments.out, arguments.view, arguments.lang, arguments.layer)
    except (ValueError, ModuleNotFoundError, OSError) as error:
        raise UsageError(str(error)) from None
    for path in written:
        print(path)
    return int(failed)


def _explore(arguments: argparse.Namespace) -> int:
    if arguments.data is not None and arguments.source is None:
        raise UsageError("--data is for a model to run on: give a MODEL or SCRIPT.py too.")
    models, failed = [], False
    if arguments.source is not None:
        is_script = arguments.source.endswith(".py")
        models, failed = _models_of_script(arguments) if is_script else ([_saved_model(arguments.source)], False)
    from gatewise.explain.page.command import explore_models

    open_browser = not arguments.no_browser
    try:
        path = explore_models(models, arguments.data, arguments.out, arguments.port, open_browser, arguments.lang)
    except (ValueError, ImportError, OSError, OverflowError) as error:
        raise UsageError(str(error)) from None
    if path is not None:
        print(path)
    return int(failed)


def _saved_model(path: str) -> object:
    """The model in a file."""
    from gatewise.files import load_model

    try:
        return load_model(path, compile=False)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise UsageError(str(error)) from None


def _models_of_script(arguments: argparse.Namespace) -> tuple[list, bool]:
    """The models that a script builds, those until it raised something, which is printed; and whether it did."""
    _require_script(arguments.source)
    from gatewise.compat.capture import captured_models
    from gatewise.compat.runner import print_script_error

    captured = captured_models(arguments.source, arguments.for_script)
    if captured.error is not None:
        print_script_error(captured.error)
    if not captured.models:
        raise UsageError(f"{arguments.source} built no model that could be shown.")
    return captured.models, captured.error is not None


def _demo(arguments: argparse.Namespace) -> int:
    from gatewise.demo import DemoError
    from gatewise.demo.demo import run_demo

    try:
        run_demo(
            out=arguments.out, epochs=arguments.epochs, units=arguments.units, seed=arguments.seed,
            csv=arguments.csv, column=arguments.column, lang=arguments.lang,
        )  # fmt: skip
    except DemoError as error:
        raise UsageError(str(error)) from None
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return 0


def _require_script(path: str) -> None:
    """Raise UsageError unless there is a file to run."""
    if not os.path.exists(path):
        raise UsageError(f"there is no script {path!r}.")
    if os.path.isdir(path):
        raise UsageError(f"{path!r} is a folder; give a Python script.")
