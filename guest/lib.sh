# shellcheck shell=sh
# Shell library of the guest.  A scenario is sourced with it, under `set -eu`, in its own folder.

# A test machine has no port for it: there it goes over the console or SSH, with a word that no other output has.
STATUS=${REGRESS_STATUS:-/dev/ttyS1}
MARK=regress${REGRESS_WORD:+-$REGRESS_WORD}:

# tell WORD TEXT: one line to the host over the status channel, with the guest's uptime in seconds.
tell() {
    read -r up _ </proc/uptime
    echo "$MARK $1 $up $2" >"$STATUS"
    # The console for whole lines of an IBM Z sends a newline before each line, not after it: an empty one ends this one.
    case $STATUS in */sclp_line*) echo >"$STATUS" ;; esac
}

# status WORD [TEXT]: the same, on the console too.
status() {
    word=$1
    shift
    tell "$word" "$*"
    echo "regress: $word $*"
    case $word in passed | failed | skipped | error) : >/run/told ;; esac
}

# load_modules: those that the scenario names, once.  One that is not loaded is a matter of the kernel, not of the script.
load_modules() {
    [ -e /lib/regress/modules ] || return 0
    status step "load modules"
    while read -r module; do
        /sbin/modprobe "$module" >/run/modprobe 2>&1 || {
            status skipped "modprobe $module: $(tail -n 1 /run/modprobe)"
            return 1
        }
    done </lib/regress/modules
    rm /lib/regress/modules
}

# step NAME: what comes next, for the host's timeline.
step() { status step "$*"; }

# The three ways to end a scenario.
pass() { status passed "$*"; exit 0; }
fail() { status failed "$*"; exit 1; }
skip() { status skipped "$*"; exit 0; }

# reproduce PROGRAM [ARG...]: runs it, PROCS at a time, until it was started TIMES times and has ended, or FOR seconds
# are over (`repeat` in scenario.yaml); then sets REPRODUCED, for `pass`.  How the program ends says nothing of the
# kernel.  Nothing but the program is forked here: it may have used up all processes and all memory.
reproduce() {
    TIMES='' FOR=60 PROCS=1
    # shellcheck source=/dev/null
    [ ! -e /lib/regress/repeat ] || . /lib/regress/repeat
    [ -x "$1" ] || { status error "$1 is not there, or is no program"; exit 1; }
    step "reproduce ${1##*/}"
    # A program that writes to every device must not speak for the scenario.  (A test machine has a secret word.)
    if [ -z "${REGRESS_WORD:-}" ] && [ "$STATUS" != /proc/self/fd/7 ]; then
        exec 7>"$STATUS"
        rm -f "$STATUS"
        STATUS=/proc/self/fd/7
    fi
    echo -1000 >/proc/self/oom_score_adj 2>/dev/null || :
    [ -p /run/ended ] || mkfifo /run/ended
    exec 8<>/run/ended
    started=0 ended=0 groups='' last=''
    read -r up _ </proc/uptime
    until=$((${up%%.*} + FOR))
    while :; do
        while [ $((started - ended)) -lt "$PROCS" ] && [ "$started" -lt "${TIMES:-1000000000}" ]; do
            # A session of its own, so that it can be ended with all that it starts.
            "${BUSYBOX:-/bin/busybox}" setsid sh -c 'echo 1000 >/proc/self/oom_score_adj; "$@"; echo $? >&8' - "$@" </dev/null >/dev/null 2>&1 7>&- &
            groups="$groups $!" started=$((started + 1))
        done
        # shellcheck disable=SC3045
        if read -r -t 1 last <&8; then
            ended=$((ended + 1))
            if [ $((ended % 100)) = 0 ]; then
                kept=''
                for one in $groups; do [ ! -e "/proc/$one" ] || kept="$kept $one"; done
                groups=$kept
            fi
            case $last in 126 | 127) status error "$1 cannot be run (exit status $last)"; exit 1 ;; esac
        fi
        [ "$ended" -lt "${TIMES:-1000000000}" ] || break
        read -r up _ </proc/uptime
        [ "${up%%.*}" -lt "$until" ] || break
    done
    for one in $groups; do kill -9 "-$one" 2>/dev/null || :; done
    exec 8>&-
    # shellcheck disable=SC2034
    REPRODUCED="${1##*/} ran $started times, $PROCS at a time, without a crash; $ended ended by themselves${last:+, the last with exit status $last}"
}

# ktap: gives the KTAP on its standard input to the host, which reads it.  Then `pass` passes if each test did.
ktap() { while IFS= read -r line; do tell ktap "$line"; done; }

# kunit SUITE...: gives the results of KUnit suites, named by globs, that ran when the kernel started.
kunit() {
    mkdir -p /sys/kernel/debug
    [ -d /sys/kernel/debug/kunit ] || mount -t debugfs debug /sys/kernel/debug 2>/dev/null || :
    [ -d /sys/kernel/debug/kunit ] || skip "this kernel keeps no results of KUnit (CONFIG_KUNIT_DEBUGFS, since 5.8)"
    for suite; do
        step "kunit $suite"
        found=
        for results in /sys/kernel/debug/kunit/$suite/results; do
            [ ! -e "$results" ] || { ktap <"$results"; found=yes; }
        done
        [ -n "$found" ] || skip "no KUnit suite $suite has run: is it built in?"
    done
}

# kselftest: runs the tests of the kernel's tree that came with it, and gives their results as run_kselftest.sh does.
kselftest() {
    selftests=/lib/regress/kselftest number=0
    { echo "KTAP version 1"; echo "1..$(wc -l <$selftests/list)"; } | ktap
    while read -r name reason <&9; do
        number=$((number + 1)) collection=${name%:*} test=${name##*:}
        step "kselftest $name"
        cd "$selftests/$collection" 2>/dev/null || reason=${reason:-it was not installed}
        [ -n "$reason" ] || reason=$(no_interpreter "$test")
        if [ -n "$reason" ]; then
            ended="# SKIP $reason"
        else
            limit=$(sed -n 's/^timeout=//p' settings 2>/dev/null | tail -n 1)
            limit=${limit:-45} # as for run_kselftest.sh
            selftest "$test" "$limit" | while IFS= read -r line || [ -n "$line" ]; do tell ktap "# $line"; done
            read -r ended </run/selftest
            case $ended in 0) ended='' ;; 4) ended='# SKIP' ;; 137) ended="# TIMEOUT $limit s" ;; *) ended="# exit=$ended" ;; esac
        fi
        case $ended in "# exit="* | "# TIMEOUT"*) ok='not ok' ;; *) ok=ok ;; esac
        echo "$ok $number selftests: $collection: $test${ended:+ $ended}" | ktap
    done 9<$selftests/list
    cd /scenario || :
}

# selftest PROGRAM SECONDS: runs it, in a session of its own that ends with it; its exit status goes to /run/selftest.
selftest() {
    [ "$2" != 0 ] || set -- "$1" 1000000
    "${BUSYBOX:-/bin/busybox}" setsid "${BUSYBOX:-/bin/busybox}" timeout -s KILL "$2" "./$1" </dev/null 2>&1 9<&- &
    wait $! && ended=0 || ended=$?
    kill -9 "-$!" 2>/dev/null || :
    echo "$ended" >/run/selftest
}

# no_interpreter SCRIPT: says which one it needs, if the guest does not have that.
no_interpreter() {
    line=$(head -c 200 "$1" | head -n 1)
    case $line in "#!"*) ;; *) return 0 ;; esac
    # shellcheck disable=SC2086
    set -- ${line#"#!"}
    case $1 in */env) shift ;; esac
    command -v "$1" >/dev/null || echo "it needs $1, which the guest does not have: a rootfs may"
}

# blktests FOLDER [ARG...]: runs `./check ARG...` of a built checkout, and gives its results.  What it prints of a test
# ends in a word in brackets; why stands below, with figures and a diff between.
blktests() {
    checked "$@"
    awk '
        function end() {
            if (name == "") return
            if (word == "failed" && why != "") print "# " why
            count++
            print (word == "failed" ? "not ok " : "ok ") count " " name (word == "not run" ? " # SKIP " why : "")
            name = ""
        }
        BEGIN { print "KTAP version 1" }
        match($0, /\[(passed|failed|not run)\]$/) && /^[^ ]/ {
            end(); word = substr($0, RSTART + 1, RLENGTH - 2); why = ""
            name = $2 == "=>" ? $1 "." $3 : $1
            next
        }
        /^    / && name != "" && why == "" && !/\.\.\./ && !/^    (---|\+\+\+|@@| )/ {
            why = substr($0, 5)
            if (why ~ /^[-+]/) why = "its output differs: " why
        }
        END { end(); print "1.." count + 0 }' /run/check >/run/results
    results
}

# xfstests FOLDER [ARG...]: the same for xfstests, whose last lines tell which tests ran, failed and were not run.
xfstests() {
    checked "$@"
    awk '
        $1 ~ /^[a-z0-9-]+\/[0-9]+$/ {
            said = $0
            if (sub(/.*\[not run\] */, "", said) || sub(/.*(\[expunged\])/, "expunged", said)) why[$1] = said
            else if (match(said, /(\[failed, |- output mismatch|- no qualified).*/)) why[$1] = substr(said, RSTART)
        }
        /^(Ran|Not run|Failures):/ {
            split($0, part, ":"); many = split(part[2], names, " ")
            for (i = 1; i <= many; i++) { if (!(names[i] in word)) order[++count] = names[i]; word[names[i]] = part[1] }
        }
        END {
            print "KTAP version 1"; print "1.." count + 0
            for (i = 1; i <= count; i++) {
                name = order[i]; failed = word[name] == "Failures"
                if (failed && why[name] != "") print "# " why[name]
                print (failed ? "not ok " : "ok ") i " " name (word[name] == "Not run" ? " # SKIP " why[name] : "")
            }
        }' /run/check >/run/results
    results
}

# checked FOLDER [ARG...]: what `./check ARG...` prints goes to /run/check.
checked() {
    [ -x "$1/check" ] || { status error "$1/check: no such program: expected a built checkout of the suite"; exit 1; }
    need bash
    step "check $*"
    (cd "$1" && shift && ./check "$@") </dev/null >/run/check 2>&1 || :
}

# results: gives what was read of a suite, or says that it told nothing.
results() {
    grep -q '^\(not \)\?ok ' /run/results || { status error "no test of the suite has a result: $(tail -n 1 /run/check)"; exit 1; }
    ktap </run/results
}

# equal WHAT GOT WANTED: fail where they differ.
equal() { [ "$2" = "$3" ] || fail "$1: $2, not $3"; }

# since VERSION: whether the kernel is of that release or a later one.
since() { [ "$(printf '%s\n%s\n' "$1" "$(uname -r)" | sort -t . -k 1,1n -k 2,2n | head -n 1)" = "$1" ]; }

# power_cut MIN MAX: the host cuts the power at a random moment between MIN and MAX seconds from now, and boots
# again with the same disk image; $BOOT counts the boots.
power_cut() { status cut "$1" "$2"; }

# need PROGRAM...: skip where the guest lacks a program.
need() {
    for program; do
        command -v "$program" >/dev/null || skip "the guest has no $program"
    done
}

# pi_disk: sets DISK to the scsi_debug disk, and waits for it no longer than 5 s.
pi_disk() {
    for _ in $(seq 50); do
        for block in /sys/block/sd*; do
            if grep -q scsi_debug "$block/device/model" 2>/dev/null; then
                DISK=/dev/${block##*/}
                [ -b "$DISK" ] && return
            fi
        done
        sleep 0.1
    done
    skip "there is no scsi_debug disk; is CONFIG_SCSI_DEBUG set?"
}

# pi_profile DEVICE: the integrity profile that the block layer has for it, such as T10-DIF-TYPE1-CRC; none without one.
pi_profile() { cat "/sys/block/$(block_name "$1")/integrity/format" 2>/dev/null || echo none; }

# block_name DEVICE: its name in /sys/block, such as sda or dm-0.
block_name() {
    real=$(readlink -f "/sys/dev/block/$((0x$(stat -L -c %t "$1"))):$((0x$(stat -L -c %T "$1")))")
    echo "${real##*/}"
}

# scsi_debug NAME [VALUE]: one of the disk's knobs, such as opts or every_nth, read or set.
scsi_debug() {
    knob=/sys/bus/pseudo/drivers/scsi_debug/$1
    if [ $# = 1 ]; then cat "$knob"; else echo "$2" >"$knob"; fi
}

# count LABEL FUNCTION...: counts from now on the calls of the first of these kernel functions that there is.
# False where there is none of them.
count() {
    label=$1
    shift
    [ -e /sys/kernel/tracing/kprobe_events ] || mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null ||
        skip "calls cannot be counted: the kernel has no tracefs"
    [ -e /sys/kernel/tracing/kprobe_events ] || skip "calls cannot be counted: is CONFIG_KPROBE_EVENTS set?"
    for function; do
        if echo "p:count/$label $function" >>/sys/kernel/tracing/kprobe_events 2>/dev/null; then
            echo 1 >"/sys/kernel/tracing/events/count/$label/enable"
            mkdir -p /run/count
            echo 0 >"/run/count/$label"
            return
        fi
    done
    return 1
}

# must_count LABEL FUNCTION...: the same; skips the scenario where there is none of them.
must_count() { count "$@" || { shift; skip "calls of $* cannot be counted on this kernel"; }; }

# calls LABEL: how often the function was called since `count` or `calls_from_now`.
calls() { echo $(($(_calls "$1") - $(cat "/run/count/$1"))); }

# calls_from_now: counts from zero again.
calls_from_now() {
    for counted in /run/count/*; do
        _calls "${counted##*/}" >"$counted"
    done
}

# A probe that was hit and could not be handled counts too.
_calls() { awk -v label="$1" '$1 == label { print $2 + $3 }' /sys/kernel/tracing/kprobe_profile; }

# bad_blocks DEVICE SIZE FIRST COUNT: the numbers of the blocks of SIZE bytes that cannot be read, past the page cache.
# What the last of them failed with is in /run/error.  After each error GNU dd tells how many blocks lie before it.
bad_blocks() {
    dd if="$1" of=/dev/null bs="$2" skip="$3" count="$4" iflag=direct conv=noerror,sync 2>/run/dd || :
    awk -v first="$3" '
        /dd: error reading/ { sub(/.*: /, ""); print >"/run/error"; close("/run/error"); wait = 1; next }
        wait && / records in$/ { split($1, n, "+"); printf "%s%d", gap, first + n[1] + n[2]; gap = " "; wait = 0 }
        /dd: / { print "cannot read at all: " $0 }' /run/dd
}

# flip_byte DEVICE OFFSET: changes one byte of a device, under whatever lies above it.
flip_byte() {
    dd if="$1" of=/run/block bs=512 count=1 skip=$(($2 / 512)) iflag=direct 2>/dev/null
    byte=$(od -A n -t u1 -j $(($2 % 512)) -N 1 /run/block | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((byte ^ 1)))" | dd of=/run/block bs=1 seek=$(($2 % 512)) conv=notrunc 2>/dev/null
    dd if=/run/block of="$1" bs=512 count=1 seek=$(($2 / 512)) oflag=direct 2>/dev/null
}

# luks_integrity DEVICE NAME [INTEGRITY [CIPHER [KEYBITS [FORMAT_OPTION...]]]]: dm-crypt over dm-integrity by
# cryptsetup, as /dev/mapper/NAME.  $OPEN_OPTIONS is for `cryptsetup open`.  One key slot needs 0.5 MiB; by default
# cryptsetup would overwrite 16.
luks_integrity() {
    need cryptsetup
    device=$1 name=$2 integrity=${3:-hmac-sha256} cipher=${4:-aes-xts-plain64} bits=${5:-512}
    shift "$(($# < 5 ? $# : 5))"
    head -c 64 /dev/urandom >/run/key
    cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        --luks2-keyslots-size 512k --cipher "$cipher" --key-size "$bits" --integrity "$integrity" --integrity-no-wipe "$@" \
        "$device" /run/key
    # shellcheck disable=SC2086
    cryptsetup open --key-file /run/key ${OPEN_OPTIONS:-} "$device" "$name"
    mapper_nodes
}

# dm_integrity DEVICE NAME TAGSIZE [MODE [OPTION...]]: plain dm-integrity (J journal, D direct, B bitmap) that keeps
# TAGSIZE bytes a sector for the layer above, or for its own digest with the option internal_hash:DIGEST.
dm_integrity() {
    need dmsetup
    device=$1 name=$2 tag=$3 mode=${4:-J}
    shift "$(($# < 4 ? $# : 4))"
    table="integrity $device 0 $tag $mode $# $*"
    dd if=/dev/zero of="$device" bs=4096 count=1 oflag=direct 2>/dev/null
    # A device of one block formats the superblock, which then tells how many sectors there are.
    dmsetup create "$name" --table "0 8 $table" || return
    dmsetup remove "$name"
    dm_integrity_open "$device" "$name" "$table"
}

# dm_integrity_open DEVICE NAME TARGET: a formatted dm-integrity device at its full size.
dm_integrity_open() {
    # The superblock has the count of provided sectors as 64 bits at byte 16, in little endian (dm-integrity.c), also
    # where the machine's words are big endian, which od's would be.
    sectors=0 bits=0
    for byte in $(dd if="$1" bs=4096 count=1 iflag=direct 2>/dev/null | od -A n -v -t u1 -j 16 -N 8); do
        sectors=$((sectors | byte << bits)) bits=$((bits + 8))
    done
    dmsetup create "$2" --table "0 $sectors $3"
    mapper_nodes
}

# dm_crypt_aead DEVICE NAME TAGSIZE [CIPHER [KEYBYTES [OPTION...]]]: plain dm-crypt over a dm-integrity device, by
# default with aes-xts and hmac-sha256.
dm_crypt_aead() {
    need dmsetup
    device=$1 name=$2 tag=$3 cipher=${4:-capi:authenc(hmac(sha256),xts(aes))-plain64} bytes=${5:-96}
    shift "$(($# < 5 ? $# : 5))"
    key=$(head -c "$bytes" /dev/urandom | od -A n -v -t x1 | tr -d ' \n')
    dmsetup create "$name" --table "0 $(blockdev --getsz "$device") crypt \
        $cipher $key 0 $device 0 $(($# + 1)) integrity:$tag:aead $*"
    mapper_nodes
}

# mapper_nodes: /dev/mapper without udev.
mapper_nodes() { dmsetup mknodes; }

# direct_write DEVICE COUNT [SIZE [FIRST]], direct_read DEVICE COUNT [SIZE [FIRST]]: random blocks of SIZE (4096)
# bytes past the page cache, from block FIRST (0) on; the read is compared with what was last written.
direct_write() {
    head -c "$(($2 * ${3:-4096}))" /dev/urandom >/run/written
    dd if=/run/written of="$1" bs="${3:-4096}" count="$2" seek="${4:-0}" oflag=direct ||
        fail "$2 blocks cannot be written to $1"
}
direct_read() {
    dd if="$1" of=/run/read bs="${3:-4096}" count="$2" skip="${4:-0}" iflag=direct
    cmp /run/written /run/read
}
