#!/bin/sh
# What one would write for `git bisect run` with make and plain virtme-ng: OUT is the object folder, RUNS the quiet boots
# that make a commit good, KVM what vng is told about KVM.
set -u
here=$(dirname "$(readlink -f "$0")")
echo build >>"$OUT/did"
make -s O="$OUT" olddefconfig </dev/null && make -s O="$OUT" -j"$(nproc)" bzImage || exit 125
left=${RUNS:-1}
while [ "$left" -gt 0 ]; do
    echo boot >>"$OUT/did"
    # vng prints nothing of the guest without a terminal; $KVM may be empty.
    # shellcheck disable=SC2086
    timeout 180 script -qefc "vng --verbose --run $OUT/arch/x86/boot/bzImage --memory 512M --cpus 2 ${KVM:-} \
        --append oops=panic --append panic=-1 --append scsi_debug.dif=1 --append scsi_debug.dix=1 \
        --append scsi_debug.dev_size_mb=64 --exec $here/plain.sh" "$OUT/console" </dev/null >/dev/null 2>&1
    grep -q 'bio_integrity_verify_fn' "$OUT/console" && exit 1
    grep -q 'scenario passed' "$OUT/console" || exit 125
    left=$((left - 1))
done
exit 0
