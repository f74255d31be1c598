"""The fuzzers' targets hold on what the fuzzers begin with, whole, cut and damaged; `python -m tests.fuzz` goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds(tmp_path: Path, name: str) -> None:
    one, examples = TARGETS[name](tmp_path)
    dice = random.Random(name)
    for example in dice.sample(examples, min(10, len(examples))):
        whole = example[:20000]
        damaged = bytearray(whole)
        for _ in range(5):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        for data in (whole, whole[: dice.randrange(len(whole))], bytes(damaged)):
            one(data)
