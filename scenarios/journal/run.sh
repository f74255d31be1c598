# shellcheck shell=sh
# This test will have the power cut while it writes through dm-integrity, and boot again on the same disk: with a
# journal each sector reads as old or as new, never as an integrity error.  In direct mode it may, and that is shown.
#
# Sectors are written in passes; a sector's content tells its number and the pass.  What is begun and what is flushed
# is noted at the disk's end, beside the device under test.
SECTORS=1024 CUTS=3 DISK=/dev/vda
need dmsetup
[ -b "$DISK" ] || skip "there is no $DISK"
[ "$VARIANT" = direct ] && mode=D || mode=J
# The journal is committed each 50 ms, and so in the midst of a pass.
options="internal_hash:crc32c journal_sectors:1024 buffer_sectors:1 commit_time:50"
target="integrity /dev/mapper/part 0 4 $mode 4 $options"
size=$(blockdev --getsz "$DISK")

# note, noted: what outlives the power, on a line of its own.
note() {
    printf '%-512s' "$begun $flushed $cuts $errors $old $new" |
        dd of="$DISK" bs=512 seek=$((size - 1)) oflag=direct 2>/dev/null
}
noted() { dd if="$DISK" bs=512 skip=$((size - 1)) iflag=direct 2>/dev/null; }

# fill: writes all sectors once more, and flushes.
fill() {
    begun=$((flushed + 1))
    sed "s/@@@@@@/$(printf %6d "$begun")/" /run/blank >/run/pass
    note
    dd if=/run/pass of=/dev/mapper/whole bs=1024 oflag=direct conv=fsync,notrunc 2>/dev/null ||
        fail "pass $begun cannot be written"
    flushed=$begun
    note
}

awk -v n="$SECTORS" 'BEGIN { for (s = 0; s < n; s++) printf "sector %6d pass @@@@@@ %485s\n", s, "" }' >/run/blank
dmsetup create part --table "0 $((size - 8)) linear $DISK 0"
mapper_nodes
if [ "${BOOT:-1}" = 1 ]; then
    step "format ($mode)"
    # shellcheck disable=SC2086
    dm_integrity /dev/mapper/part whole 4 "$mode" $options
    flushed=0 cuts=0 errors=0 old=0 new=0
else
    # shellcheck disable=SC2046
    set -- $(noted)
    begun=$1 flushed=$2 cuts=$3 errors=$4 old=$5 new=$6
    step "read after power cut $((BOOT - 1))"
    dm_integrity_open /dev/mapper/part whole "$target" || fail "the device does not open after a power cut"
    lost=$(bad_blocks /dev/mapper/whole 512 0 "$SECTORS")
    # What comes with an error may look as it should: those sectors are errors all the same.
    dd if=/dev/mapper/whole of=/run/read bs=512 count="$SECTORS" iflag=direct conv=noerror,sync 2>/dev/null || :
    # shellcheck disable=SC2046
    set -- $(tr '\000\n' '# ' </run/read | fold -b -w 512 | awk -v begun="$begun" -v flushed="$flushed" -v lost="$lost" '
        BEGIN { split(lost, numbers, " "); for (i in numbers) error[numbers[i]] = 1 }
        (NR - 1) in error { errors++; next }
        $1 != "sector" || $2 != NR - 1 || $3 != "pass" || $4 < flushed || $4 > begun { wrong++; next }
        $4 == begun && begun != flushed { new++; next }
        { old++ }
        END { print errors + 0, wrong + 0, old + 0, new + 0, NR }')
    equal "sectors read" "$5" "$SECTORS"
    equal "sectors that are neither old nor new" "$2" 0
    [ "$mode" = D ] || equal "integrity errors after a power cut in pass $begun" "$1" 0
    # A cut between two passes says little.
    if [ "$begun" != "$flushed" ]; then
        cuts=$((cuts + 1)) errors=$((errors + $1)) old=$((old + $3)) new=$((new + $4))
    fi
    if [ "$cuts" -ge "$CUTS" ]; then
        pass "$cuts power cuts while writing: of $((cuts * SECTORS)) sectors $old read as old, $new as new, $errors as integrity errors"
    fi
    # Without a journal the tags may be wrong now; a pass puts them right.
    flushed=$begun
fi
# Tags are written back when most of those in memory are dirty: with many more read, they stay there until a flush.
# (What is read here was never written, so that reading fails.)
dd if=/dev/mapper/whole of=/dev/null bs=64k skip=32 count=128 iflag=direct conv=noerror,sync 2>/dev/null || :
fill
step "write until the power is cut"
power_cut 0.2 2.5
while :; do
    fill
done
