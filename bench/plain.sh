#!/bin/sh
# The scenario as one would write it for plain virtme-ng: on the host's own file system, with the host's programs.
set -eu
head -c 64 /dev/urandom >/run/key
cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --cipher aes-xts-plain64 \
    --key-size 512 --integrity hmac-sha256 --integrity-no-wipe /dev/sda /run/key
cryptsetup open --key-file /run/key /dev/sda secret
dmsetup mknodes
head -c 262144 /dev/urandom >/run/written
dd if=/run/written of=/dev/mapper/secret bs=4096 count=64 oflag=direct
dd if=/dev/mapper/secret of=/run/read bs=4096 count=64 iflag=direct
cmp /run/written /run/read
cryptsetup close secret
echo "scenario passed"
