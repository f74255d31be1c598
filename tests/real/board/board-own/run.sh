# shellcheck shell=sh
# Says which root file system the kernel has booted; crashes on demand.
step "look at /"
[ -z "${CRASH:-}" ] || echo c >/proc/sysrq-trigger
grep -q ' / ext4 ' /proc/1/mounts || fail "the root file system is not the machine's"
pass "the first process is $(tr '\0' ' ' </proc/1/cmdline)"
