# shellcheck shell=sh
# This test will read through dm-crypt over dm-integrity; the completion of such a read must not call
# a verify_fn that dm-integrity's profile does not have.
pi_disk
step "format $DISK ($(pi_profile "$DISK"))"
luks_integrity "$DISK" secret
step "write"
direct_write /dev/mapper/secret 64
step "read"
direct_read /dev/mapper/secret 64 || fail "what was read is not what was written"
step "close"
cryptsetup close secret
pass "64 blocks of 4 KiB read back as written"
