"""A worker that returns something else than it was asked for: `liar.py LIE FOLDER PYTHON-ARGUMENTS...`.

It stands in for the Python of a host (see `tests.support.faults`), and has the real worker do the work first.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path


def main(lie: str, folder: str, *words: str) -> int:
    asked = sys.stdin.buffer.read()
    if lie == "another job's":
        asked = _another(asked, words)
    done = subprocess.run([sys.executable, *words], input=asked, stdout=subprocess.PIPE, check=False)
    said = done.stdout
    if lie == "garbage":
        said = os.urandom(5000)
    elif lie == "truncated":
        said = said[: len(said) * 2 // 3]
    elif lie == "oversized":
        said = b"reply " + b"x" * (3 << 20) + b"\n"
    elif lie in ("damaged files", "truncated files", "oversized files"):
        said = _spoiled(lie, said, Path(folder))
    sys.stdout.buffer.write(said)
    return 0


def _another(asked: bytes, words: tuple[str, ...]) -> bytes:
    """The same work under another name: what comes back is genuine, and answers a question that nobody asked."""
    sys.path.insert(0, words[words.index("-c") + 2])
    from harness.fleet.request import BuildJob, Request

    request = Request.from_bytes(asked)
    job = request.job
    if isinstance(job, BuildJob):
        other: object = dataclasses.replace(job, source=dataclasses.replace(job.source, subject="another"))
    else:
        other = dataclasses.replace(job, key="another")
    return dataclasses.replace(request, job=other).to_bytes()  # type: ignore[arg-type]


def _spoiled(lie: str, said: bytes, folder: Path) -> bytes:
    """Spoil the archive that goes back, in the reply or beside it."""
    parts = [line.removeprefix(b"reply ") for line in said.splitlines() if line.startswith(b"reply ")]
    reply = json.loads(b"".join(parts))
    if text := reply.get("inline"):
        if lie == "damaged files":
            # The last bits of base64 may not count; those of the middle do.
            middle = len(text) // 2
            reply["inline"] = text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]
        else:
            reply["inline"] = text[: len(text) // 8 * 4] if lie == "truncated files" else text * 2
        return f"reply {json.dumps(reply)}\n".encode()
    archive = folder / "out" / f"{reply['job']}.tar.gz"
    if archive.exists():
        size = archive.stat().st_size
        if lie == "damaged files":
            with archive.open("r+b") as file:
                file.seek(size // 2)
                file.write(os.urandom(16))
        else:
            os.truncate(archive, size // 2 if lie == "truncated files" else 520 << 20)
    return said


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
