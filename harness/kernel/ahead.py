"""Builds kernels ahead of time, at idle priority, while something else goes on.

    python -m harness.kernel.ahead <REQUEST >LINES

carries out one request, a pickled `KernelBuilder` with commits and folders for their logs, and tells of each commit
when it began and how it ended, with the machine's clock: `begin HASH SECONDS`, then `built`, `known` or `failed`.
Why one failed is for the build that counts to tell.
"""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import KernelError
from harness.git import Commit
from harness.kernel.build import KernelBuilder
from harness.process import started


def spare(cores: int, guest: int) -> int:
    """How many jobs a build may have beside a guest; 0 for no build.

    A core is left for what QEMU does besides the guest's processors: with fewer, even an idle build may slow a guest
    that is emulated (`python -m bench.ahead`).

    Args:
        cores: of this machine.
        guest: the processors of the guest.
    """
    return max(0, cores - guest - 1)


@dataclass(frozen=True)
class Ahead:
    """Builds ahead.

    Args:
        builder: leaves the processors to others.
        folder: for logs.
        spent: called when it ends, for each commit that it began, with the seconds that went into it and whether it
            has an image now.
    """

    builder: KernelBuilder
    folder: Path
    spent: Callable[[str, float, bool], None]

    @contextlib.contextmanager
    def building(self, commits: Sequence[tuple[str, Commit]]) -> Iterator[None]:
        """Build commits one after the other, until the block ends; no process is left then.

        A build that was stopped leaves an object folder that the next one goes on from.

        Args:
            commits: each with the hash of the one that it stands for.
        """
        if not commits:
            yield
            return
        request = pickle.dumps((self.builder, [(sha, commit, self.folder / sha[:12]) for sha, commit in commits]))
        argv = [sys.executable, "-I", "-m", "harness.kernel.ahead"]
        with started(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as job:
            assert job.process.stdin is not None
            with contextlib.suppress(BrokenPipeError), job.process.stdin as channel:
                channel.write(request)
            yield
        assert job.process.stdout is not None
        with job.process.stdout as lines:
            self._tell(lines.read().decode(), time.monotonic())

    def _tell(self, lines: str, now: float) -> None:
        """Tell what went into each commit; `now` ends the last one."""
        words = [line.split() for line in lines.splitlines()]
        ends = [*(float(at) for _, _, at in words[1:]), now]
        for (word, sha, at), end in zip(words, ends, strict=True):
            if word == "begin":
                after = next((other for other, same, _ in words if same == sha and other != word), "")
                if after != "known":
                    self.spent(sha, max(0.0, end - float(at)), after == "built")


def main() -> None:
    """Carry out the request on standard input."""
    builder, wanted = pickle.load(sys.stdin.buffer)  # noqa: S301  from the program itself
    for sha, commit, folder in wanted:
        _tell("begin", sha)
        try:
            kernel = builder.build(commit, folder)
        except KernelError:
            _tell("failed", sha)
        else:
            _tell("built" if kernel.built else "known", sha)


def _tell(word: str, sha: str) -> None:
    """Tell the one that asked; the clock is the machine's, which it reads too."""
    sys.stdout.write(f"{word} {sha} {time.monotonic()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
