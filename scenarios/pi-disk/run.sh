# shellcheck shell=sh
# This test will count how often the block layer makes and verifies protection information on a disk that keeps it:
# once a direct read while read_verify is on, never while it is off.
N=64
pi_disk
case $VARIANT in
*-dix0) want=none ;;
dif3-*-ip) want=T10-DIF-TYPE3-IP ;;
dif3-*) want=T10-DIF-TYPE3-CRC ;;
*-ip) want=T10-DIF-TYPE1-IP ;;
*) want=T10-DIF-TYPE1-CRC ;;
esac
equal "the profile of $DISK" "$(pi_profile "$DISK")" "$want"
must_count verify bio_integrity_verify_fn
# One function a type and guard; since v6.11 one for all, which later changed its name (as of v7.2).
case $want in
none) generate="bio_integrity_init bio_integrity_alloc" ;;
*TYPE1-CRC) generate=t10_pi_type1_generate_crc ;;
*TYPE1-IP) generate=t10_pi_type1_generate_ip ;;
*TYPE3-CRC) generate=t10_pi_type3_generate_crc ;;
*TYPE3-IP) generate=t10_pi_type3_generate_ip ;;
esac
[ "$want" = none ] || generate="$generate blk_integrity_generate bio_integrity_generate"
# shellcheck disable=SC2086
must_count generate $generate
knobs=/sys/block/${DISK##*/}/integrity

# round VERIFY GENERATE FIRST: writes and reads N blocks with the two knobs so; sets V and G to the counts.
round() {
    step "read_verify $1, write_generate $2"
    if [ "$want" != none ]; then
        echo "$1" >"$knobs/read_verify"
        echo "$2" >"$knobs/write_generate"
    fi
    calls_from_now
    direct_write "$DISK" "$N" 4096 "$3"
    direct_read "$DISK" "$N" 4096 "$3" || fail "what was read is not what was written"
    V=$(calls verify) G=$(calls generate)
}

# Each round has blocks of its own: a block that was written with tags and then without them would rightly be refused.
round 1 1 0
if [ "$want" = none ]; then
    equal "verifications of $N reads without a profile" "$V" 0
    equal "integrity payloads without a profile" "$G" 0
    pass "no profile without DIX: $N blocks read back as written, 0 verifications, 0 integrity payloads"
fi
equal "verifications of $N direct reads" "$V" "$N"
[ "$G" -ge "$N" ] || fail "tags were made $G times for $N direct writes"
round 0 1 "$N"
equal "verifications of $N direct reads, read_verify being off" "$V" 0
[ "$G" -ge "$N" ] || fail "tags were made $G times for $N direct writes, read_verify being off"
round 1 0 "$((2 * N))"
equal "verifications of $N direct reads, write_generate being off" "$V" "$N"
equal "tags made for $N direct writes, write_generate being off" "$G" 0

step "buffered"
echo 1 >"$knobs/write_generate"
buffered=$((3 * N))
calls_from_now
dd if=/run/written of="$DISK" bs=4096 count="$N" seek="$buffered" 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches
dd if="$DISK" of=/run/read bs=4096 count="$N" skip="$buffered" 2>/dev/null
cmp /run/written /run/read || fail "what was read through the page cache is not what was written"
V=$(calls verify) G=$(calls generate)
{ [ "$V" -ge 1 ] && [ "$V" -le "$N" ]; } || fail "$V verifications of $N blocks through the page cache"
[ "$G" -ge 1 ] || fail "tags were made $G times for $N blocks through the page cache"
pass "$want: $N of $N direct reads verified once, 0 of $N with read_verify off, tags for 0 of $N with write_generate off; buffered: $V verifications of $N blocks"
