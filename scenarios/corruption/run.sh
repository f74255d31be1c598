# shellcheck shell=sh
# This test will flip one byte on the disk, under a layer that keeps tags of the data: reading must fail for that
# sector alone, its neighbours must read as written, and flipping the byte back must heal it.
SECTORS=64 VICTIM=21
PROTECTION='Invalid or incomplete multibyte or wide character' # EILSEQ, as the block layer tells a wrong tag
pi_disk

# place_of DEVICE SECTOR: where on $DISK a sector of a dm-integrity device lies, in bytes, found by what is in it.
place_of() {
    yes "regress-marks-this-sector" | head -c 512 >/run/mark
    dd if=/run/mark of="$1" bs=512 count=1 seek="$2" oflag=direct 2>/dev/null
    dd if="$DISK" of=/run/disk bs=1M count=4 iflag=direct 2>/dev/null
    found=$(strings -t d -n 25 /run/disk | awk '/regress-marks/ { print $1; exit }')
    [ -n "$found" ] || fail "the marked sector is not on the disk"
    echo $((found / 512 * 512))
}

# neighbours DEVICE: all sectors but the victim's read as they were written.
neighbours() {
    for part in "0 $VICTIM" "$((VICTIM + 1)) $((SECTORS - VICTIM - 1))"; do
        first=${part% *} count=${part#* }
        dd if="$1" of=/run/read bs=512 skip="$first" count="$count" iflag=direct 2>/dev/null
        dd if=/run/written of=/run/part bs=512 skip="$first" count="$count" 2>/dev/null
        cmp /run/part /run/read || fail "a neighbour of the flipped byte does not read as written"
    done
}

# only_victim DEVICE: reading fails for the victim alone, as a wrong tag.
only_victim() {
    equal "sectors that cannot be read" "$(bad_blocks "$1" 512 0 "$SECTORS")" "$VICTIM"
    equal "the error" "$(cat /run/error)" "$PROTECTION"
    neighbours "$1"
}

# flip: the victim's byte on the PI disk; nobody looks at the tags on the way, or changes them.
flip() {
    echo 0 >"$knobs/write_generate"
    echo 0 >"$knobs/read_verify"
    flip_byte "$DISK" $((VICTIM * 512 + 100))
    echo 1 >"$knobs/write_generate"
    echo 1 >"$knobs/read_verify"
}

# healthy DEVICE: all reads as it was written.
healthy() {
    equal "sectors that cannot be read" "$(bad_blocks "$1" 512 0 "$SECTORS")" ""
    direct_read "$1" "$SECTORS" 512 || fail "what was read is not what was written"
}

case $VARIANT in
dm-crypt | dm-integrity)
    step "find the place"
    options='' tag=32 top=/dev/mapper/tags told="INTEGRITY AEAD ERROR"
    [ "$VARIANT" = dm-crypt ] || { options=internal_hash:crc32c tag=4 told="Checksum failed"; }
    # Written in place, without a journal that would hold the sector a second time.
    # shellcheck disable=SC2086
    dm_integrity "$DISK" tags "$tag" D journal_sectors:16 $options
    place=$(place_of /dev/mapper/tags "$VICTIM")
    [ "$VARIANT" = dm-integrity ] || { dm_crypt_aead /dev/mapper/tags secret 32; top=/dev/mapper/secret; }
    step "write"
    direct_write "$top" "$SECTORS" 512
    healthy "$top"
    step "flip a byte at $place"
    flip_byte "$DISK" $((place + 100))
    only_victim "$top"
    dmesg | grep -q "$told" || fail "the kernel's log does not say '$told'"
    step "flip it back"
    flip_byte "$DISK" $((place + 100))
    ;;
pi-guard)
    told="GUARD check failed" top=$DISK knobs=/sys/block/${DISK##*/}/integrity
    step "write"
    direct_write "$top" "$SECTORS" 512
    healthy "$top"
    step "flip a byte, leaving the tags as they are"
    flip
    only_victim "$top"
    dmesg | grep -q "$told" || fail "the kernel's log does not say '$told'"
    # Nobody looks at the tags now: it is the check that tells, not the flipping.
    echo 0 >"$knobs/read_verify"
    equal "sectors that cannot be read, read_verify being off" "$(bad_blocks "$top" 512 0 "$SECTORS")" ""
    echo 1 >"$knobs/read_verify"
    step "flip it back"
    flip
    ;;
pi-reference)
    told="REF check failed" top=$DISK
    step "write"
    direct_write "$top" "$SECTORS" 512
    healthy "$top"
    # A disk that claims more sectors than it has memory for shows the same ones again, with the tags of the first.
    step "grow the disk"
    size=$(blockdev --getsz "$DISK")
    scsi_debug virtual_gb 1
    echo 1 >"/sys/block/${DISK##*/}/device/rescan"
    [ "$(blockdev --getsz "$DISK")" -gt "$size" ] || skip "scsi_debug cannot claim another size"
    # The neighbours are written where they are read now; the victim keeps the tag of its first place.
    dd if=/run/written of="$DISK" bs=512 seek="$size" count="$VICTIM" oflag=direct 2>/dev/null
    dd if=/run/written of="$DISK" bs=512 seek=$((size + VICTIM + 1)) skip=$((VICTIM + 1)) \
        count=$((SECTORS - VICTIM - 1)) oflag=direct 2>/dev/null
    equal "sectors that cannot be read" "$(bad_blocks "$top" 512 "$size" "$SECTORS")" $((size + VICTIM))
    equal "the error" "$(cat /run/error)" "$PROTECTION"
    dmesg | grep -q "$told" || fail "the kernel's log does not say '$told'"
    step "write it in its place"
    direct_write "$top" "$SECTORS" 512
    ;;
esac
healthy "$top"
pass "1 of $SECTORS sectors failed ($told), its neighbours read as written; none failed once it was put right"
