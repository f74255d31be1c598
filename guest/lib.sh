# shellcheck shell=sh
# Shell library of the guest.  A scenario is sourced with it, under `set -eu`, in its own folder.

STATUS=/dev/ttyS1

# status WORD [TEXT]: one line to the host over the status channel, with the guest's uptime in seconds.
status() {
    word=$1
    shift
    read -r up _ </proc/uptime
    echo "regress: $word $up $*" >"$STATUS"
    echo "regress: $word $*"
    case $word in passed | failed | skipped) : >/run/told ;; esac
}

# step NAME: what comes next, for the host's timeline.
step() { status step "$*"; }

# The three ways to end a scenario.
pass() { status passed "$*"; exit 0; }
fail() { status failed "$*"; exit 1; }
skip() { status skipped "$*"; exit 0; }

# need PROGRAM...: skip where the guest lacks a program.
need() {
    for program; do
        command -v "$program" >/dev/null || skip "the guest has no $program"
    done
}

# pi_disk: sets DISK to the scsi_debug disk, and waits for it no longer than 5 s.
pi_disk() {
    for _ in $(seq 50); do
        for block in /sys/block/sd*; do
            if grep -q scsi_debug "$block/device/model" 2>/dev/null; then
                DISK=/dev/${block##*/}
                [ -b "$DISK" ] && return
            fi
        done
        sleep 0.1
    done
    skip "there is no scsi_debug disk; is CONFIG_SCSI_DEBUG set?"
}

# pi_profile DEVICE: the integrity profile that the block layer has for it, such as T10-DIF-TYPE1-CRC.
pi_profile() { cat "/sys/block/${1##*/}/integrity/format"; }

# luks_integrity DEVICE NAME [INTEGRITY [CIPHER]]: dm-crypt over dm-integrity by cryptsetup, as /dev/mapper/NAME.
luks_integrity() {
    need cryptsetup
    head -c 64 /dev/urandom >/run/key
    cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        --cipher "${4:-aes-xts-plain64}" --key-size 512 --integrity "${3:-hmac-sha256}" --integrity-no-wipe \
        "$1" /run/key
    cryptsetup open --key-file /run/key "$1" "$2"
    mapper_nodes
}

# dm_integrity DEVICE NAME TAGSIZE: plain dm-integrity that keeps TAGSIZE bytes a sector for the layer above.
dm_integrity() {
    need dmsetup
    dd if=/dev/zero of="$1" bs=4096 count=1 oflag=direct 2>/dev/null
    # A device of one sector formats the superblock, which then tells how many sectors there are.
    dmsetup create "$2" --table "0 1 integrity $1 0 $3 J 0"
    dmsetup remove "$2"
    # The superblock has the count of provided sectors as 64 bits at byte 16, in little endian (dm-integrity.c).
    sectors=$(od -A n -t u8 -j 16 -N 8 "$1" | tr -d ' ')
    dmsetup create "$2" --table "0 $sectors integrity $1 0 $3 J 0"
    mapper_nodes
}

# dm_crypt_aead DEVICE NAME TAGSIZE: plain dm-crypt with aes-xts and hmac-sha256 over a dm-integrity device.
dm_crypt_aead() {
    need dmsetup
    key=$(head -c 96 /dev/urandom | od -A n -v -t x1 | tr -d ' \n')
    dmsetup create "$2" --table "0 $(blockdev --getsz "$1") crypt \
        capi:authenc(hmac(sha256),xts(aes))-plain64 $key 0 $1 0 1 integrity:$3:aead"
    mapper_nodes
}

# mapper_nodes: /dev/mapper without udev.
mapper_nodes() { dmsetup mknodes; }

# direct_write DEVICE COUNT, direct_read DEVICE COUNT: blocks of 4 KiB past the page cache; the read is compared.
direct_write() {
    head -c "$(($2 * 4096))" /dev/urandom >/run/written
    dd if=/run/written of="$1" bs=4096 count="$2" oflag=direct
}
direct_read() {
    dd if="$1" of=/run/read bs=4096 count="$2" iflag=direct
    cmp /run/written /run/read
}
