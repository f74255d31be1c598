# shellcheck shell=sh
# This test will suspend, resume and remove devices while reads are in flight: each read ends, in data or in an error,
# and the workqueue that verifies is idle afterwards.
pi_disk
must_count started bio_integrity_verify_fn
# How many of them have returned again.
echo 'r:count/ended bio_integrity_verify_fn' >>/sys/kernel/tracing/kprobe_events || skip "returns cannot be counted"
echo 1 >/sys/kernel/tracing/events/count/ended/enable
echo 0 >/run/count/ended

# load DEVICE: two readers, each of which reads until that fails.
load() {
    rm -f /run/ended.*
    for reader in 1 2; do
        (
            while dd if="$1" of=/dev/null bs=4096 count=512 iflag=direct 2>/dev/null; do :; done
            : >"/run/ended.$reader"
        ) &
    done
}
# ended WHAT: both readers have come to an end, within 10 s.
ended() {
    for _ in $(seq 100); do
        ! [ -e /run/ended.1 ] || ! [ -e /run/ended.2 ] || return 0
        sleep 0.1
    done
    fail "a reader of $1 does not end"
}
# moved WHEN: reads are verified, within 5 s, so there is load indeed.
moved() {
    for _ in $(seq 50); do
        n=$(calls started)
        [ "$n" = 0 ] || break
        sleep 0.1
    done
    [ "$n" -gt 0 ] || fail "no read was verified $1"
    calls_from_now
}

step "write"
direct_write "$DISK" 2048
calls_from_now

step "suspend and resume"
dmsetup create line --table "0 $(blockdev --getsz "$DISK") linear $DISK 0"
mapper_nodes
load /dev/mapper/line
for _ in 1 2 3 4 5; do
    sleep 0.2
    moved "before a suspend"
    dmsetup suspend line
    calls_from_now
    sleep 0.3
    equal "verifications while the device is suspended" "$(calls started)" 0
    dmsetup resume line
done

step "replace by an error"
sleep 0.2
moved "before the table was replaced"
dmsetup remove --force line 2>/dev/null || :
ended "a device whose table was replaced"
dmsetup remove line 2>/dev/null || :

step "dm-crypt over dm-integrity, removed under load"
dm_integrity "$DISK" tags 32 D
dm_crypt_aead /dev/mapper/tags secret 32
direct_write /dev/mapper/secret 512
load /dev/mapper/secret
sleep 0.5
moved "under dm-crypt"
dmsetup remove --force secret 2>/dev/null || :
ended "dm-crypt whose table was replaced"
dmsetup remove secret 2>/dev/null || :
dmsetup remove tags

step "delete the disk"
load "$DISK"
sleep 0.5
moved "before the disk was deleted"
echo 1 >"/sys/block/${DISK##*/}/device/delete"
ended "a disk that was deleted"
[ ! -e "/sys/block/${DISK##*/}" ] || fail "$DISK is still there"

step "idle"
sleep 0.5
equal "verifications that have ended" "$(_calls ended)" "$(_calls started)"
idle=$(_calls ended)
sleep 1
equal "verifications a second later" "$(_calls started)" "$idle"
pass "5 suspends, 3 removals under load; $idle verifications begun, $idle ended, the readers all ended"
