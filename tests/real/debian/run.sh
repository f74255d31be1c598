# shellcheck shell=sh
# This test will read through dm-crypt over dm-integrity with modules alone: modprobe has loaded what scenario.yaml names
# and what that needs, the disk's driver with its parameters of the kernel command line, and no more.
for name in dm_crypt dm_integrity dm_mod dm_bufio scsi_debug; do
    grep -q "^$name " /proc/modules || fail "$name is not among the modules that are loaded"
done
pi_disk
equal "the disk's profile" "$(pi_profile "$DISK")" T10-DIF-TYPE1-CRC
step "format $DISK"
luks_integrity "$DISK" secret
direct_write /dev/mapper/secret 64
direct_read /dev/mapper/secret 64 || fail "what was read is not what was written"
pass "64 blocks of 4 KiB read back as written, by $(wc -l </proc/modules) modules"
