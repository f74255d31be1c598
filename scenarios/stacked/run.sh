# shellcheck shell=sh
# This test will count how often, and for which device, a read through a stack over a disk with protection information
# is verified; and it will read on the raw disk what was written through the stack, reference tags and all.
#
# Ordinary I/O gets its payload at the lowest device.  Under a SCSI target's disk (LIO) payloads come from above: they
# are their owner's to verify, and no device on the way down may do so.
N=16 BLOCK=16384 CHUNK=4096 SECTORS=32768 OFFSET=2048
pi_disk
for _ in $(seq 50); do [ -b "${DISK}2" ] || sleep 0.1; done
[ -b "${DISK}2" ] || skip "$DISK has no partitions"
must_count verify bio_integrity_verify_fn
# The device whose name the check would print, where this kernel's layout of its argument is known (4.10 to 6.10).
levels=/sys/kernel/tracing/events/count/level
if echo 'p:count/level t10_pi_type1_verify_crc disk=+0(+32(%di)):string' >>/sys/kernel/tracing/kprobe_events; then
    echo 1 >$levels/enable
fi
second=$(cat "/sys/block/${DISK##*/}/${DISK##*/}2/start")

# md LEVEL CHUNK_BYTES: an array of the two partitions, put together in sysfs, as TOP.
md() {
    echo md127 >/sys/module/md_mod/parameters/new_array
    md=/sys/block/md127/md
    echo "$1" >$md/level
    [ "$2" = 0 ] || echo "$2" >$md/chunk_size
    echo 2 >$md/raid_disks
    for slot in 0 1; do
        cat "/sys/block/${DISK##*/}/${DISK##*/}$((slot + 1))/dev" >$md/new_dev
        echo $((SECTORS / 2)) >"$md/dev-${DISK##*/}$((slot + 1))/size" 2>/dev/null || :
        echo "$slot" >"$md/dev-${DISK##*/}$((slot + 1))/slot"
    done
    [ "$1" = raid0 ] || { echo $((SECTORS / 2)) >$md/component_size; echo none >$md/resync_start; }
    echo active >$md/array_state || echo clean >$md/array_state
    TOP=/dev/md127
}

# For each stack: TOP, the number of pieces that a block is cut into, and the raw place of its piece $1, in bytes.
step "set up $VARIANT"
pieces=1 owner=${DISK##*/}
first=$(cat "/sys/block/${DISK##*/}/${DISK##*/}1/start")
case $VARIANT in
partition)
    TOP=${DISK}2
    place() { echo $((second * 512 + $1 * CHUNK)); }
    ;;
dm-linear | target)
    dmsetup create line --table "0 $SECTORS linear $DISK $OFFSET"
    mapper_nodes
    TOP=/dev/mapper/line
    place() { echo $((OFFSET * 512 + $1 * CHUNK)); }
    ;;
dm-stripe)
    dmsetup create stripe --table "0 $SECTORS striped 2 $((CHUNK / 512)) $DISK $OFFSET $DISK $((OFFSET + SECTORS))"
    mapper_nodes
    TOP=/dev/mapper/stripe pieces=$((BLOCK / CHUNK))
    place() { echo $(((OFFSET + $1 % 2 * SECTORS) * 512 + ($1 / 2) * CHUNK)); }
    ;;
raid0)
    md raid0 "$CHUNK"
    pieces=$((BLOCK / CHUNK))
    place() { echo $(((first + ($1 % 2) * (second - first)) * 512 + ($1 / 2) * CHUNK)); }
    ;;
raid1)
    md raid1 0
    place() { echo $((second * 512 + $1 * CHUNK)); }
    ;;
esac
if [ "$VARIANT" = target ]; then
    mount -t configfs configfs /sys/kernel/config
    backend=/sys/kernel/config/target/core/iblock_0/pi
    mkdir -p $backend
    echo "udev_path=$TOP" >$backend/control
    echo 1 >$backend/enable
    port=/sys/kernel/config/target/loopback/naa.5001405000000001/tpgt_1
    mkdir -p $port/lun/lun_0
    echo naa.5001405000000002 >$port/nexus
    ln -s $backend $port/lun/lun_0/port
    for _ in $(seq 50); do
        owner=$(cd /sys/block && grep -l LIO-ORG sd*/device/vendor 2>/dev/null | cut -d / -f 1)
        [ -z "$owner" ] || [ ! -b "/dev/$owner" ] || break
        sleep 0.1
    done
    [ -n "$owner" ] || fail "the target's disk does not appear"
    TOP=/dev/$owner
    equal "the profile of the target's disk" "$(pi_profile "$TOP")" T10-DIF-TYPE1-CRC
    must_count above bio_integrity_alloc
    # The target's payload, and the clone of that, are made above the disk below.  So is the target's disk's own, and in
    # the same way, until that became a function of another file (v6.15).
    count auto bio_integrity_init && payloads=$((2 * N)) || payloads=$((3 * N))
fi

step "write"
direct_write "$TOP" "$N" "$BLOCK" 2>/dev/null
step "read"
: >/sys/kernel/tracing/trace
calls_from_now
direct_read "$TOP" "$N" "$BLOCK" 2>/dev/null || fail "what was read through the stack is not what was written"
verified=$(calls verify)
[ "$VARIANT" != target ] || above=$(calls above)
where=$(sed -n 's/.*disk="\(.*\)".*/\1/p' /sys/kernel/tracing/trace | sort -u | xargs)
step "read on the raw disk"
for piece in $(seq 0 $((N * BLOCK / CHUNK - 1))); do
    dd if="$DISK" bs="$CHUNK" skip=$(($(place "$piece") / CHUNK)) count=1 iflag=direct 2>/dev/null
done >/run/read
cmp /run/written /run/read || fail "what was written through the stack is not on the raw disk"

equal "verifications of $N reads of $pieces pieces" "$verified" $((N * pieces))
[ ! -d $levels ] || equal "devices that verified" "$where" "$owner"
[ "$VARIANT" != target ] || [ "$above" -ge "$payloads" ] || fail "only $above payloads for $N reads: none came from above"
pass "$N reads of $pieces pieces verified $verified times, by ${where:-an unnamed device}${above:+ ($above payloads)}; raw reads agree with the stack"
