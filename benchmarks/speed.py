"""Time and memory of `spinekit segment`, whole process, from start to files written.

    python benchmarks/speed.py [--model FILE] [--cores 2] [--repeats 3] [--json FILE]

A lumbar scan (a real one where the real data are, else a phantom of its size) and a whole spine
at 1 mm. The table splits the time by step, and gives the network's share of the rate at which
this machine multiplies matrices. Exit: 1 when a limit of time or memory is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEBIBYTE = 2**20
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
MATRIX_SIZE, MATRIX_SECONDS = 1536, 3.0
RUN = "import sys; from spinekit.apps.cli import main; sys.exit(main())"
IMPORTS = "import onnxruntime, spinekit.apps.batch, spinekit.apps.planning"
MATRICES = f"""
import time, numpy as np
n = {MATRIX_SIZE}
a, b = (np.random.default_rng(s).random((n, n), dtype=np.float32) for s in (0, 1))
best, end = 1e9, time.perf_counter() + {MATRIX_SECONDS}
while time.perf_counter() < end:
    start = time.perf_counter()
    a @ b
    best = min(best, time.perf_counter() - start)
print(2 * n**3 / best / 1e9)
"""
DRAW = """
import sys, numpy as np
from pathlib import Path
from spinekit.core.grid import Grid
from spinekit.io.writing import write_image
from spinekit.synth.phantom import draw_phantom
fov, path, shape, spacing = sys.argv[1], sys.argv[2], *map(eval, sys.argv[3:5])
drawn = draw_phantom(7, fov=fov, contrast="T2", spacing_mm=spacing, anomalies=())
image = drawn.image
for axis, size in enumerate(shape):
    lacking = max(0, size - image.shape[axis])
    pad = [(0, 0)] * 3
    pad[axis] = (lacking // 2, lacking - lacking // 2)
    image = np.pad(image, pad, mode="edge")
    start = (image.shape[axis] - size) // 2
    image = np.take(image, range(start, start + size), axis=axis)
write_image(Path(path), np.rint(image * 16.0), Grid(shape, drawn.grid.affine))
"""
MACS = """
import json, sys
import numpy as np
from pathlib import Path
from spinekit.core.geometry import normalise_geometry
from spinekit.io.reading import read_scan
from spinekit.prediction.runner import load_model
model = load_model(Path(sys.argv[1]) if sys.argv[1] else None)
spec = model.spec
volume = read_scan(sys.argv[2]).volume
grid = {"in_plane_mm": spec.in_plane_mm, "min_slice_mm": spec.min_slice_mm}
working, _ = normalise_geometry(volume, **grid)
i, j, k = working.shape
m = spec.size_multiple
pixels = i * (-(-j // m) * m) * (-(-k // m) * m)
print(json.dumps({"gmac": spec.gmac_per_megapixel * pixels / 1e6, "working": [i, j, k]}))
"""


@dataclass(frozen=True)
class Case:
    """A scan to be timed and what it may take on two cores."""

    name: str
    fov: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    most_seconds: float
    most_mib: float
    real: str | None = None


CASES = (
    Case("lumbar 4 mm", "lumbar", (19, 381, 381), (4.0, 1.0, 1.0), 6.0, 1200.0, "chu02_T2w"),
    Case("whole spine 1 mm", "whole", (80, 300, 650), (1.0, 1.0, 1.0), 40.0, 2000.0),
)


@dataclass(frozen=True)
class Run:
    """One run of a process."""

    seconds: float
    peak_mib: float
    steps: dict[str, float]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="another model than the shipped one")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args(argv)
    cores = keep_to(args.cores)
    rate = float(ask(MATRICES, cores=cores))
    print(f"{cores} cores, {rate:.0f} GFLOP/s in float32 matrix products; {args.repeats} runs each")
    missed, figures = False, []
    with tempfile.TemporaryDirectory(prefix="spinekit-bench-") as folder:
        for case in CASES:
            scan = find_scan(case, Path(folder))
            out = Path(folder) / case.fov
            runs = [segment(scan, out / f"run{n}", args.model, cores) for n in range(args.repeats)]
            network = json.loads(ask(MACS, str(args.model or ""), str(scan), cores=cores))
            imports = statistics.median(time_imports(cores) for _ in range(args.repeats))
            figures.append(describe(case, scan, runs, imports, network, rate))
            print_case(case, figures[-1])
            missed |= figures[-1]["seconds"] > case.most_seconds
            missed |= figures[-1]["peak_mib"] > case.most_mib
    if args.json:
        document = {"cores": cores, "matrix_gflops": round(rate, 1), "cases": figures}
        args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return int(missed)


def keep_to(cores: int) -> int:
    """Bind this process and its children to some cores, where the system can; how many."""
    if not hasattr(os, "sched_setaffinity"):
        return min(cores, os.cpu_count() or 1)
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, allowed)
    return len(allowed)


def environment(cores: int) -> dict[str, str]:
    """The environment of a child that may use some cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return os.environ | {name: str(cores) for name in names}


def ask(code: str, *arguments: str, cores: int) -> str:
    """What a piece of Python prints.

    It runs in a process of its own, because a child's peak memory is never counted below its
    parent's: this one stays small.
    """
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, check=True, env=environment(cores), stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def time_imports(cores: int) -> float:
    """Seconds that a process takes to start, import what segmenting imports, and end."""
    started = time.perf_counter()
    ask(IMPORTS, cores=cores)
    return time.perf_counter() - started


def find_scan(case: Case, folder: Path) -> Path:
    """The case's real scan where it is at hand, else a phantom of the same size."""
    if case.real is not None:
        data = Path(os.environ.get("SPINEKIT_REAL_DATA", "../shared/data/real"))
        real = data / "images" / f"{case.real}.nii.gz"
        if real.is_file():
            return real
    path = folder / f"{case.fov}_phantom.nii.gz"
    ask(DRAW, case.fov, str(path), repr(case.shape), repr(case.spacing_mm), cores=1)
    return path


def segment(scan: Path, out: Path, model: Path | None, cores: int) -> Run:
    """Run `spinekit segment` once, as a user would."""
    command = [sys.executable, "-c", RUN, "segment", str(scan), str(out)]
    command += ["--threads", str(cores), "--quiet"]
    if model is not None:
        command += ["--model", str(model)]
    started = time.perf_counter()
    child = subprocess.Popen(command, env=environment(cores))
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"segmenting {scan.name} ended with {child.returncode}")
    (report,) = out.glob("*_dseg.json")
    sidecar = json.loads(report.read_text(encoding="utf-8"))
    return Run(seconds, usage.ru_maxrss * RSS_UNIT / MEBIBYTE, sidecar["seconds"])


def describe(
    case: Case,
    scan: Path,
    runs: Sequence[Run],
    imports: float,
    network: dict[str, Any],
    rate: float,
) -> dict[str, Any]:
    """Medians over the runs, and the network's share of the machine's rate."""
    steps = {name: statistics.median(run.steps[name] for run in runs) for name in runs[0].steps}
    seconds = statistics.median(run.seconds for run in runs)
    used = 2.0 * network["gmac"] / steps["predict"]
    return {
        "name": case.name,
        "scan": scan.name,
        "working_shape": network["working"],
        "seconds": round(seconds, 2),
        "slowest_seconds": round(max(run.seconds for run in runs), 2),
        "peak_mib": round(max(run.peak_mib for run in runs)),
        "steps": steps
        | {
            "start and import": round(imports, 3),
            "load and end": round(seconds - imports - sum(steps.values()), 3),
        },
        "network_gmac": round(network["gmac"], 1),
        "network_gflops": round(used, 1),
        "network_share_pct": round(100.0 * used / rate, 1),
    }


def print_case(case: Case, figures: dict[str, Any]) -> None:
    """One block of the table."""
    print(f"\n{case.name} ({figures['scan']}, on the working grid {figures['working_shape']})")
    print(f"  whole process  {figures['seconds']:7.2f} s    (limit {case.most_seconds:.0f} s,"
          f" slowest {figures['slowest_seconds']:.2f} s)")  # fmt: skip
    print(f"  peak memory    {figures['peak_mib']:7.0f} MiB  (limit {case.most_mib:.0f} MiB)")
    for name, seconds in sorted(figures["steps"].items(), key=lambda step: -step[1]):
        share = 100.0 * seconds / figures["seconds"]
        print(f"    {name:<17}{seconds:7.2f} s  {share:4.0f} %")
    print(f"  network        {figures['network_gflops']:7.1f} GFLOP/s,"
          f" {figures['network_share_pct']:.0f} % of the machine's matrix products"
          f" ({figures['network_gmac']:.0f} GMAC)")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
