"""The command line: picks the command, and turns every failure into one line and a number.

It knows no command's options and imports nothing heavy, so that `spinekit --help` is instant.
"""

import argparse
import contextlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

from spinekit.apps.interruption import hear_interrupts
from spinekit.core.errors import PassedOver, SpineKitError, describe

COMMANDS = {
    "segment": "name the spine in a scan, a DICOM folder or a folder of scans",
    "label": "split and name a mask made elsewhere, with or without its scan",
    "labels": "convert label maps from one scheme to another",
    "relabel": "correct a name in a result; all others follow",
    "evaluate": "compare labels with a reference",
    "phantom": "draw spine scans with known truth",
    "demo": "segment a phantom, or a scan of yours, and show where the picture is",
    "data": "list, fetch, check and prepare training sets",
    "train": "train a model from a recipe",
    "version": "print the version",
}
"""Command → one line of help; each is a module of this package with `configure` and `run`."""

DISCLAIMER = "Research use; not a medical device."
INTERRUPTED = 130
PIPE_CLOSED = 141


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.register("type", Path, _path)

    def error(self, message: str) -> NoReturn:
        """Print the message and where to read on; exit with 2."""
        self.exit(2, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")


def _path(text: str) -> Path:
    """The path of that name; an empty one, as of an unset variable, is not the current folder.

    Raises:
        argparse.ArgumentTypeError: It is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; give that of a file or folder")
    return Path(text)


def build_parser(command: str | None = None) -> Parser:
    """Make the parser.

    Args:
        command: The only command whose options are wanted; the others stay a line of help.
    """
    parser = Parser(prog="spinekit", description="Names the spine in MRI.", epilog=DISCLAIMER)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=DISCLAIMER,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name == command:
            _module(name).configure(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        0 all done, 1 some scans failed, 2 wrong use, 130 interrupted.
    """
    argv = _join_places(sys.argv[1:] if argv is None else argv)
    named = next((word for word in argv if word in COMMANDS), None)
    parser = build_parser(named)
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    if args.version:
        return int(_module("version").run(args))
    if args.command is None:
        parser.print_help()
        return 2
    return _guarded(args)


def _join_places(argv: Sequence[str]) -> list[str]:
    """`--at -3,20,55=L5` as `--at=-3,20,55=L5`: what begins with a minus is else an option."""
    joined: list[str] = []
    for word in argv:
        if joined[-1:] == ["--at"] and word[:1] == "-" and "," in word:
            joined[-1] = f"--at={word}"
        else:
            joined.append(word)
    return joined


def console() -> NoReturn:
    """Run as a program: a request to end the process is an interrupt like Ctrl-C."""
    hear_interrupts()
    for stream in (sys.stdout, sys.stderr):
        # A terminal without arrows, or a file name that is no text, must not end a run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())


def _module(command: str) -> Any:
    return import_module(f"spinekit.apps.{command}")


def _guarded(args: argparse.Namespace) -> int:
    """Run the command; an error becomes one line on stderr."""
    try:
        with _warnings_in_a_line(quiet=getattr(args, "quiet", False)):
            code = int(_module(args.command).run(args))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough; nothing may be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        print("spinekit: interrupted; nothing half-written was left", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        print(f"spinekit: error: {explain(error)[1]}", file=sys.stderr)
        return error.exit_code if isinstance(error, SpineKitError) else 1


@contextlib.contextmanager
def _warnings_in_a_line(*, quiet: bool) -> Iterator[None]:
    """Print what was passed over as a line on stderr; all other warnings are Python's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", PassedOver)
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, PassedOver):
                others(message, category, filename, lineno, file, line)
            elif not quiet:
                print(f"spinekit: {message}", file=sys.stderr)

        warnings.showwarning = show
        yield


def explain(error: BaseException) -> tuple[str, str]:
    """Put any exception into a stable code and one line.

    Args:
        error: What was raised.

    Returns:
        Code, and message with its remedy.
    """
    code, text = describe(error)
    return code, f"{text}; run again with --debug and report this" if code == "unexpected" else text
