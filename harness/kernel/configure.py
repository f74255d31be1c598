"""Makes the `.config` of a build: the base without what is known to break elsewhere, and the fragments on top."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildError, KernelError
from harness.files import write_atomically
from harness.git import Commit
from harness.kernel import config as kconfig
from harness.kernel import objects, portability
from harness.kernel.config import Option
from harness.kernel.inputs import MAKEFILE
from harness.kernel.portability import Rule
from harness.kernel.tree import Tree
from harness.model import Base
from harness.progress import Progress

# The files that decide a configuration, besides the fragments.
_INPUT = re.compile(r"(^|/)Kconfig[^/]*$|^scripts/(kconfig/|Kconfig|Makefile|.*version)|^Makefile$|tiny[\w-]*\.config$")
_TARGETS = re.compile(r"(^|/)configs/")


def decides(base: Base, path: str) -> bool:
    """Whether a file of the tree may be one that a base is made of, besides Kconfig files.

    Its own targets are files in folders `configs/`, and all makefiles are searched for what a module is built by.

    Args:
        path: from the top of the tree.
    """
    named = base.own and not base.text and _TARGETS.search(path)
    return bool(named or (base.loaded is not None and MAKEFILE.search(path)))


@dataclass(frozen=True)
class Configuring:
    """What a configuration is made of, and where.

    Args:
        tree: the tree, locked by the caller.
        commit: to be checked out.
        base: what the options are put on top of.
        rules: what is known to break here, of a base of one's own.
        options: those of the fragments.
        flavour: a digest of all that.
        kin: a digest of all but the options.
        objects: the object folder.
        make: runs one target of the kernel's make in it, `asks`: it asks questions, and takes the defaults.
        progress: is told what was altered.
    """

    tree: Tree
    commit: Commit
    base: Base
    rules: Sequence[Rule]
    options: Sequence[Option]
    flavour: str
    kin: str
    objects: Path
    make: Callable[..., None]
    progress: Progress

    def configure(self) -> kconfig.Configured:
        """Check out, and make `.config` from the base and the options, unless it is up to date.

        A configuration made at another commit may lack options of this commit's Kconfig, so it is
        remade whenever a file that decides it differs.

        Raises:
            BuildError: make fails.
            KernelError: the tree has no such target.
        """
        self.objects.mkdir(parents=True, exist_ok=True)
        self.tree.workspace.check_out(self.commit.sha)
        state, final = self.objects / objects.STATE, self.objects / ".config"
        before = objects.state(self.objects)
        if not (before and final.exists() and self._serves(before)):
            state.unlink(missing_ok=True)
            self.progress.update(f"configuring {self.commit.sha[:12]}")
            before = self._remake(final, before)
        told = {**before, "tree": self.commit.tree, "flavour": self.flavour, "kin": self.kin}
        told["options"] = [option.line for option in self.options]
        write_atomically(state, json.dumps(told))
        text = final.read_text(encoding="utf-8")
        lost = tuple(kconfig.losses(self.options, text, self.tree.worktree))
        return kconfig.Configured(text, lost, tuple(told.get("adapted", ())), tuple(told.get("dropped", ())))

    def _remake(self, final: Path, before: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Make `.config`; one that comes out the same keeps its time, so that nothing is built for it.

        Args:
            before: what was noted in this object folder; once is enough to tell the user.

        Returns:
            What was altered of the base, and what of it is off; nothing for the usual one.
        """
        old = final.read_bytes() if final.exists() else None
        times = final.stat() if old is not None else None
        self._lay_base(final)
        base = final.read_text(encoding="utf-8")
        applied = portability.applied(self.rules, base)
        over = [option for rule in applied for option in rule.options]
        with final.open("a", encoding="utf-8") as file:
            file.write(kconfig.render([*over, *self.options]))
        self.make("olddefconfig")
        if times is not None and final.read_bytes() == old:
            os.utime(final, ns=(times.st_atime_ns, times.st_mtime_ns))
        if not self.base.own:
            return {}
        adapted, dropped = [str(rule) for rule in applied], self._dropped(base, final, [*over, *self.options])
        if "adapted" not in before:
            for line in (*adapted, *self._told(dropped, final)):
                self.progress.note(f"{self.base.name}: {line}")
        return {"adapted": adapted, "dropped": dropped}

    def _lay_base(self, final: Path) -> None:
        if self.base.text:
            final.write_text(self.base.text, encoding="utf-8")
        for target in self.base.targets:
            try:
                self.make(target)
            except BuildError as error:
                if not self.base.own:
                    raise
                raise KernelError(f"{self.base.name}: `make {target}` fails in this tree: {error}") from error
        if self.base.loaded is not None:
            listed = self.objects / "regress.lsmod"
            write_atomically(listed, "Module Size Used by\n" + "".join(f"{name} 1 0\n" for name in self.base.loaded))
            # It asks about what the tree has and the configuration has not.
            self.make("olddefconfig")
            self.make("localmodconfig", f"LSMOD={listed}", asks=True)

    def _dropped(self, base: str, final: Path, over: Sequence[Option]) -> list[str]:
        """Options that are on in the base and off at the end, without having been asked to be off."""
        got, off = kconfig.parse_config(final.read_text(encoding="utf-8")), {o.name for o in over if o.value == "n"}
        values = ("y",) if self.base.loaded is not None else ("y", "m")
        asked = kconfig.parse_config(self.base.text or base)
        return [name for name, value in asked.items() if value in values and name not in got and name not in off]

    def _told(self, dropped: Sequence[str], final: Path) -> list[str]:
        if not dropped:
            return []
        few = f"CONFIG_{', CONFIG_'.join(dropped[:5])}{', ...' if len(dropped) > 5 else ''}"
        its, here = kconfig.version(self.base.text), kconfig.version(final.read_text(encoding="utf-8"))
        of = f" (it is of Linux {its}, this is {here})" if its and here and its != here else ""
        return [f"{len(dropped)} of its options are off here{of}: {few}"]

    def _serves(self, before: Mapping[str, str]) -> bool:
        """Whether the configuration that is there is the one to be made."""
        own = before.get("flavour", self.flavour) == self.flavour
        return own and not self._differs(before["tree"])

    def _differs(self, tree: str) -> bool:
        """Whether another tree has another file that decides it."""
        if tree == self.commit.tree:
            return False
        changed = self.tree.workspace.changed(tree, self.commit.tree)
        return any(_INPUT.search(path) or decides(self.base, path) for path in changed)
