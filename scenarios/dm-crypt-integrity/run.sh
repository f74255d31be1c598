# shellcheck shell=sh
# This test will read back what it wrote through dm-crypt over dm-integrity: each cipher, with journal and without.
# dm-integrity keeps the tags and has no verify_fn: dm-crypt alone may check them.
pi_disk
equal "the profile of $DISK" "$(pi_profile "$DISK")" none
must_count verify bio_integrity_verify_fn
# The variant's name ends in the sector size.
size=${VARIANT##*-} stacks=0
# Since v6.11 a profile has no name of its own.
since 6.11 && profile=nop || profile=DM-DIF-EXT-TAG

# use NAME: what lies on the way to a stack, then the stack itself.
use() {
    equal "the profile of the dm-integrity device under $1" "$(pi_profile "$2")" "$profile"
    direct_write "$3" 16
    direct_read "$3" 16 || fail "$1: what was read is not what was written"
    stacks=$((stacks + 1))
}

# luks2 NAME INTEGRITY CIPHER KEYBITS
luks2() {
    for mode in journal direct; do
        export OPEN_OPTIONS=
        [ "$mode" = journal ] || OPEN_OPTIONS=--integrity-no-journal
        step "$1, $mode"
        luks_integrity "$DISK" secret "$2" "$3" "$4" --sector-size "$size"
        use "$1, $mode" /dev/mapper/secret_dif /dev/mapper/secret
        cryptsetup close secret
    done
}

# by_hand NAME TAGSIZE CIPHER KEYBYTES
by_hand() {
    for mode in J D; do
        step "$1, $mode"
        dm_integrity "$DISK" tags "$2" "$mode" "block_size:$size"
        dm_crypt_aead /dev/mapper/tags secret "$2" "$3" "$4" "sector_size:$size"
        use "$1, $mode" /dev/mapper/tags /dev/mapper/secret
        dmsetup remove secret
        dmsetup remove tags
    done
}

case $VARIANT in
luks2-xts-*)
    luks2 "hmac-sha256, aes-xts-plain64" hmac-sha256 aes-xts-plain64 512
    luks2 "hmac-sha256, aes-xts-random" hmac-sha256 aes-xts-random 512
    ;;
luks2-aead-*)
    luks2 "aes-gcm-random" aead aes-gcm-random 256
    luks2 "chacha20-random, poly1305" poly1305 chacha20-random 256
    ;;
dmsetup-*)
    by_hand "hmac-sha256, aes-xts-plain64" 32 "capi:authenc(hmac(sha256),xts(aes))-plain64" 96
    by_hand "hmac-sha256, aes-xts-random" 48 "capi:authenc(hmac(sha256),xts(aes))-random" 96
    by_hand "aes-gcm-random" 28 "capi:gcm(aes)-random" 32
    by_hand "chacha20-poly1305-random" 28 "capi:rfc7539(chacha20,poly1305)-random" 32
    step "bitmap"
    ! dm_integrity "$DISK" tags 32 B || fail "dm-integrity took a bitmap for tags that are not its own"
    ;;
esac
equal "verifications by the block layer" "$(calls verify)" 0
pass "$stacks stacks read back as written (profile $profile, sectors of $size), 0 verifications by the block layer"
