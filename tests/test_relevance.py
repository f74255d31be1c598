"""The rules by which a change may alter the image, one by one: each case fails without its rule."""

from collections.abc import Iterable

import pytest

from harness.bisect.relevance import Watch, relevant
from harness.git import Change
from harness.kernel.inputs import Inputs, includes, resolve, words

READ = Inputs(
    files={
        "lib/a.c": 1,
        "lib/tables/entry.S": 1,
        "include/linux/core.h": 40,
        "arch/x86/include/asm/page.h": 40,
        "lib/Makefile": 0,
        "lib/Kconfig": 0,
        "Documentation/Kconfig": 0,
        "arch/arm/include/asm/shared.h": 1,
    },
    folders=frozenset({"", "lib", "lib/tables", "lib/found", "arch", "arch/x86", "tools", "tools/objtool", "drivers"}),
    globbed=frozenset({"lib/found"}),
    search=frozenset({"include", "arch/x86/include", "lib"}),
    names=frozenset({"linux/core.h", "linux/maybe.h", "own.h", "asm/page.h", "body.c"}),
    options=frozenset({"SMP", "SET"}),
)
LINK, FILE, MODULE, NONE = "120000", "100644", "160000", "000000"


@pytest.mark.parametrize(
    ("status", "path", "why"),
    [
        # What is read.
        ("M", "lib/a.c", "it is read"),
        ("D", "lib/a.c", "it is read"),
        ("M", "include/linux/core.h", "it is read"),
        ("M", "lib/Kconfig", "it is read"),
        ("M", "Documentation/Kconfig", "it is read"),
        ("M", "arch/arm/include/asm/shared.h", "it is read"),
        # What an #include would read.
        ("M", "include/linux/maybe.h", "it is read"),
        ("A", "include/linux/maybe.h", "it is read"),
        ("A", "lib/linux/core.h", "it is read"),
        ("A", "lib/tables/own.h", "it is read"),
        ("A", "lib/tables/body.c", "it is read"),
        ("A", "drivers/own.h", None),
        ("A", "include/linux/other.h", None),
        ("M", "include/linux/other.h", None),
        # Sources that are not read.
        ("M", "lib/b.c", None),
        ("A", "lib/b.c", None),
        ("D", "lib/b.c", None),
        ("M", "lib/b.S", None),
        ("M", "rust/kernel/lib.rs", None),
        ("M", "arch/x86/boot/dts/board.dts", None),
        ("A", "lib/a.S", "it may stand for a source of the same name"),
        ("A", "lib/a.c_shipped", "it may stand for a source of the same name"),
        ("D", "lib/tables/entry.c", "it may stand for a source of the same name"),
        ("M", "lib/tables/entry.c", None),
        ("A", "drivers/a.c", None),
        ("A", "lib/found/new.c", "a makefile asks which files there are"),
        ("A", "lib/found/deep/new.c", "a makefile asks which files there are"),
        ("M", "lib/found/old.c", None),
        # Headers that kbuild may put others in the place of.
        ("A", "arch/x86/include/asm/new.h", "it may stand for a generic header"),
        ("D", "arch/x86/include/uapi/asm/old.h", "it may stand for a generic header"),
        ("A", "include/asm-generic/new.h", "it may stand for a generic header"),
        ("D", "include/uapi/asm-generic/old.h", "it may stand for a generic header"),
        ("M", "include/asm-generic/old.h", None),
        ("A", "arch/arm/include/asm/new.h", None),
        # Makefiles.
        ("M", "Makefile", "a makefile where the build works"),
        ("A", "lib/tables/Makefile", "a makefile where the build works"),
        ("A", "lib/Kbuild", "a makefile where the build works"),
        ("M", "arch/x86/Makefile.um", "a makefile where the build works"),
        ("M", "fs/ext4/Makefile", None),
        ("M", "arch/x86/include/asm/Kbuild", "a makefile where the build works"),
        ("M", "include/asm-generic/Kbuild", "a makefile where the build works"),
        ("M", "arch/x86/tools/Makefile", "a makefile where the build works"),
        ("M", "arch/x86/boot/dts/Makefile", None),
        ("M", "arch/arm/include/asm/Kbuild", None),
        ("M", "arch/arm/Makefile", None),
        ("M", "drivers/net/Kconfig", None),
        ("A", "lib/Kconfig.debug", None),
        # Scripts and tools.
        ("M", "scripts/link-vmlinux.sh", "a script"),
        ("A", "scripts/dtc/new.c", "a script"),
        ("M", "tools/objtool/check.c", "a tool of the build"),
        ("M", "tools/lib/subcmd/help.c", "a tool of the build"),
        ("M", "tools/include/linux/list.h", "a tool of the build"),
        ("M", "tools/perf/builtin-stat.c", None),
        ("M", "tools/testing/selftests/Makefile", None),
        # The configuration.
        ("M", "kernel/configs/tiny.config", "part of the configuration"),
        ("M", "kernel/configs/kvm_guest.config", None),
        ("M", "lib/debug.config", None),
        ("M", "lib/tiny-base.config", "part of the configuration"),
        ("M", "arch/x86/configs/x86_64_defconfig", None),
        # What make may read and nothing tells of.
        ("M", "arch/x86/tools/deep/sysreg", "not a source, where the build works"),
        ("M", "lib/table.txt", "not a source, where the build works"),
        ("A", "lib/found/deep/data", "not a source, where the build works"),
        ("M", "drivers/net/wireless/db.txt", None),
        ("A", "localversion-next", "not a source, where the build works"),
        ("M", "lib/README", None),
        ("M", "lib/.gitignore", None),
        ("M", "lib/index.rst", None),
        ("M", "MAINTAINERS", None),
        ("M", "Documentation/process/howto.rst", None),
        ("M", "Documentation/conf.py", None),
        ("M", "Documentation/Makefile", None),
        ("M", "LICENSES/preferred/MIT", None),
        ("M", "arch/arm/kernel/vmlinux.lds.S", None),
        ("M", "arch/arm/tools/syscall.tbl", None),
        ("M", "lib/.gitattributes", "what git makes of files"),
        ("A", "fs/.gitattributes", "what git makes of files"),
    ],
)
def test_each_kind_of_change(status: str, path: str, why: str | None) -> None:
    assert Watch(READ).why(Change(path, status)) == why


@pytest.mark.parametrize("modes", [(NONE, LINK), (LINK, FILE), (LINK, LINK), (NONE, MODULE), (MODULE, MODULE)])
def test_links_and_submodules_count_wherever_they_are(modes: tuple[str, str]) -> None:
    assert Watch(READ).why(Change("fs/ext4/x.c", "M", modes)) == "a symbolic link or a submodule"


def test_where_the_version_names_the_commit_everything_counts() -> None:
    watch = Watch(READ | Inputs(options=frozenset({"LOCALVERSION_AUTO"})))
    assert watch.why(Change("MAINTAINERS", "M")) == "the version names the commit"


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("include/linux/other.h", True),
        ("arch/x86/include/asm/other.h", True),
        ("arch/arm/include/asm/other.h", False),
        ("lib/other.h", False),
        ("include/linux/other.c", False),
    ],
)
@pytest.mark.parametrize("more", [Inputs(options=frozenset({"IKHEADERS"})), Inputs(folders=frozenset({"usr/include"}))])
def test_where_the_image_has_all_headers_all_headers_count(path: str, counts: bool, more: Inputs) -> None:
    assert (Watch(READ | more).why(Change(path, "M")) is not None) is counts


@pytest.mark.parametrize(
    ("path", "lines", "then"),
    [
        ("lib/a.c", ["#include <linux/new.h>"], "include/linux/new.h"),
        ("lib/a.c", ["#  include_next <linux/new.h>"], "include/linux/new.h"),
        ("lib/a.c", ["#if __has_include(<linux/new.h>)"], "include/linux/new.h"),
        ("lib/a.c", ['#include "../fs/new.h"'], "fs/new.h"),
        ("lib/Makefile", ["obj-y += new.o"], "lib/new.c"),
        ("lib/Makefile", ["obj-$(CONFIG_SET) += new.o"], "lib/new.S"),
        ("lib/Makefile", ["new-objs := one.o \\"], "lib/one.c"),
        ("lib/Makefile", ["\tone.o two.o"], "lib/two.rs"),
        ("lib/Makefile", ["obj-y += sub/one.o"], "lib/sub/one.c"),
        ("lib/Makefile", ["obj-y += sub/"], "lib/sub/deep/Makefile"),
        ("arch/x86/Makefile", ["core-y += arch/x86/new/"], "arch/x86/new/x.c"),
        ("lib/Makefile", ["include $(src)/rules.mk"], "lib/rules.mk"),
        ("lib/Makefile", ["$(obj)/x.h: $(srctree)/fs/x.h"], "fs/x.h"),
        ("lib/Makefile", ["ccflags-y += -I$(srctree)/fs/inc"], "fs/inc/own.h"),
        ("lib/Makefile", ["ccflags-y += -I $(src)/inc"], "lib/inc/own.h"),
        ("lib/Kconfig", ['source "fs/Kconfig"'], "fs/Kconfig"),
    ],
)
def test_what_a_line_brings_in_is_watched(path: str, lines: list[str], then: str) -> None:
    watch = Watch(READ)
    assert not watch.follows(then)
    watch.learn(path, lines)
    assert watch.why(Change(then, "M")) == "it is read"


@pytest.mark.parametrize(
    ("path", "lines", "then"),
    [
        ("lib/Makefile", ["obj-$(CONFIG_UNSET) += new.o"], "lib/new.c"),
        ("lib/Makefile", ["obj-y += new.o"], "fs/new.c"),
        ("lib/Makefile", ["# obj and such"], "lib/obj.c"),
        ("lib/a.c", ["/* see new.h */"], "lib/new.h"),
        ("lib/Kconfig", ['\tprompt "fs/Kconfig"'], "fs/Kconfig"),
        ("lib/table.txt", ["#include <linux/new.h>"], "include/linux/new.h"),
    ],
)
def test_other_lines_bring_in_nothing(path: str, lines: list[str], then: str) -> None:
    watch = Watch(READ)
    watch.learn(path, lines)
    assert watch.why(Change(then, "M")) is None


def test_a_makefile_that_begins_to_ask_which_files_there_are() -> None:
    watch = Watch(READ)
    assert watch.why(Change("lib/new.c", "A")) is None
    watch.learn("lib/Makefile", ["obj-y := $(wildcard $(src)/*.c)"])
    assert watch.why(Change("lib/new.c", "A")) == "a makefile asks which files there are"


def test_what_is_watched_grows_until_nothing_new_comes_in() -> None:
    changes = {
        "1": [Change("lib/deep.h", "M")],
        "2": [Change("lib/new.h", "M")],
        "3": [Change("lib/a.c", "M")],
        "4": [Change("lib/other.c", "M")],
        "5": [Change("lib/end.h", "M")],
        "6": [Change("lib/far.h", "M")],
    }
    lines = {"3": ("lib/a.c", ['#include "new.h"']), "2": ("lib/new.h", ['#include "deep.h"', '#include "there.h"'])}
    texts = {"lib/there.h": '#include "end.h"\n'}
    asked = []

    def told(watch: Watch) -> Iterable[tuple[str, str]]:
        fresh = [path for path in texts if watch.follows(path) and path not in asked]
        asked.extend(fresh)
        return [(path, texts[path]) for path in fresh]

    found = relevant(changes, Watch(READ), lambda some: [(sha, *lines[sha]) for sha in some if sha in lines], told)
    assert found == {"1", "2", "3", "5"}


def test_includes_of_a_text() -> None:
    text = (
        '#include <a.h>\n # include "b/c.h"\n#include MACRO\n// #include <d.h>\n#ifdef X\n#include "../e.h"\n#endif\n'
    )
    assert includes(text) == {"a.h", "b/c.h", "../e.h"}
    assert list(resolve("../e.h", ["lib/x", ""])) == ["lib/e.h", "../e.h"]


def test_words_of_a_makefile_are_paths_from_its_folder_and_from_the_top() -> None:
    found = set(words("$(obj)/t.h: $(srctree)/$(src)/gen.sh $(srctree)/include/x.h $(X)/y FORCE", "lib"))
    assert {"lib/gen.sh", "include/x.h", "lib/t.h"} <= found
    assert not any("$" in word for word in found)


def test_two_ends_together() -> None:
    both = Inputs({"a": 1, "b": 2}, folders=frozenset("x")) | Inputs({"b": 5, "c": 0}, names=frozenset("n"))
    assert both == Inputs({"a": 1, "b": 5, "c": 0}, folders=frozenset("x"), names=frozenset("n"))
