"""Training curves as a picture.

    python benchmarks/curves.py                             # draws docs/images/curves.png
    python benchmarks/curves.py --collect .spinekit/runs    # copies every run's log first

The logs are `benchmarks/results/curves/*.csv`.
Each line is one run: its training loss, and Dice and level hit rate on its validation subjects (of
sets it trained on).
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOGS = Path(__file__).parent / "results" / "curves"
PICTURE = ROOT / "docs" / "images" / "curves.png"
COLUMNS = (("loss", "training loss"), ("dice", "validation Dice"), ("level", "level hit rate"))


def main() -> None:
    """Collect the logs if asked, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collect", type=Path, metavar="RUNS", help="folder of runs to copy from")
    args = parser.parse_args()
    if args.collect:
        LOGS.mkdir(parents=True, exist_ok=True)
        for log in sorted(args.collect.glob("*/log.csv")):
            shutil.copyfile(log, LOGS / f"{log.parent.name}.csv")
    draw(sorted(LOGS.glob("*.csv")))
    print(PICTURE.relative_to(ROOT))


def draw(logs: list[Path]) -> None:
    """Draw every log's three curves against the step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(COLUMNS), figsize=(13, 3.8), constrained_layout=True)
    for log in logs:
        with log.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        steps = [int(row["step"]) for row in rows]
        for axis, (column, title) in zip(axes, COLUMNS, strict=True):
            axis.plot(steps, [float(row[column]) for row in rows], marker=".", label=log.stem)
            axis.set(title=title, xlabel="step")
            axis.grid(alpha=0.3)
    axes[-1].legend()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=90)


if __name__ == "__main__":
    main()
