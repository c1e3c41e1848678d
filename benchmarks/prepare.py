"""Time and memory of `spinekit data prepare`: does it stream, and what does it wait for?

    python benchmarks/prepare.py [--cases 1000] [--jobs 2] [--full-size] [--json FILE]

Copies of a few phantoms, each of its own brightness, are prepared twice: a tenth of them, then
all. Memory is flat when both peaks are alike. The table gives the share of time spent reading
(hashes included), working and writing (compression included). Exit: 1 when the peak grows by more
than a tenth, or when the run is not bound by reading and compressing (half of its time).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PHANTOMS = 4
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
MOST_GROWTH = 1.1
LEAST_SHARE = 0.5
RUN = "import sys; from spinekit.apps.cli import main; sys.exit(main())"
MEASURED = f"""
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run([sys.executable, "-c", {RUN!r}, *sys.argv[1:]]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu_s = used.ru_utime + used.ru_stime
print(json.dumps([code, time.perf_counter() - started, used.ru_maxrss, cpu_s]))
"""


def draw_copies(root: Path, count: int, *, full_size: bool) -> int:
    """Write `count` scans with labels; bytes of one on average."""
    from spinekit.io.writing import write_image, write_labels
    from spinekit.synth.phantom import draw_phantom

    spacing = (4.0, 1.0, 1.0) if full_size else (6.0, 2.5, 2.5)
    drawn = [
        draw_phantom(seed, fov="lumbar", contrast="T2", spacing_mm=spacing, anomalies=())
        for seed in range(PHANTOMS)
    ]
    size = 0
    for number in range(count):
        phantom = drawn[number % PHANTOMS]
        name = f"sub{number:04d}_T2w.nii.gz"
        image = np.rint(phantom.image * 16.0 + number % 97)
        write_image(root / "images" / name, image, phantom.grid, dtype="int16")
        write_labels(root / "labels" / name, phantom.labels, phantom.grid)
        size += sum((root / kind / name).stat().st_size for kind in ("images", "labels"))
    return size // count


def run(root: Path, out: Path, jobs: int, count: int) -> dict[str, Any]:
    """Prepare the first `count` cases in a process of its own."""
    part = root.with_name(f"{root.name}{count}")
    for kind in ("images", "labels"):
        (part / kind).mkdir(parents=True)
        for path in sorted((root / kind).iterdir())[:count]:
            os.link(path, part / kind / path.name)
    words = ["data", "prepare", str(part), str(out), "--dataset", "folder", "--values", "spinekit"]
    words += ["--spacing", "0", "2", "2", "--jobs", str(jobs), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True
    )
    code, wall_s, peak, cpu_s = json.loads(done.stdout.splitlines()[-1])
    if code:
        raise SystemExit(f"the run failed: {done.stderr}")
    seconds = json.loads((out / "report.json").read_text())["seconds"]
    total = sum(seconds.values())
    return {
        "cases": count,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "cases_per_s": round(count / wall_s, 2),
        "peak_mib": round(peak * RSS_UNIT / 2**20),
        **{
            f"{step}_share": round(seconds[step] / total, 3)
            for step in ("read", "prepare", "write")
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--full-size", action="store_true", help="scans of 1 mm in plane")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "in"
        size = draw_copies(root, args.cases, full_size=args.full_size)
        took = f"{time.perf_counter() - started:.0f} s"
        print(f"{args.cases} copies of {PHANTOMS} phantoms, {size / 1024:.0f} KiB each, {took}")
        few = max(2 * args.jobs, args.cases // 10)
        rows = [run(root, Path(folder) / f"out{n}", args.jobs, n) for n in (few, args.cases)]
    print(" ".join(f"{key:>14}" for key in rows[0]))
    for row in rows:
        print(" ".join(f"{value:14}" for value in row.values()))
    growth = rows[1]["peak_mib"] / rows[0]["peak_mib"]
    share = rows[1]["read_share"] + rows[1]["write_share"]
    print(f"the largest process grows {growth:.2f}-fold; {share:.0%} is reading and compressing")
    if args.json is not None:
        args.json.write_text(json.dumps({"rows": rows, "jobs": args.jobs}, indent=2) + "\n")
    return 1 if growth > MOST_GROWTH or share < LEAST_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
