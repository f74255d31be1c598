"""What `regress import` makes of syzbot's mails: `python -m bench.imports MAILS.jsonl`.

Each line of the file has a first mail of a bug (`mail`) and its titles (`titles`).  Counted are the drafts, all of
which the command itself loads as scenarios, and what each has of all that a mail can give: a title that is one of the
bug's, the commit, the bug's link.  With all three it lacks nothing but what is behind links: configuration and
reproducer.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bench.common import machine, table
from harness.cli import main as regress


def imported(mail: str, folder: Path) -> dict[str, Any] | None:
    """The draft of a mail, as the command tells it; None if it refuses the mail."""
    path, out = folder / "report.eml", io.StringIO()
    path.write_text(mail, encoding="utf-8", errors="surrogateescape")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = regress(["import", str(path), "--output", str(folder / "draft"), "--json"])
    return json.loads(out.getvalue()) if status == 0 else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mails", type=Path, metavar="MAILS.jsonl")
    lines = parser.parse_args().mails.read_text(encoding="utf-8").splitlines()
    counted = Counter[str]()
    for line in lines:
        case = json.loads(line)
        with tempfile.TemporaryDirectory(prefix="regress-bench-") as name:
            draft = imported(case["mail"], Path(name))
        if draft is None:
            counted["refused"] += 1
            continue
        has = {
            "a title of the bug": any(one["crash"]["title"] in case["titles"] for one in draft["crashes"]),
            "the commit": bool(draft["commits"]),
            "the bug's link": bool(draft["links"]),
        }
        counted["a draft, which loads"] += 1
        counted.update(what for what, there in has.items() if there)
        counted["all three: it lacks nothing but what is behind links"] += all(has.values())
    print(machine(), "\n")
    print(table((f"of {len(lines)} mails", ""), counted.most_common()))


if __name__ == "__main__":
    main()
