"""`regress new NAME`: a scenario to start from."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from harness import catalog, paths
from harness.errors import UserError
from harness.files import whole_folder

YAML = """\
# yaml-language-server: $schema={schema}
id: {name}
title: {name}
# One line: what is true of a healthy kernel.  Without it, the scenario is a regression.
claim: what is written to a disk is read back
# Fragments of kconfigs/; scenarios with the same list share one kernel.
kconfig: [{kconfig}]
kernels: ">=4.12"
machine: {{memory: 512M, boot_timeout: 120s, timeout: 180s}}    # for a busy machine; under a minute on an idle one
disks: {{pi: {{dif: 1, dix: 1, size: 64M}}}}
# Each variant is a separate boot; the script finds its name in $VARIANT.
# variants:
#   dif1: {{pi: {{dif: 1}}}}
#   dif3: {{pi: {{dif: 3}}, append: [slab_nomerge]}}
needs: [dd]
# What counts as bad: a crash (with this title, or any), the script's own `fail`, or both.
expect:
  crash: {{any: true}}
  failure: true
# The history that --tree replay means, here another scenario's; and the known commits by tree: one or more good
# ones, a bad one, a fixed one.
replay: lr-35498d
commits:
  replay-6.1: {{good: [replay-good, replay-bad]}}
"""

SCRIPT = """\
# shellcheck shell=sh
# Reads back what was written, and counts how often the block layer verified it.
pi_disk
must_count verify bio_integrity_verify_fn
step "write and read $DISK ($(pi_profile "$DISK"))"
direct_write "$DISK" 16
direct_read "$DISK" 16 || fail "what was read is not what was written"
equal "verifications of 16 direct reads" "$(calls verify)" 16
pass "16 blocks of 4 KiB read back as written, each verified once"
"""

SHARED = "base, scsi-debug-pi, dm-integrity, dm-crypt, aead, raid, counting, virtio-disk, target"


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `regress new`."""
    parser.add_argument("name", metavar="NAME", help="letters, digits, - and _")
    own = paths.SCENARIOS if paths.checkout() else paths.own_scenarios()
    parser.add_argument(
        "--scenarios",
        type=Path,
        default=own,
        metavar="DIR",
        help="folder to write it into; default: the checkout's scenarios/; installed, ~/.config/regress/scenarios/",
    )


def run(options: argparse.Namespace) -> int:
    """Write a scenario that runs as is.

    Raises:
        UserError: the name is invalid or taken, or the folder cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", options.name):
        raise UserError(
            f"expected a name of letters, digits, - and _, starting with a letter or digit, got {options.name!r}"
        )
    extra = (options.scenarios,) if options.scenarios.is_dir() else ()
    text = YAML.format(name=options.name, kconfig=SHARED, schema=_schema(options.scenarios))
    taken = {name: s for s in catalog.scenarios(extra) for name in (s.id, *s.aliases)}
    folder = options.scenarios / options.name
    if options.name in taken or folder.exists():
        raise UserError(
            f"{options.name!r} is taken by {taken[options.name].folder if options.name in taken else folder}"
        )
    try:
        options.scenarios.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as new:
            (new / "scenario.yaml").write_text(text, encoding="utf-8")
            (new / "run.sh").write_text(SCRIPT, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}") from error
    known = options.scenarios.resolve() in (paths.SCENARIOS, paths.own_scenarios().resolve())
    more = "" if known else f" --scenarios {shlex.quote(str(options.scenarios))}"
    print(f"{folder}/: scenario.yaml says what it needs, run.sh runs in the guest ({paths.GUEST}/README.md)")
    print(f"try it: regress run {options.name}{more} --tree replay --commit replay-good")
    return 0


def _schema(folder: Path) -> str:
    """Where an editor finds the schema, from a scenario in a folder: a checkout may be moved as a whole."""
    schema = paths.SCENARIOS / "scenario.schema.json"
    return f"../{schema.name}" if folder.resolve() == paths.SCENARIOS else str(schema)
