"""How long `import generations.llm` takes, beside `import lmql` and `import openai` in environments of their own.

    python -m bench.llm [--times 7]

Medians of fresh interpreters, taking turns; what the interpreter itself takes to start is not in them. Each is imported
once beforehand, so that its bytecode is there.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.database import ROOT, hardware

PROGRAM: Final = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def main() -> None:
    """Run as the module says and print a table."""
    from tests.clients import environments

    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=7)
    times = arguments.parse_args().times
    ways = {
        "generations.llm": Path(sys.executable),
        "lmql": environments.python("lmql-0.7.3"),
        "openai": environments.python("otel-newest"),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(times + 1):
        for name, interpreter in ways.items():
            seconds = _imported(interpreter, name)
            if turn:
                took[name].append(seconds)
    ours = statistics.median(took["generations.llm"])
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}  {hardware()}, load {os.getloadavg()[0]:.1f}\n")
    print("| import | ms | ratio |\n|---|---:|---:|")
    for name, every in took.items():
        print(f"| {name} | {1000 * statistics.median(every):.0f} | {statistics.median(every) / ours:.1f} |")


def _imported(interpreter: Path, name: str) -> float:
    done = subprocess.run(
        [interpreter, "-c", PROGRAM.format(name)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
