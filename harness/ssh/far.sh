# shellcheck shell=sh
# Runs one command on the far side for harness/ssh/remote.py, and leaves no process behind:
#
#     sh -c "$(cat far.sh)" regress BYTES SILENCE ID COMMAND
#
# The command gets the first BYTES bytes of standard input.  Any byte after these is a sign of life of the controller:
# after SILENCE seconds without one, or at the end of file, however the link broke, the command is ended.
# What it started is known by a variable of its environment, so that daemons are found too.

bytes=$1 silence=$2 id=$3 command=$4
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# The processes that are left, as paths in /proc.
left() { grep -lsF "REGRESS_REMOTE=$id" /proc/[0-9]*/environ 2>/dev/null; }

# end SIGNAL
end() {
    for environ in $(left); do
        process=${environ#/proc/}
        kill -s "$1" "${process%/environ}" 2>/dev/null
    done
}

# A shell gives what runs in the background an empty standard input, so both inputs have numbers of their own.
exec 3<&0 4</dev/null
if [ "$bytes" != 0 ]; then
    # The command starts when its input is there as a whole.
    file=$(mktemp) && head -c "$bytes" <&3 >"$file" && [ "$(wc -c <"$file")" -eq "$bytes" ] && exec 4<"$file"
    arrived=$?
    rm -f "$file"
    [ "$arrived" = 0 ] || { echo "its input did not arrive: is ${file%/*} full?" >&2; exit 71; }
fi
lost=
trap 'lost=yes' TERM
REGRESS_REMOTE=$id setsid sh -c "$command" <&4 3<&- 4<&- &
child=$!
{
    while [ -n "$(timeout "$silence" head -c 1)" ]; do :; done
    ! grep -qsF "$id" "/proc/$$/cmdline" || kill -s TERM $$
} <&3 4<&- >/dev/null 2>&1 &
wait "$child"
status=$?
# A little patience at a usual end too: `tee` has a last line to write.
for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ -n "$(left)" ] || break
    if [ -n "$lost" ] && [ "$wait" = 1 ]; then
        end TERM
    elif [ -z "$lost" ] && [ "$wait" = 5 ]; then
        break
    fi
    sleep 0.1
done
end KILL
exit "$status"
