"""`spinekit version`: the version, alone on a line.

It knows nothing else.
"""

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no options."""


def run(args: argparse.Namespace) -> int:
    """Print the version."""
    from importlib.metadata import version

    print(f"spinekit {version('spinekit')}")
    return 0
