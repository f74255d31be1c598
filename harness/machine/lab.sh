# shellcheck shell=sh
# What runs on a test machine for harness/machine/board.py:
#
#     sh -c "$(cat lab.sh)" lab VERB ARGUMENT...
#
# Files that matter lie in $top.  With $REGRESS_LAB_ROOT another folder stands for /, for tests.
set -eu
root=${REGRESS_LAB_ROOT:-}
top=$root/var/lib/regress/lab

die() { echo "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null; }

# first COMMAND...: the first of some commands that there is.
first() {
    for name; do
        if have "$name"; then echo "$name"; return; fi
    done
}

grub_folder() {
    for folder in "$root/boot/grub" "$root/boot/grub2"; do
        if [ -e "$folder/grub.cfg" ]; then echo "$folder"; return; fi
    done
}

# Which kernel runs, and who says that the machine is taken.
state() {
    echo "boot=$(cat "$root/proc/sys/kernel/random/boot_id")"
    echo "release=$(uname -r)"
    echo "uptime=$(cut -d . -f 1 "$root/proc/uptime")"
    echo "cmdline=$(cat "$root/proc/cmdline")"
    echo "uid=$(id -u)"
    [ ! -e "$top/lock" ] || cat "$top/lock"
}

# prepare: the folder, which belongs to who logs in.
prepare() {
    mkdir -p "$top"
    chown "${SUDO_USER:-$(id -un)}" "$top"
}

# hold TEXT: takes the machine, and keeps it for as long as this runs; the text says who has it and survives the reboot.
hold() {
    exec 9>>"$top/held"
    flock -n 9 || { [ ! -e "$top/lock" ] || cat "$top/lock"; exit 1; }
    printf '%s\n' "$1" >"$top/.lock"
    mv "$top/.lock" "$top/lock"
    echo held
    while :; do sleep 60; done
}

# unlock: gives the machine back; what was meant to boot once and did not will not.
unlock() {
    ! have kexec || kexec -u 2>/dev/null || :
    editor=$(first grub-editenv grub2-editenv)
    [ -z "$editor" ] || [ -z "$(grub_folder)" ] || "$editor" "$(grub_folder)/grubenv" unset next_entry || :
    rm -f "$top/lock"
}

# tidy KEEP...: what earlier trials sent, except for these and the newest eight.
tidy() {
    cd "$top" || return 0
    find . -name '.*.part' -mtime +1 -exec rm -f {} +
    # The names are our own, and there is always one: a trial has just sent it.
    # shellcheck disable=SC2012
    ls -t image-* initrd-* 2>/dev/null | tail -n +9 | while read -r name; do
        case " $* " in *" $name "*) ;; *) rm -f "$name" ;; esac
    done
}

# start HOW IMAGE INITRD COMMAND_LINE: boots a kernel once; the default entry stays what it is.
start() {
    how=$1 image=$2 initrd=$3 line=$4
    tidy "${image##*/}" "${initrd##*/}"
    touch "$top/armed"
    case $how in
    kexec)
        have kexec || die "there is no kexec: install kexec-tools"
        set -- -l "$image" --command-line="$line"
        [ "$initrd" = - ] || set -- "$@" --initrd="$initrd"
        kexec "$@" || die "kexec cannot load the kernel: is kexec switched off (kernel.kexec_load_disabled, lockdown)?"
        leave kexec
        ;;
    grub)
        folder=$(grub_folder)
        [ -n "$folder" ] || die "there is no grub.cfg in /boot/grub or /boot/grub2"
        mkdir -p "$root/boot/regress"
        cp "$image" "$root/boot/regress/image"
        {
            echo "menuentry 'regress' --id regress {"
            echo "    search --no-floppy --file --set=root $(grub_path "$folder" "$root/boot/regress/image")"
            # A word may have what means something to GRUB's shell.
            echo "    linux $(grub_path "$folder" "$root/boot/regress/image") $(echo "$line" | sed "s/[^ ][^ ]*/'&'/g")"
            if [ "$initrd" != - ]; then
                cp "$initrd" "$root/boot/regress/initrd"
                echo "    initrd $(grub_path "$folder" "$root/boot/regress/initrd")"
            fi
            echo "}"
        } >"$folder/custom.cfg.new"
        if [ -e "$folder/custom.cfg" ] && ! grep -q "menuentry 'regress'" "$folder/custom.cfg"; then
            die "$folder/custom.cfg is somebody else's: move its entries to /etc/grub.d/40_custom"
        fi
        mv "$folder/custom.cfg.new" "$folder/custom.cfg"
        "$(first grub-reboot grub2-reboot)" regress || die "grub-reboot fails"
        leave reboot
        ;;
    systemd-boot)
        esp=$(bootctl -p) || die "bootctl finds no EFI system partition"
        mkdir -p "$esp/regress" "$esp/loader/entries"
        cp "$image" "$esp/regress/image"
        {
            echo "title regress"
            echo "linux /regress/image"
            if [ "$initrd" != - ]; then
                cp "$initrd" "$esp/regress/initrd"
                echo "initrd /regress/initrd"
            fi
            echo "options $line"
        } >"$esp/loader/entries/regress.conf"
        bootctl set-oneshot regress.conf || die "bootctl cannot set a one-shot entry"
        leave reboot
        ;;
    esac
}

# grub_path FOLDER FILE: as grub sees it, which may have /boot as a file system of its own.
grub_path() {
    if have "$(first grub-mkrelpath grub2-mkrelpath)"; then
        "$(first grub-mkrelpath grub2-mkrelpath)" "$2"
    else
        echo "$2"
    fi
}

# leave kexec|reboot: goes down in order, in the background, so that who asked hears that it was done.
leave() {
    sync
    if [ -d "$root/run/systemd/system" ]; then
        systemctl --no-block "$1"
    else
        [ "$1" = reboot ] || set -- kexec -e
        # shellcheck disable=SC2016  # the same
        env -u REGRESS_REMOTE setsid sh -c 'sleep 1; exec "$@"' leave "$@" </dev/null >/dev/null 2>&1 &
    fi
    echo going
}

# usual: back to the default entry, by force if it has to be.
usual() {
    # shellcheck disable=SC2016  # it is for the other shell
    env -u REGRESS_REMOTE setsid sh -c 'sleep 30; reboot -f; sleep 5; echo b >"$1"' \
        force "$root/proc/sysrq-trigger" </dev/null >/dev/null 2>&1 &
    leave reboot
}

# pstore: what the kernel under test left for the next one, since it was started.
pstore() {
    for folder in "$root/sys/fs/pstore" "$root/var/lib/systemd/pstore"; do
        [ -d "$folder" ] || continue
        # The last part of a message comes first: newest names first puts them in order.
        find "$folder" -type f -newer "$top/armed" | sort -r | while read -r file; do
            case $file in */dmesg.txt | *.enc.z) ;; *) cat "$file" ;; esac
        done
    done
}

# guest INITRD WORD [NAME=VALUE...]: runs the scenario of an initramfs on the running kernel, in a root of its own.
guest() {
    initrd=$1 word=$2
    shift 2
    new=$root/run/regress
    rm -rf "$new"
    mkdir -p "$new"
    (cd "$new" && cpio --extract --quiet --make-directories <"$initrd") || die "the initramfs cannot be unpacked"
    for folder in proc sys dev; do
        mkdir -p "$new/$folder"
        mount --rbind "/$folder" "$new/$folder"
    done
    echo 8 >"$root/proc/sys/kernel/printk"
    exec chroot "$new" /bin/busybox env -i PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/root TERM=linux \
        REGRESS_STATUS=/proc/self/fd/1 REGRESS_WORD="$word" REGRESS_REMOTE="${REGRESS_REMOTE:-}" "$@" \
        /bin/busybox sh /lib/regress/scenario
}

# netconsole DEVICE HOST PORT: the word of the command line that sends the kernel's messages there.
netconsole() {
    route=$(ip -4 route get "$2" | head -n 1)
    from=$(echo "$route" | sed -n 's/.* src \([^ ]*\).*/\1/p')
    device=$(echo "$route" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
    via=$(echo "$route" | sed -n 's/.* via \([^ ]*\).*/\1/p')
    ping -c 1 -W 2 "${via:-$2}" >/dev/null 2>&1 || :
    mac=$(ip -4 neigh show "${via:-$2}" dev "$device" | sed -n 's/.* lladdr \([^ ]*\).*/\1/p' | head -n 1)
    echo "netconsole=6665@$from/$1,$3@$2/$mac"
}

# facts: for `check`.
facts() {
    state
    echo "kexec=$(command -v kexec || :)"
    echo "kexec_off=$(cat "$root/proc/sys/kernel/kexec_load_disabled" 2>/dev/null || :)"
    grub=$(grub_folder)
    echo "grub=$(first grub-reboot grub2-reboot) $(grep -l next_entry "$grub/grub.cfg" 2>/dev/null || :)"
    echo "custom=$(grep -l custom.cfg "$grub/grub.cfg" 2>/dev/null || :)"
    echo "bootctl=$(bootctl -p 2>/dev/null || :)"
    echo "flock=$(command -v flock || :)"
    echo "cpio=$(command -v cpio || :)"
    echo "sha256sum=$(command -v sha256sum || :)"
    echo "pstore=$(cat "$root/sys/module/pstore/parameters/backend" 2>/dev/null || :)"
    mkdir -p "$top" 2>/dev/null || :
    echo "free=$(df -Pm "$top" 2>/dev/null | awk 'NR == 2 { print $4 }')"
    echo "watchdog=$(ls "$root/dev/watchdog" 2>/dev/null || :)"
}

verb=$1
shift
"$verb" "$@"
