"""A made-up kernel tree whose real make has a Kconfig, and whose image is its configuration: no compiler is needed."""

from __future__ import annotations

from pathlib import Path

from harness.git import Git

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
KERNELRELEASE = 6.1.0
O ?= .
tinyconfig:
	@mkdir -p $(O) && : >$(O)/.config
localmodconfig:
	@read -r answer; awk -f scripts/trim.awk $(LSMOD) $(O)/.config >$(O)/.config.new && mv $(O)/.config.new $(O)/.config
defconfig kvm_guest.config:
	@mkdir -p $(O) && cat configs/$@ >>$(O)/.config
olddefconfig:
	@awk -f scripts/conf.awk Kconfig $(O)/.config >$(O)/.config.new && mv $(O)/.config.new $(O)/.config
modules:
	@:
modules_install:
	@echo installing; sh scripts/install.sh $(INSTALL_MOD_PATH)/lib/modules/6.1.0 $(O)/.config
bzImage:
	@if grep -q CONFIG_BROKEN=y $(O)/.config; then echo "broken.c:1:1: error: BROKEN does not build" >&2; exit 1; fi
	@echo "  CC      built.o"; mkdir -p $(O)/arch/x86/boot && cat $(O)/.config bug >$(O)/arch/x86/boot/bzImage
"""

# What the kernel's conf does, for `depends on A && B`, `select C` and `default y`, all of them booleans.
CONF = """\
FILENAME ~ /Kconfig$/ && $1 == "config" { name = $2; names[++count] = name; next }
FILENAME ~ /Kconfig$/ && $1 == "depends" {
    for (i = 3; i <= NF; i++) if ($i != "&&") needs[name] = needs[name] " " $i; next
}
FILENAME ~ /Kconfig$/ && $1 == "select" { selects[name] = selects[name] " " $2; next }
FILENAME ~ /Kconfig$/ && $1 == "default" { wanted[name] = "y"; next }
FILENAME ~ /Kconfig$/ { next }
/^CONFIG_.*=/ { split(substr($0, 8), pair, "="); wanted[pair[1]] = pair[2]; next }
/^# CONFIG_.* is not set/ { wanted[substr($2, 8)] = "n" }
END {
    print "# Linux/x86 6.1.0 Kernel Configuration"
    do {
        changed = 0
        for (i = 1; i <= count; i++) {
            name = names[i]; met = 1
            n = split(needs[name], above, " ")
            for (j = 1; j <= n; j++) if (value[above[j]] == "") met = 0
            want = selected[name] ? "y" : (wanted[name] != "" && wanted[name] != "n" && met) ? wanted[name] : ""
            if (want == value[name]) continue
            value[name] = want; changed = 1
            n = split(selects[name], below, " ")
            for (j = 1; j <= n; j++) selected[below[j]] = want != ""
        }
    } while (changed)
    for (i = 1; i <= count; i++)
        if (value[names[i]] != "") print "CONFIG_" names[i] "=" value[names[i]]
        else print "# CONFIG_" names[i] " is not set"
}
"""

# What streamline_config.pl does: of the modules only those stay that are loaded, here named as their options are.
TRIM = """\
NR == FNR { keep[toupper($1)] = 1; next }
/=m$/ { name = substr($1, 8, index($1, "=") - 8); if (!(name in keep)) next }
1
"""

# What modules_install and depmod do: a module is a source and its option's name.
INSTALL = """\
mkdir -p $1/kernel
echo kernel/core.ko >$1/modules.builtin
: >$1/modules.dep
for name in $(sed -n 's/^CONFIG_\\(.*\\)=m$/\\1/p' $2 | tr A-Z a-z); do
    { cat module.c; echo $name; } >$1/kernel/$name.ko
    echo kernel/$name.ko: >>$1/modules.dep
done
"""

# The machine: a kernel with the bug crashes if what it needs is on, and says why it cannot tell otherwise.
BOOT = """\
has() { grep -q "^CONFIG_$1=y" "$REGRESS_IMAGE"; }
has CONSOLE || exit 0
has DISK || { echo "regress: skipped no disk"; exit; }
has TARGET && ! has CIPHER && { echo "regress: error no cipher"; exit; }
if grep -q bug "$REGRESS_IMAGE" && has TARGET && has CIPHER; then
    echo 'BUG: kernel NULL pointer dereference, address: 0000000000000000'
    echo 'RIP: 0010:toy_read+0x10/0x20'
    echo '---[ end trace 0000000000000000 ]---'
    exit
fi
echo "regress: passed read back"
"""

KCONFIG = {
    **dict.fromkeys(("64BIT", "SERIAL_8250", "SERIAL_8250_CONSOLE", "KERNEL_GZIP"), ""),  # of the architecture
    "CONSOLE": "",
    "NOISE": "default y",
    "BUS": "",
    "DISK": "depends on BUS",
    "SPARE": "depends on DISK",
    "CORE": "",
    "TARGET": "depends on DISK && CORE\n\tselect LIB",
    "LIB": "",
    "CIPHER": "depends on CORE",
    "UNUSED": "depends on CIPHER",
    "BROKEN": "",
    "WERROR": "",
    "WIFI": "",
    "SOUND": "",
}

FRAGMENTS = {
    "guest": "# minimise: keep\nCONFIG_CONSOLE=y\n# CONFIG_NOISE is not set\n",
    "disk": "CONFIG_BUS=y\nCONFIG_DISK=y  # what it reads\nCONFIG_SPARE=y\n",
    "target": "CONFIG_CORE=y\nCONFIG_LIB=y\nCONFIG_TARGET=y\n",
    "cipher": "CONFIG_CORE=y\nCONFIG_CIPHER=y\nCONFIG_UNUSED=y\nCONFIG_NEWER=y  # optional: since v9.0\n",
}
NEEDED = {"BUS", "DISK", "CORE", "TARGET", "CIPHER"}

SCENARIO = """\
id: toy
title: the toy crashes
kconfig: [{fragments}]
machine: {{command: "sh {boot}", timeout: 30s}}
expect:
  crash: {{title: "NULL pointer dereference in toy_*"}}
"""


def kernel(path: Path) -> tuple[Git, str, str]:
    """A repository with a good commit and a bad one; returns it and their hashes."""
    files = {
        "Makefile": MAKEFILE,
        "scripts/conf.awk": CONF,
        "scripts/trim.awk": TRIM,
        "scripts/install.sh": INSTALL,
        "module.c": "int module;\n",
        "Kconfig": "".join(f"config {name}\n\tbool\n\t{more}\n" for name, more in KCONFIG.items()),
        "configs/defconfig": "CONFIG_BUS=y\nCONFIG_DISK=y\n",
        "configs/kvm_guest.config": "CONFIG_CORE=y\n",
        "bug": "",
    }
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git, shas = Git(path), []
    git.run("init", "--quiet", "--initial-branch=main")
    for text in ("", "bug\n"):
        (path / "bug").write_text(text)
        git.run("add", "--all")
        git.run("commit", "--quiet", "-m", "brings the bug" if text else "works")
        shas.append(git.text("rev-parse", "HEAD"))
    return git, shas[0], shas[1]


def scenario(folder: Path, boot: str = BOOT, **more: str) -> Path:
    """A scenario of that tree in a folder of scenarios, with fragments of its own; returns its folder."""
    own = folder / "toy"
    own.mkdir(parents=True)
    (own / "boot.sh").write_text(boot)
    fragments = {**FRAGMENTS, **more}
    for name, text in fragments.items():
        (own / f"{name}.config").write_text(text)
    names = ", ".join(f"{name}.config" for name in fragments)
    (own / "scenario.yaml").write_text(SCENARIO.format(fragments=names, boot=own / "boot.sh"))
    return own
