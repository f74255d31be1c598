"""What may be in `scenario.yaml`: one table, for the loader, for editors (JSON Schema) and for the reference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.roots import RootKind
from harness.yamlfile import DURATION, SIZE

APPEND = r"[\w.,:;=/@+*%-]+"
FILE = r"\w[\w.+-]*"
IDENTIFIER = r"[A-Za-z0-9][\w.+@-]*"
MODULE = r"[\w-]+"
PACKAGE = r"[a-z0-9][a-z0-9+.-]+"
SELFTEST = rf"{FILE}(?:/{FILE})*(?::{FILE})?"
SUITE = r"[\w.*?+-]+"
VARIANT = r"[\w.+-]+"


@dataclass(frozen=True)
class Shape:
    """What a value may be.

    Attributes:
        said: in words.
        json: in JSON Schema, but for the keys of a mapping.
        keys: of a mapping, if they are fixed.
        required: those that must be there.
        of: what is in it, where it is a list, or a mapping with keys of one's own.
        name: what those keys are.
        other: what it may be instead.
    """

    said: str
    json: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Key] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    of: Shape | None = None
    name: str = ""
    other: Shape | None = None


@dataclass(frozen=True)
class Key:
    """A key: what it means (Markdown), what its value may be, and what replaced it, if anything did."""

    meaning: str
    shape: Shape
    replaced: str = ""


def _text(said: str = "text", pattern: str = "") -> Shape:
    # The loader takes a scalar as it is written: a commit may look like a number.
    matching = {"type": "string", "pattern": f"^(?:{pattern})$"} if pattern else {"type": ["string", "number"]}
    return Shape(said, matching)


def _words(*words: str) -> Shape:
    plain: list[Any] = [
        int(word) if word.isdecimal() else {"true": True, "false": False}.get(word, word) for word in words
    ]
    return Shape(", ".join(f"`{word}`" for word in words), {"enum": plain})


def _list(of: Shape, said: str, least: int = 0) -> Shape:
    return Shape(said, {"type": "array", "minItems": least} if least else {"type": "array"}, of=of)


def _keys(keys: Mapping[str, Key], *required: str, json: Mapping[str, Any] | None = None) -> Shape:
    return Shape("mapping", {"type": "object", **(json or {})}, keys=keys, required=required)


def _either(one: Shape, other: Shape) -> Shape:
    rest = other if one.other is None else _either(one.other, other)
    return replace(one, said=f"{one.said}, or {other.said}", other=rest)


_WHOLE = Shape("whole number", {"type": "integer", "minimum": 1})
_SIZE = _text("size: `64M`, `1G`", SIZE)
_TIME = _text("time: `90s`, `2min`", DURATION)
_TEXT = _text()
_TEXTS = _list(_TEXT, "list")
_BOOLEAN = _words("true", "false")
_GLOB = _text("glob")

REVISION = {
    "sha": Key("a revision, by any name that git knows", _TEXT),
    "subject": Key("the commit's subject, to find it by where that revision is unknown", _TEXT),
}
_REVISION = replace(_either(_TEXT, _keys(REVISION, "sha")), said="revision, or `{sha, subject}`")

MACHINE = {
    "memory": Key("of the guest; default `512M`", _SIZE),
    "cpus": Key("of the guest; default 2", _WHOLE),
    "boot_timeout": Key("from power-on until the guest is up, at each boot; default `60s`", _TIME),
    "timeout": Key("from then until the scenario has ended; default `120s`", _TIME),
    "silence_timeout": Key("without a byte from the guest; default `60s`", _TIME),
    "command": Key("a program that [boots instead of QEMU](scenarios.md#commands)", _TEXT),
    "ssh": Key("a [test machine](lab.md) to boot instead of QEMU: its name in `hosts.yaml`", _TEXT),
}
PI = {
    "dif": Key("protection type; default 1", _words("0", "1", "2", "3")),
    "dix": Key("whether tags go between host and disk; default 1", _words("0", "1")),
    "guard": Key("what the guard tag is; default `crc`", _words("crc", "ip")),
    "size": Key("default `64M`", _SIZE),
}
_PI = _keys(PI)
IMAGE = {"size": Key("of the disk", _SIZE)}
DISKS = {
    "pi": Key("a scsi_debug disk with protection information", _PI),
    "image": Key(
        "an empty disk of QEMU's, `/dev/vda`, which keeps what was written when the power is cut; needs the fragment "
        "`virtio-disk`",
        _keys(IMAGE, "size"),
    ),
}
_APPEND = _list(_text("word", APPEND), "list of words")
VARIANTS = {
    "pi": Key("overrides `disks.pi`", _PI),
    "append": Key("more words for the kernel command line", _APPEND),
}
KCONFIG = {
    "file": Key("a file of the scenario's folder, or targets of the kernel's make such as `defconfig`", _TEXT),
    "lsmod": Key("a file of the folder with the modules to keep, as lsmod prints them", _TEXT),
    "fragments": Key("as above", _TEXTS),
}
REPEAT = {
    "times": Key("not more often than this", _WHOLE),
    "for": Key("not longer than this, at most four fifths of `machine.timeout`, which is the default", _TIME),
    "procs": Key("so many at a time; default 1", _WHOLE),
}
CRASH = {
    "title": Key("its title, with or without `BUG: unable to handle kernel`", _GLOB),
    "kind": Key("its kind", _TEXT),
    "workqueue": Key("its work function", _GLOB),
    "frames": Key("the function of one of its frames", _GLOB),
    "signature": Key("its signature", _GLOB),
    "any": Key("any crash counts", _BOOLEAN),
}
EXPECT = {
    "crash": Key(
        "the crash that counts; each of these that is given has to match ([crashes.md](crashes.md)). Without it, only "
        "the script's result counts",
        _keys(CRASH, json={"minProperties": 1}),
    ),
    "failure": Key("whether the script's own `fail` counts too; default: where no crash is given", _BOOLEAN),
    "tests": Key(
        "the [kernel's own tests](scenarios.md#the-kernels-own-tests) that count; default: all",
        _list(_GLOB, "list of globs"),
    ),
}
IGNORED = {
    "title": Key("of the crash", _GLOB),
    "signature": Key("of the crash, instead of its title", _GLOB),
    "because": Key("the reason, such as a warning at each boot of a tree", _TEXT),
}
RANGE = {
    "good": Key("one or several", _either(_REVISION, _list(_REVISION, "list of such", 1))),
    "bad": Key("where it shows", _REVISION),
    "fixed": Key("where it no longer does", _REVISION),
    "culprit": Key("what brought it, for [`regress where`](changes.md)", _REVISION),
    "fixes": Key("what ended it, all of which are needed", _list(_REVISION, "list of revisions")),
}
FIXUP = {
    "since": Key("the commit that broke it", _REVISION),
    "until": Key("the commit that repaired it; default: none did", _REVISION),
    "patch": Key("a file of the scenario's folder", _TEXT),
    "pick": Key("a commit whose change is made, instead of a patch", _REVISION),
    "because": Key("what is broken", _TEXT),
}
_FIXUPS = _list(
    _keys(FIXUP, "since", "because", json={"oneOf": [{"required": ["patch"]}, {"required": ["pick"]}]}),
    "list of mappings",
)
_FILE = _text("file", FILE)
_COMMAND = {"command": Key("a program, run in the checked-out tree", _TEXT)}
BUILD = _COMMAND

SCENARIO = {
    "id": Key("its name, and that of its results", _text("name", IDENTIFIER)),
    "aliases": Key("other names, such as `lr#35498d`", _TEXTS),
    "title": Key("what it is about, on one line", _TEXT),
    "tags": Key("words by which [nightly.yaml](nightly.md) names several scenarios at once", _TEXTS),
    "claim": Key("what is true of a healthy kernel; without it, the scenario is a regression", _TEXT),
    "links": Key("where it was reported", _TEXTS),
    "kconfig": Key(
        "fragments of [kconfigs/](../kconfigs/README.md) or of the scenario's folder (`*.config`), over tinyconfig or "
        "a [configuration of your own](kconfig.md#a-configuration-of-your-own); `--config` and `--lsmod` take "
        "precedence. An option that is lost makes the commit inconclusive, with Kconfig's reason",
        _either(_list(_TEXT, "list"), _keys(KCONFIG, "file")),
    ),
    "kernels": Key(
        "the versions that it can run on, such as `>=4.12,<6.11`; others are skipped before anything is built. A "
        "release candidate counts as its release",
        _TEXT,
    ),
    "machine": Key("what it runs on", _keys(MACHINE, json={"not": {"required": ["command", "ssh"]}})),
    "disks": Key("what it has besides", _keys(DISKS)),
    "append": Key("words for the kernel command line", _APPEND),
    "variants": Key(
        "several ways to boot it, each a trial of its own, with its name in `$VARIANT`. A commit is good when each "
        "variant passed, bad when one is bad",
        Shape(
            "mapping",
            {"type": "object", "propertyNames": {"pattern": f"^(?:{VARIANT})$"}},
            of=_keys(VARIANTS),
            name="NAME",
        ),
    ),
    "rootfs": Key(
        "what the guest runs in ([rootfs.md](rootfs.md)); default: `initramfs`",
        Shape(
            "`initramfs`, `debian`, `host`, or the path of an image",
            {
                "type": "string",
                "anyOf": [{"enum": [kind.value for kind in RootKind if kind is not RootKind.IMAGE]}, {"pattern": "/"}],
            },
        ),
    ),
    "packages": Key("Debian's packages, for `rootfs: debian`", _list(_text("package", PACKAGE), "list")),
    "needs": Key("programs in the guest besides its shell", _TEXTS),
    "modules": Key(
        "modules to load first, where they are not [built in](kconfig.md#modules)",
        _list(_text("module", MODULE), "list"),
    ),
    "run": Key(
        "what runs in the guest: scripts (`*.sh`), C files (`*.c`), programs "
        "([reproducers](scenarios.md#a-reproducer-in-c)); default: `run.sh`",
        _either(_FILE, _list(_FILE, "list of files", 1)),
    ),
    "kunit": Key(
        "KUnit suites whose [results count](scenarios.md#the-kernels-own-tests)",
        _list(_text("glob", SUITE), "list of globs", 1),
    ),
    "kselftest": Key(
        "tests of the kernel's own tree, `COLLECTION` or `COLLECTION:TEST`, whose "
        "[results count](scenarios.md#the-kernels-own-tests); quote what has a `:`",
        _list(_text("test", SELFTEST), "list of tests", 1),
    ),
    "repeat": Key(
        "how often a C file or a program is run; default: once",
        _keys(REPEAT, json={"anyOf": [{"required": ["times"]}, {"required": ["for"]}]}),
    ),
    "expect": Key("what counts as bad; default: the script's own `fail`", _keys(EXPECT, json={"minProperties": 1})),
    "ignore": Key(
        "crashes that decide nothing",
        _list(
            _keys(IGNORED, "because", json={"oneOf": [{"required": ["title"]}, {"required": ["signature"]}]}),
            "list of mappings",
        ),
    ),
    "commits": Key(
        "the commits that are known, by tree",
        Shape("mapping", {"type": "object"}, of=_keys(RANGE, "good"), name="TREE"),
    ),
    "fixups": Key("changes that a [broken stretch of history](bisect.md) needs", _FIXUPS),
    "mend": Key("the older spelling of `fixups`", _FIXUPS, "fixups"),
    "replay": Key(
        "the history that `--tree replay` means, if it is another scenario's: its folder, or the name of a scenario "
        "that comes with the program",
        _TEXT,
    ),
    "build": Key(
        "a program that [builds](scenarios.md#commands) instead of the kernel's make", _keys(BUILD, "command")
    ),
}
REQUIRED = ("id", "title")


def rows() -> Iterator[tuple[str, Shape, str]]:
    """Every key, in order, with what it may be and what it means: `machine.memory`, `commits.TREE.good.sha`.

    The parts of a revision are given once, and what is replaced is not.
    """
    yield from _rows("", _keys(SCENARIO))


def _rows(path: str, shape: Shape) -> Iterator[tuple[str, Shape, str]]:
    for name, key in shape.keys.items():
        if not key.replaced:
            here = f"{path}.{name}" if path else name
            yield here, key.shape, key.meaning
            if key.shape.keys is not REVISION:
                yield from _rows(here, key.shape)
    if shape.of is not None:
        yield from _rows(f"{path}.{shape.name}" if shape.name else path, shape.of)
    if shape.other is not None and shape.other.keys is not REVISION:
        yield from _rows(path, shape.other)


def document() -> dict[str, Any]:
    """The JSON Schema of `scenario.yaml`, of the draft that editors know best."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "scenario.yaml of regress",
        **_document(_keys(SCENARIO, *REQUIRED)),
    }


def _document(shape: Shape) -> dict[str, Any]:
    told = dict(shape.json)
    if shape.keys:
        told["properties"] = {name: _described(key) for name, key in shape.keys.items()}
        told["additionalProperties"] = False
    if shape.required:
        told["required"] = list(shape.required)
    if shape.of is not None:
        told["additionalProperties" if shape.name else "items"] = _document(shape.of)
    return told if shape.other is None else {"anyOf": [told, _document(shape.other)]}


def _described(key: Key) -> dict[str, Any]:
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", key.meaning)
    told = {"description": f"{plain[0].upper()}{plain[1:]}.", **_document(key.shape)}
    return {**told, "deprecated": True} if key.replaced else told
