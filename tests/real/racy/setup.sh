# shellcheck shell=sh
# A device whose reads crash the bad kernels, with something written to it.
pi_disk
dm_integrity "$DISK" tags 32 D
dm_crypt_aead /dev/mapper/tags secret 32
direct_write /dev/mapper/secret 16
