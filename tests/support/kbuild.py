"""A small kernel that make builds as kbuild would: what it leaves in the object folder has the same form.

An object is what the preprocessor makes of a source, and the image is all of them: a word in a file that is read is in
the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import record
from harness.bisect import Bisection, Economy, Evaluator, EvidenceLog, Plan, Result, search_for
from harness.console import Expectation
from harness.git import Git
from harness.kernel.build import KernelBuilder
from harness.kernel.tree import from_path
from harness.machine import Chunk
from harness.model import Boot, Fixup, Scenario
from harness.progress import Silent
from harness.runner import GuestImage, Runner
from harness.testing import ScriptedMachine
from tests.support.toy import CONSOLES, Unheard

CRASH = "crash_here"
"""A kernel with this word in its image crashes."""

Files = Mapping[str, str | None]
"""Texts by path; None for a file that goes."""

TREE = {
    "Makefile": (
        "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n# KERNELRELEASE\n"
        "tinyconfig olddefconfig:\n\tsh scripts/conf.sh $(O)\n"
        "bzImage:\n\t$(MAKE) -f scripts/Makefile.build obj=lib\n"
        "\t$(MAKE) -f scripts/Makefile.build obj=drivers\n"
        "\tmkdir -p $(O)/arch/x86/boot\n\tsh scripts/link.sh $(O) >$(O)/arch/x86/boot/bzImage\n"
    ),
    "Kconfig": 'config ALWAYS\n\tdefault y\nsource "lib/Kconfig"\n',
    "lib/Kconfig": "config EXTRA\n\tdefault n\n",
    "drivers/Kconfig": "config DRIVER\n\tdefault n\n",
    "scripts/link.sh": "cat $1/lib/built-in.a $1/drivers/built-in.a\n",
    "scripts/conf.sh": (
        "all() { cat $1; for one in $(sed -n 's/^source \"\\(.*\\)\"/\\1/p' $1); do all $one; done; }\n"
        "names() { echo $1; for one in $(sed -n 's/^source \"\\(.*\\)\"/\\1/p' $1); do names $one; done; }\n"
        "mkdir -p $1/include/config\n"
        'all Kconfig | awk \'/^config/ { name = $2 } /default y/ { print "CONFIG_" name "=y" }\' >$1/.config\n'
        "{ echo 'deps_config := \\'; names Kconfig | sed 's/.*/\\t& \\\\/'; } >$1/include/config/auto.conf.cmd\n"
    ),
    "scripts/Makefile.build": (
        "src := $(obj)\ninclude $(O)/.config\n"
        "include $(firstword $(wildcard $(src)/Kbuild) $(src)/Makefile)\n"
        "objs := $(addprefix $(O)/$(obj)/,$(filter %.o,$(obj-y)))\n"
        "subs := $(patsubst %/,$(O)/$(obj)/%/built-in.a,$(filter %/,$(obj-y)))\n"
        "$(O)/$(obj)/built-in.a: $(objs) $(subs) FORCE\n\tmkdir -p $(@D)\n\tcat /dev/null $(filter-out FORCE,$^) >$@\n"
        "$(O)/$(obj)/%/built-in.a: FORCE\n\t$(MAKE) -f scripts/Makefile.build obj=$(obj)/$*\n"
        "cpp = mkdir -p $(@D) && gcc -E -P -nostdinc -undef -DBUILT $(ccflags-y) -I$(CURDIR)/include "
        "-MD -MF $@.d $(abspath $<) -o $@ && "
        "{ echo 'cmd_$@ := gcc $(ccflags-y) -I$(CURDIR)/include $(abspath $<)'; echo; echo 'deps_$@ := \\'; "
        "sed 's/^[^:]*://' $@.d; } >$(@D)/.$(@F).cmd\n"
        "$(O)/$(obj)/%.o: $(src)/%.S FORCE\n\t$(cpp)\n"
        "$(O)/$(obj)/%.o: $(src)/%.c FORCE\n\t$(cpp)\n"
        "FORCE:\n"
    ),
    "include/linux/core.h": "int core;\n",
    "include/linux/extra.h": "int extra;\n",
    "include/part.h": "int part;\n",
    "lib/Makefile": "obj-y := a.o b.o\nobj-y += all/\nobj-$(CONFIG_EXTRA) += x.o\n",
    "lib/a.c": '#include <linux/core.h>\n#include "part.h"\n#ifdef TOGGLE\n#include <linux/extra.h>\n#endif\nint a;\n',
    "lib/b.c": "int b;\n",
    "lib/x.c": "int x;\n",
    "lib/all/Makefile": "obj-y := $(patsubst %.c,%.o,$(notdir $(wildcard $(src)/*.c)))\n",
    "lib/all/one.c": "int one;\n",
    "drivers/Makefile": "obj-$(CONFIG_DRIVER) += d.o\n",
    "drivers/d.c": '#include "d.h"\nint d;\n',
    "drivers/d.h": "int dh;\n",
    "arch/arm/Makefile": "obj-y += arm.o\n",
    "arch/arm/include/asm/part.h": "int arm;\n",
    "hidden/secret.h": "int secret;\n",
    "Documentation/lib.rst": "The library.\n",
    "MAINTAINERS": "Nobody\n",
}


@dataclass
class Kernel:
    """A repository of such kernels, and a machine that boots them.

    Args:
        top: for all of it.
    """

    top: Path
    count: int = 0
    git: Git = field(init=False)
    fixups: tuple[Fixup, ...] = ()

    def __post_init__(self) -> None:
        path = self.top / "tree"
        path.mkdir(parents=True)
        self.git = Git(path)
        self.git.run("init", "--quiet", "--initial-branch=main")
        self.commit(TREE)

    def commit(self, files: Files) -> str:
        """A commit that writes these files."""
        self.count += 1
        for name, text in files.items():
            path = self.git.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if text is not None and text.startswith("-> "):
                path.symlink_to(text[3:])
            elif text is not None:
                path.write_text(text)
        self.git.run("add", "--all")
        self.git.run("commit", "--quiet", "--allow-empty", "-m", f"commit {self.count}")
        return self.git.text("rev-parse", "HEAD")

    def idle(self, count: int = 3) -> list[str]:
        """Commits that change nothing that is built."""
        return [self.commit({"drivers/idle.c": f"int d{self.count};\n", "MAINTAINERS": ""}) for _ in range(count)]

    def line(self, commits: Sequence[Files]) -> list[str]:
        """These commits, with idle ones around each."""
        shas = self.idle()
        for files in commits:
            shas += [self.commit(files), *self.idle()]
        return shas

    def play(self, boot: Boot) -> str:
        """What a boot shows (see `CONSOLES`)."""
        return "bad" if CRASH in boot.image.read_text() else "good"

    def _boot(self, boot: Boot) -> Iterator[Chunk | None]:
        yield from CONSOLES[self.play(boot)]

    def bisect(self, old: str, new: str, *, run: record.Run | None = None, **changes: object) -> Result:
        """Bisect between two commits, with the real builder."""
        plan = replace(Plan("toy", "", "tree", "x86_64", bad=(new,), good=(old,)), **changes)  # type: ignore[arg-type]
        scenario = Scenario("toy", "toy", self.top, expect=Expectation(title="*in toy_*"), fixups=self.fixups)
        tree = from_path(self.git.path, self.top / "cache", Silent())
        builder = KernelBuilder(tree, "x86_64", (), self.top / "cache", Silent())
        machine = ScriptedMachine(self._boot)
        runner = Runner(scenario, builder, machine, lambda folder: GuestImage(folder, ()), "x86_64", Silent())
        self.run = run or record.start(self.top / "results", "toy", "tree", "x86_64")
        log = EvidenceLog(self.run, scenario.expect, plan, share=plan.runs is not None)
        self.bisection = Bisection(Evaluator(plan, tree, runner, log, Unheard()), search_for(plan, log.rates))
        return self.bisection.run()


WITHOUT = (Economy.INPUTS,)
