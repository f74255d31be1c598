"""The caller's environment: nothing in it changes a verdict, what builds see, or the user's repository.

Fast: all variables of a program at once, for each command.  With REGRESS_EACH=1 each variable by itself too.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.edges import Repo, Toy, changes, contents

HOSTILE: dict[str, dict[str, str]] = {
    "git: where": {
        "GIT_DIR": "{tree}/.git",
        "GIT_WORK_TREE": "{tree}",
        "GIT_INDEX_FILE": "{tree}/.git/index",
        "GIT_OBJECT_DIRECTORY": "{tree}/.git/objects",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "{top}/nowhere",
        "GIT_COMMON_DIR": "{tree}/.git",
        "GIT_NAMESPACE": "other",
        "GIT_PREFIX": "sub/",
        "GIT_SHALLOW_FILE": "{top}/shallow",
        "GIT_GRAFT_FILE": "{top}/grafts",
        "GIT_REPLACE_REF_BASE": "refs/elsewhere/",
    },
    "git: nowhere": {
        "GIT_DIR": "/nonexistent/.git",
        "GIT_CEILING_DIRECTORIES": "{tree}:{top}:/",
        "GIT_INDEX_FILE": "/nonexistent/index",
        "GIT_OBJECT_DIRECTORY": "/nonexistent/objects",
        "GIT_EXEC_PATH": "/nonexistent",
        "GIT_TEMPLATE_DIR": "/nonexistent",
    },
    "git: how": {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": "{top}/hooks",
        "GIT_CONFIG_KEY_1": "core.bare",
        "GIT_CONFIG_VALUE_1": "true",
        "GIT_CONFIG_PARAMETERS": "'core.bare'='true' 'core.autocrlf'='true'",
        "GIT_CONFIG": "/nonexistent",
        "GIT_TRACE": "1",
        "GIT_TRACE2": "1",
        "GIT_TRACE_SETUP": "2",
        "GIT_PAGER": "false",
        "GIT_EDITOR": "false",
        "GIT_EXTERNAL_DIFF": "false",
        "GIT_DIFF_OPTS": "--unified=0",
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NOGLOB_PATHSPECS": "1",
        "GIT_ICASE_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_ATTR_SOURCE": "HEAD",
        "GIT_FLUSH": "0",
        "GIT_QUARANTINE_PATH": "{top}/quarantine",
        "GIT_REFLOG_ACTION": "mine",
        "GIT_MERGE_VERBOSITY": "5",
        "GIT_AUTHOR_DATE": "nonsense",
        "GIT_COMMITTER_DATE": "nonsense",
        "GIT_OPTIONAL_LOCKS": "1",
        "PAGER": "false",
        "LESS": "x",
    },
    "make": {
        "MAKEFLAGS": "n -- CC=false",
        "MFLAGS": "-n",
        "GNUMAKEFLAGS": "--dry-run",
        "MAKEFILES": "{top}/evil.mk",
        "MAKELEVEL": "3",
        "MAKEOVERRIDES": "CC=false",
        "SHELL": "/bin/false",
    },
    "compiler and kbuild": {
        "CC": "false",
        "CROSS_COMPILE": "nowhere-",
        "LLVM": "1",
        "KCFLAGS": "-DEVIL",
        "KAFLAGS": "-DEVIL",
        "KCPPFLAGS": "-DEVIL",
        "CFLAGS": "-DEVIL",
        "LDFLAGS": "-nonsense",
        "ARCH": "arm",
        "SUBARCH": "arm",
        "CPATH": "{top}/nowhere",
        "C_INCLUDE_PATH": "{top}/nowhere",
        "LIBRARY_PATH": "{top}/nowhere",
        "COMPILER_PATH": "{top}/nowhere",
        "GCC_EXEC_PREFIX": "{top}/nowhere",
        "GCC_COLORS": "error=01",
        "KBUILD_OUTPUT": "{top}/elsewhere",
        "KBUILD_EXTMOD": "{top}/elsewhere",
        "KBUILD_BUILD_TIMESTAMP": "never",
        "KCONFIG_ALLCONFIG": "{top}/evil.config",
        "KCONFIG_CONFIG": "{top}/evil.config",
        "LOCALVERSION": "-mine",
        "CCACHE_DIR": "/nonexistent",
        "CCACHE_DISABLE": "1",
        "CCACHE_PREFIX": "false",
        "SOURCE_DATE_EPOCH": "0",
        "INSTALL_MOD_PATH": "{top}/elsewhere",
        "O": "{top}/elsewhere",
        "V": "1",
        "W": "1",
        "C": "2",
    },
    "locale and time": {
        "LANG": "de_DE.UTF-8",
        "LANGUAGE": "de:fr",
        "LC_ALL": "de_DE.UTF-8",
        "LC_MESSAGES": "de_DE.UTF-8",
        "LC_COLLATE": "de_DE.UTF-8",
        "LC_NUMERIC": "de_DE.UTF-8",
        "TZ": "Asia/Kathmandu",
    },
    "shell and terminal": {
        "POSIXLY_CORRECT": "1",
        "COLUMNS": "20",
        "LINES": "3",
        "NO_COLOR": "1",
        "FORCE_COLOR": "1",
        "CLICOLOR_FORCE": "1",
        "TERM": "nonsense",
        "ENV": "{top}/evil.sh",
        "BASH_ENV": "{top}/evil.sh",
        "CDPATH": "/tmp",
        "IFS": "x",
        "GREP_OPTIONS": "-v",
    },
    "python": {
        "PYTHONPATH": "{top}/python",
        "PYTHONHOME": "/nonexistent",
        "PYTHONSTARTUP": "{top}/evil.py",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "PYTHONHASHSEED": "1",
        "PYTHONINSPECT": "1",
        "PYTHONDEVMODE": "1",
        "PYTHONUNBUFFERED": "1",
        "VIRTUAL_ENV": "/nonexistent",
    },
}
COMMANDS = ("run", "step", "bisect", "try")
OWN = {"LC_ALL", "LANG", "TZ", "SHELL", "IFS", "MAKELEVEL", "COLUMNS", "LINES", "TERM", "GIT_OPTIONAL_LOCKS"}
"""Names that a made environment may hold with a value of its own."""


class Place:
    """A history with a culprit, and a build that notes its environment."""

    def __init__(self, toy: Toy) -> None:
        self.toy, self.tree, self.noted = toy, toy.repo(), toy.top / "noted"
        self._right: dict[str, Any] = {}
        toy.scenario(build="sh build.sh", machine="sh machine.sh")
        note = f"cat /proc/$$/environ >>{self.noted}\n"
        self.tree.write({"build.sh": note, "machine.sh": f"{note}. ./console.sh\n", "sub/x": "x\n"})
        self.shas = self.tree.line("good*2 bad same")
        hooks = toy.top / "hooks"
        hooks.mkdir()
        (hooks / "post-checkout").write_text("#!/bin/sh\nexit 1\n")
        (hooks / "post-checkout").chmod(0o755)
        (toy.top / "python").mkdir()
        for name, text in {
            "evil.mk": "$(error evil)\n",
            "evil.sh": "exit 9\n",
            "evil.config": "CONFIG_EVIL=y\n",
            "evil.py": "raise SystemExit(9)\n",
            "python/sitecustomize.py": "raise SystemExit(9)\n",
            "python/yaml.py": "raise SystemExit(9)\n",
            "shallow": f"{self.shas[2]}\n",
            "grafts": f"{self.shas[2]}\n",
        }.items():
            (toy.top / name).write_text(text)
        (toy.top / "fix.patch").write_text("--- a/f1\n+++ b/f1\n@@ -1 +1 @@\n-1\n+one\n")

    def variables(self, group: str, command: str = "") -> dict[str, str]:
        found = {name: value.format(tree=self.tree.path, top=self.toy.top) for name, value in HOSTILE[group].items()}
        if command == "step" and group == "git: nowhere":
            # A work tree may have its repository elsewhere, and git says so to what it runs.
            del found["GIT_DIR"]
        return found

    def right(self, command: str) -> Any:
        """What a command finds out in an environment that is nobody's."""
        if command not in self._right:
            self._right[command] = self.told(command, {})
        self.noted.unlink(missing_ok=True)
        return self._right[command]

    def told(self, command: str, env: dict[str, str]) -> Any:
        """What a command finds out, without what differs from call to call."""
        tree, good, bad = str(self.tree.path), self.shas[0], self.shas[-1]
        args = {
            "run": ("--tree", tree, "--good", good, "--bad", bad),
            "step": (),
            "bisect": ("--tree", tree, "--good", good, "--bad", bad),
            "try": (str(self.toy.top / "fix.patch"), "--tree", tree, "--bad", bad),
        }[command]
        where = self.tree.path if command == "step" else self.toy.top
        done = self.toy.call(command, "--json", *args, cwd=where, reads=self.tree, env=env)
        assert done.out, done.err
        return done.status, _lasting(json.loads(done.out))

    def leaked(self, variables: dict[str, str]) -> list[str]:
        """The variables that reached a build or a machine; what they had is forgotten."""
        if not self.noted.exists():
            return []
        seen = self.noted.read_bytes().decode(errors="replace").split("\0")
        self.noted.unlink()
        return sorted(name for name, value in variables.items() if name not in OWN and f"{name}={value}" in seen)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(Toy(tmp_path_factory.mktemp("environment")))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("group", HOSTILE)
def test_environment_of_the_caller(place: Place, group: str, command: str) -> None:
    right = place.right(command)
    variables = place.variables(group, command)
    assert place.told(command, variables) == right
    assert place.leaked(variables) == []


@pytest.mark.skipif("REGRESS_EACH" not in os.environ, reason="slow: set REGRESS_EACH=1")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("group", HOSTILE)
def test_each_variable_by_itself(place: Place, group: str, command: str) -> None:
    right = place.right(command)
    wrong = {}
    for name, value in place.variables(group, command).items():
        env = {name: value}
        if name.startswith("GIT_CONFIG_") and name[11:12] in "CKV":
            env = {key: text for key, text in place.variables(group).items() if key.startswith("GIT_CONFIG_")}
        try:
            told = place.told(command, env)
            if told != right:
                wrong[name] = f"{told} instead of {right}"
            elif leaked := place.leaked(env):
                wrong[name] = f"reaches builds: {leaked}"
        except AssertionError as error:
            wrong[name] = str(error)[-400:]
        place.noted.unlink(missing_ok=True)
    assert not wrong, "\n".join(f"{name}: {what}" for name, what in wrong.items())


def test_images_are_built_alike(toy: Toy, tree: Repo) -> None:
    """The builder for kernels, with a real make: images under one key are the same whoever asks for them."""
    toy.scenario(build=None, machine=f"sh {toy.top}/m.sh")
    (toy.top / "m.sh").write_text('cat "$REGRESS_IMAGE"\necho regress: passed\n')
    names = (
        "CC",
        "CROSS_COMPILE",
        "LLVM",
        "KCFLAGS",
        "CFLAGS",
        "ARCH",
        "LOCALVERSION",
        "LANGUAGE",
        "KCONFIG_ALLCONFIG",
    )
    tree.write(
        {
            "Kconfig": "",
            "Makefile": (
                "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n# KERNELRELEASE\n"
                "tinyconfig olddefconfig:\n\ttouch $(O)/.config\n"
                "bzImage:\n\tmkdir -p $(O)/arch/x86/boot\n\t{ "
                + " ".join(f"echo '{name}=$({name})';" for name in names)
                + " env | grep -v -e ^MAKE -e ^PWD -e '^O=' -e TMP | sort; } >$(O)/arch/x86/boot/bzImage\n"
            ),
        }
    )
    sha = tree.commit()
    images: list[str] = []
    for group in ("", "make", "compiler and kbuild", "locale and time"):
        env = {name: value.format(tree=tree.path, top=toy.top) for name, value in HOSTILE.get(group, {}).items()}
        env["XDG_CACHE_HOME"] = str(toy.top / f"cache-{len(images)}")
        env.pop("SHELL", None)
        done = toy.call("run", "--json", "--tree", str(tree.path), "--commit", sha, reads=tree, env=env)
        assert done["commits"], f"{group}: {done['reason']}"
        [one] = done["commits"]
        assert one["verdict"] == "good", one["reason"]
        images.append((Path(done["folder"]) / one["trials"][0]["folder"] / "console.log").read_text())
        assert "EVIL" not in images[-1]
    assert not {image for image in images if _without_place(image) != _without_place(images[0])}


def test_repository_is_the_same_after_all_commands(place: Place) -> None:
    """... run from within it, with variables of all sorts at once."""
    before = contents(place.tree.path)
    variables = {name: text for group in HOSTILE for name, text in place.variables(group).items()}
    for command in COMMANDS:
        place.toy.call(command, "--help", cwd=place.tree.path, env=variables)
        if command != "step":
            place.told(command, {name: text for name, text in variables.items() if name.startswith("GIT_")})
    assert not changes(before, contents(place.tree.path))


DIFFERS = {"seconds", "folder", "command", "started", "at", "phases", "built", "signature", "id", "time", "commit"}


def _lasting(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _lasting(value) for key, value in data.items() if key not in DIFFERS}
    return [_lasting(one) for one in data] if isinstance(data, list) else data


def _without_place(image: str) -> list[str]:
    """An image without the folder of its cache, which differs from call to call."""
    return [re.sub(r"cache-\d", "cache", line) for line in image.splitlines()]
