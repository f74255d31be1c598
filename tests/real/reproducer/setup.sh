# shellcheck shell=sh
# The disk's node under the name that the reproducer knows.
pi_disk
ln -sf "$DISK" /tmp/disk
