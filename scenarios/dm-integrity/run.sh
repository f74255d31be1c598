# shellcheck shell=sh
# This test will read back what it wrote through dm-integrity with a digest of its own, which it keeps beside the
# data without the block layer's help: no integrity payload, no profile, no verification.
pi_disk
equal "the profile of $DISK" "$(pi_profile "$DISK")" none
# The first is the newer name (v6.15).
must_count payload bio_integrity_init bio_integrity_alloc
must_count verify bio_integrity_verify_fn
done='' stacks=0
for digest in crc32c:4 sha256:32; do
    for size in 512 4096; do
        for mode in J D B; do
            # Without it the kernel refuses the mode, as it must.
            [ "$mode" != B ] || since 5.2 || continue
            what="${digest%:*}, $size, $mode"
            step "$what"
            dm_integrity "$DISK" whole "${digest#*:}" "$mode" "internal_hash:${digest%:*}" "block_size:$size"
            equal "the profile of the device ($what)" "$(pi_profile /dev/mapper/whole)" none
            direct_write /dev/mapper/whole 32
            direct_read /dev/mapper/whole 32 || fail "$what: what was read is not what was written"
            dmsetup remove whole
            stacks=$((stacks + 1))
            case " $done " in *" $mode "*) ;; *) done="$done $mode" ;; esac
        done
    done
done
equal "integrity payloads" "$(calls payload)" 0
equal "verifications by the block layer" "$(calls verify)" 0
pass "$stacks devices (crc32c and sha256, sectors of 512 and 4096, modes$done) read back as written, 0 integrity payloads"
