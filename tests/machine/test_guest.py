"""What the guest makes of a scenario's script: the part of `scenario` that runs it, in a folder in place of `/`."""

import re
import subprocess
from pathlib import Path

import pytest

from harness.paths import GUEST


def words(top: Path, script: str) -> list[str]:
    """What a script has the guest say on the status channel, without the uptime."""
    for name in ("scenario", "run", "dev", "lib/regress"):
        (top / name).mkdir(parents=True)
    (top / "scenario" / "run.sh").write_text(script)
    (top / "lib/regress/run").write_text("run.sh\n")
    own = (GUEST / "scenario").read_text()
    runs = own[own.index("status up") : own.index("sync\n")]
    # A file, unlike a serial port, forgets what was written before.
    text = (GUEST / "lib.sh").read_text().replace('>"$STATUS"', '>>"$STATUS"') + runs
    for name in ("dev/ttyS1", "scenario", "run/", "lib/regress/run"):
        text = re.sub(rf"(?<![\w.])/{name}", f"{top}/{name}", text)
    subprocess.run(["sh", "-c", text], check=True, capture_output=True)
    lines = (line.split(" ", 3) for line in (top / "dev/ttyS1").read_text().splitlines())
    return [" ".join((mark, *rest)) for _, mark, _, *rest in lines]


@pytest.mark.parametrize(
    "script",
    ["true", "false", "no-such-program", "exit 0", "exit 7", "if true; then", 'echo "$UNSET"', "cd /no/folder"],
)
def test_a_script_that_ends_without_a_word_has_gone_wrong(tmp_path: Path, script: str) -> None:
    up, word = words(tmp_path, f"{script}\n")
    assert up.split() == ["up"]
    assert word.startswith("error the script ended with status ")


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("pass 3 reads", "passed 3 reads"),
        ("fail no data", "failed no data"),
        ("skip too old", "skipped too old"),
        ("equal reads 1 2", "failed reads: 1, not 2"),
        ("false || fail it is false", "failed it is false"),
        ("dd() { return 1; }\ndirect_write no-such-device 1", "failed 1 blocks cannot be written to no-such-device"),
    ],
)
def test_a_word_is_taken_as_it_is(tmp_path: Path, script: str, word: str) -> None:
    assert words(tmp_path, f"{script}\n")[1:] == [word]
