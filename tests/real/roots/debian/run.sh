# shellcheck shell=sh
# Makes a file system with a program of a package's, and writes to the root file system, which below is read-only.
. /etc/os-release
truncate -s 512M /tmp/disk
mkfs.xfs -q /tmp/disk
equal "what mkfs.xfs made" "$(head -c 4 /tmp/disk)" XFSB
echo written >/usr/written
equal "what was written" "$(cat /usr/written)" written
# A user namespace is not to be had in a chroot.
equal "the root of pid 1" "$(readlink /proc/1/root)" /
pass "$ID $VERSION_CODENAME, xfsprogs $(dpkg-query -W -f '${Version}' xfsprogs)"
