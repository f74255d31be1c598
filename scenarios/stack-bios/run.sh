# shellcheck shell=sh
# This test will count the allocator's objects before and after many small direct reads and writes: each has a bio on
# the stack with a payload and a buffer of tags in slabs, which must be freed when it ends.
N=2000
pi_disk
[ -r /proc/slabinfo ] || skip "objects cannot be counted: is CONFIG_SLUB_DEBUG set?"
# The first is the newer name (v6.15).
must_count payload bio_integrity_init bio_integrity_alloc

# objects: in all caches that a payload or its tags can come from.
objects() { awk '/^(kmalloc|bio_integrity|biovec|bio-|bip)/ { sum += $2 } END { print sum }' /proc/slabinfo; }

# grown COMMAND...: by how many objects the caches have grown when it is done.
grown() {
    before=$(objects)
    "$@" 2>/dev/null
    echo $(($(objects) - before))
}

reads() { dd if="$DISK" of=/dev/null bs=512 count="$1" iflag=direct; }
writes() { dd if=/dev/zero of="$DISK" bs=512 count="$1" oflag=direct; }

step "warm up"
writes 500 2>/dev/null
reads 500 2>/dev/null
noise=$(grown sleep 1)
calls_from_now
step "$N writes"
written=$(grown writes "$N")
step "$N reads"
read=$(grown reads "$N")
payloads=$(calls payload)
[ "$payloads" -ge $((2 * N)) ] || fail "$payloads payloads for $((2 * N)) requests: this does not test what it should"
# A leak loses one object or two a request; partly filled slabs of each CPU come and go by the dozen.
limit=$((N / 4))
[ "$written" -lt "$limit" ] || fail "$N direct writes left $written objects behind"
[ "$read" -lt "$limit" ] || fail "$N direct reads left $read objects behind"
pass "$payloads payloads; $N direct writes left $written objects behind, $N reads $read (doing nothing: $noise; a leak: $N or more)"
