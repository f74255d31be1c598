# shellcheck shell=sh
# Runs a program of the machine's own, and writes where nothing of it may arrive.
echo written >/etc/regress-was-here
equal "what was written" "$(cat /etc/regress-was-here)" written
. /etc/os-release
pass "$ID, Python $(python3 -c 'import sys; print(*sys.version_info[:2], sep=".")')"
