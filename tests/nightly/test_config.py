"""What an operator writes, and what is said of a mistake in it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness import catalog
from harness.errors import UserError
from harness.nightly.config import Config, Known, cells, load, load_known

SCENARIO = """\
id: {name}
title: a toy
tags: [{tags}]
build: {{command: true}}
machine: {{command: true}}
"""


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    for name, tags, more in (
        ("one", "block", ""),
        ("two", "block, slow", "variants: {a: {}, b: {}}\n"),
        ("three", "net", ""),
    ):
        folder = tmp_path / "scenarios" / name
        folder.mkdir(parents=True)
        (folder / "scenario.yaml").write_text(SCENARIO.format(name=name, tags=tags) + more)
    return tmp_path / "scenarios"


def written(folder: Path, text: str) -> Config:
    (folder / "nightly.yaml").write_text(text)
    return load(folder / "nightly.yaml")


def names(config: Config, scenarios: Path) -> list[str]:
    return [cell.name for cell in cells(config, catalog.scenarios([scenarios]))]


def test_all_of_it(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        "tree: ./next\nscenarios: [one]\ntags: [block]\narchitectures: [x86_64, i386]\n"
        "configurations: {plain: [], disk: [virtio-disk]}\nbudget: 4h\nuntil: 06:00\nknown: known.yaml\n"
        "notify: mail -s news lab\n",
    )
    assert config.tree == f"{tmp_path}/next"
    assert (config.arches, config.configurations) == (("x86_64", "i386"), {"plain": (), "disk": ("virtio-disk",)})
    assert (config.budget, config.until, config.known) == (4 * 3600, (6, 0), tmp_path / "known.yaml")


def test_the_cells(tmp_path: Path, scenarios: Path) -> None:
    assert names(written(tmp_path, "tree: t\nscenarios: [one, 'two:b']\n"), scenarios) == ["one x86_64", "two:b x86_64"]
    assert names(written(tmp_path, "tree: t\ntags: [slow, block]\n"), scenarios) == [
        *("two:a x86_64", "two:b x86_64", "one x86_64")
    ]
    both = (
        "tree: t\nscenarios: [one]\narchitectures: [x86_64, i386]\nconfigurations: {plain: [], disk: [virtio-disk]}\n"
    )
    assert names(written(tmp_path, both), scenarios) == [
        *("one x86_64", "one x86_64 disk", "one i386", "one i386 disk")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tree: t\nscenarioes: [one]\n", "nightly.yaml:2: unknown key 'scenarioes'; did you mean 'scenarios'?"),
        ("scenarios: [one]\n", "nightly.yaml:1: 'tree' is missing"),
        ("tree: t\n", "nightly.yaml:1: 'scenarios' is missing"),
        ("tree: t\nscenarios:\n  - one\n  - tow\n", "nightly.yaml:4: scenarios: unknown scenario 'tow'; did you mean"),
        ("tree: t\nscenarios: ['two:c']\n", "nightly.yaml:2: scenarios: two has no variant 'c'"),
        ("tree: t\ntags: [blok]\n", "nightly.yaml:2: tags: no scenario has the tag 'blok'; did you mean 'block'?"),
        ("tree: t\nscenarios: []\n", "there is nothing to try"),
        (
            "tree: t\nscenarios: [one]\narchitectures: [x86]\n",
            "nightly.yaml:3: architectures: expected an architecture",
        ),
        (
            "tree: t\nscenarios: [one]\nbudget: soon\n",
            "nightly.yaml:3: budget: expected a time such as 45min or 4h, got",
        ),
        ("tree: t\nscenarios: [one]\nuntil: '24:00'\n", "nightly.yaml:3: until: expected a time of day such as 06:00"),
        ("tree: t\nscenarios: [one]\nconfigurations: {a: [virtio-dsk]}\n", "did you mean 'virtio-disk'?"),
        ("- tree\n", "nightly.yaml:1: expected a mapping"),
        ("tree: [\n", "nightly.yaml:2: not YAML"),
        ("", "nightly.yaml: the file is empty"),
    ],
)
def test_mistakes(tmp_path: Path, scenarios: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        names(written(tmp_path, text), scenarios)
    assert said in str(caught.value)


def test_known_regressions(tmp_path: Path) -> None:
    path = tmp_path / "known.yaml"
    path.write_text("- {signature: 'null-deref:a', since: next-20260501, link: https://x, until: 2026-06-01}\n")
    [known] = load_known(path)
    assert known == Known("null-deref:a", "next-20260501", "https://x", datetime.date(2026, 6, 1))
    assert known.holds(datetime.date(2026, 6, 1))
    assert not known.holds(datetime.date(2026, 6, 2))
    assert Known("a").holds(datetime.date(2999, 1, 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {sinature: a}\n", "known.yaml:1: unknown key 'sinature'; did you mean 'signature'?"),
        ("- {since: a}\n", "known.yaml:1: 'signature' is missing"),
        ("- {signature: a}\n- {signature: b, until: soon}\n", "known.yaml:2: until: expected a day such as 2026-12-31"),
        ("signature: a\n", "known.yaml:1: expected a list"),
    ],
)
def test_mistakes_in_known(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "known.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_known(tmp_path / "known.yaml")
    assert said in str(caught.value)
