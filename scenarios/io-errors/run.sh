# shellcheck shell=sh
# This test will let reads fail on a disk with protection information: the error must arrive as itself, and there is
# no point in verifying what was never read.
#
# scsi_debug's medium errors are at sectors 0x1234 to 0x123d (its own constants).
FIRST=4660 LAST=4669 FROM=4650 COUNT=30 MEDIUM_ERROR=2 TRANSPORT_ERROR=16
pi_disk
must_count verify bio_integrity_verify_fn
top=$DISK
if [ "$VARIANT" = dm-linear ]; then
    need dmsetup
    dmsetup create line --table "0 8192 linear $DISK 0"
    mapper_nodes
    top=/dev/mapper/line
fi
step "write"
direct_write "$top" $((COUNT)) 512 "$FROM"
calls_from_now
equal "sectors that cannot be read before any error" "$(bad_blocks "$top" 512 "$FROM" "$COUNT")" ""
equal "verifications of $COUNT reads" "$(calls verify)" "$COUNT"

step "medium errors"
scsi_debug opts "$MEDIUM_ERROR"
calls_from_now
got=$(bad_blocks "$top" 512 "$FROM" "$COUNT")
verified=$(calls verify)
scsi_debug opts 0
equal "sectors that cannot be read" "$got" "$(seq -s ' ' "$FIRST" "$LAST")"
medium=$(cat /run/error)
# ENODATA is what the block layer makes of a medium error; EIO is what it made before v4.13.
case $medium in "No data available" | "Input/output error") ;; *) fail "a medium error arrives as: $medium" ;; esac
equal "verifications of $((COUNT - 10)) reads that succeeded and 10 that failed" "$verified" $((COUNT - 10))
equal "sectors that cannot be read after the errors" "$(bad_blocks "$top" 512 "$FROM" "$COUNT")" ""

step "transport errors, each command"
scsi_debug opts "$TRANSPORT_ERROR"
scsi_debug every_nth 1
calls_from_now
got=$(bad_blocks "$top" 512 "$FROM" 2)
verified=$(calls verify)
scsi_debug every_nth 0
scsi_debug opts 0
equal "sectors that cannot be read without a transport" "$got" "$FROM $((FROM + 1))"
transport=$(cat /run/error)
case $transport in "Input/output error" | "Link has been severed") ;; *) fail "a transport error arrives as: $transport" ;; esac
equal "verifications of 2 reads that failed" "$verified" 0

step "transport errors, each fifth command"
scsi_debug opts "$TRANSPORT_ERROR"
scsi_debug every_nth 5
calls_from_now
got=$(bad_blocks "$top" 512 "$FROM" "$COUNT")
verified=$(calls verify)
scsi_debug every_nth 0
scsi_debug opts 0
equal "sectors that cannot be read after a second try" "$got" ""
equal "verifications of $COUNT reads, some tried again" "$verified" "$COUNT"
direct_read "$top" "$COUNT" 512 "$FROM" || fail "what was read is not what was written"
pass "10 of $COUNT reads failed as '$medium', 2 of 2 as '$transport', none of those was verified; $COUNT of $COUNT were verified once when tried again"
