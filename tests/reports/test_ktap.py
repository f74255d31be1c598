"""KTAP, as the kernel's `kunit.py parse` reads it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from harness import assessment, reports
from harness.assessment import Document
from tests.reports.made import answer, run, trial

Kunit = Callable[[Path], subprocess.CompletedProcess[str]]


def parsed(kunit: Kunit, text: str, folder: Path) -> tuple[int, dict[str, int]]:
    """Exit status, and how many tests ended how."""
    file = folder / "result.ktap"
    file.write_text(text, encoding="utf-8")
    done = kunit(file)
    assert "ERROR" not in done.stdout.replace("# ERROR", ""), done.stdout
    assert not done.stderr
    summary = re.search(r"Ran (\d+) tests: (.*)", done.stdout)
    assert summary, done.stdout
    counts = {word: int(number) for word, number in re.findall(r"(\w+): (\d+)", summary[2])}
    assert sum(counts.values()) == int(summary[1])
    return done.returncode, counts


def test_the_kernels_parser_takes_it(told: Document, kunit: Kunit, tmp_path: Path) -> None:
    text = reports.render("ktap", told)
    assert text == reports.render("ktap", told)
    status, counts = parsed(kunit, text, tmp_path)
    assert not set(counts) & {"crashed", "errors"}
    well = assessment.of(told)
    assert ("failed" in counts) is (well is False or told["status"] == "infrastructure")
    assert (status == 0) is ("passed" in counts and "failed" not in counts)
    assert (well is True) <= (set(counts) == {"passed"})


def test_variants_are_nested(kunit: Kunit, tmp_path: Path) -> None:
    ways = [trial("passed", "it ran", variant="one"), trial("crashed", "BUG: boo", crash="boo", variant="two")]
    text = reports.render("ktap", run(answer("good", "bad", ways)))
    assert "        # Subtest: good 0123456789ab toy: do less" in text
    assert parsed(kunit, text, tmp_path) == (1, {"passed": 1, "failed": 1})
    text = reports.render("ktap", run(answer("bad", "bad", ways)))
    assert parsed(kunit, text, tmp_path) == (0, {"passed": 2})
    ways = [trial("passed", "it ran", variant="one"), trial("hung", "it hung # SKIP", variant="two")]
    text = reports.render("ktap", run(answer("good", "skip", ways), status="inconclusive"))
    assert parsed(kunit, text, tmp_path) == (0, {"passed": 1, "skipped": 1})


def test_words_that_end_the_parsing_do_not(kunit: Kunit, tmp_path: Path) -> None:
    for words in ("List of all partitions:", "Kernel panic - not syncing: VFS: x", "reboot: System halted", "# SKIP"):
        one = trial("crashed", f"{words} # SKIP", crash="boo")
        one["excerpt"]["lines"] = [words, f"[ 1.0] {words}", "ok 1 - other", "KTAP version 1", "Subtest: toy"]
        one["excerpt"]["crash"] = [7, 11]
        text = reports.render("ktap", run(answer(f"good{words}", "bad", [one]) | {"role": "good", "subject": words}))
        assert parsed(kunit, text, tmp_path) == (1, {"failed": 1})
