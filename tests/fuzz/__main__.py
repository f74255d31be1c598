"""Coverage-guided fuzzers of what the program reads, under atheris (`pip install atheris`, no dependency here):

    python -m tests.fuzz TARGET [-atheris_runs=100000] [-max_total_time=1200] [CORPUS...]

All options are libFuzzer's.  Nothing but the errors that are meant for people may be raised; what else holds is said
with each target, in `tests/fuzz/targets.py`.  A failure leaves its input in a file `crash-...` here.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["harness"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz one target, from its examples."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"tests.fuzz: expected one of {', '.join(TARGETS)}, got {name!r}")
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm") as top:
        seeds, scratch = Path(top, "seeds"), Path(top, "scratch")
        seeds.mkdir()
        scratch.mkdir()
        one_input, examples = TARGETS[name](scratch)
        for number, example in enumerate(examples):
            (seeds / f"{number:03d}").write_bytes(example)
        longest = max(16384, *map(len, examples))
        atheris.Setup([sys.argv[0], f"-max_len={longest}", *sys.argv[2:], str(seeds)], one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
