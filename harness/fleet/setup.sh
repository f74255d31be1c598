# shellcheck shell=sh
# setup FOLDER DIGEST check|setup|install: makes the environment of a worker, and prints the path of its Python.
#
# The program and its requirements lie in FOLDER/programs.  An environment is made for a list of requirements, whole or
# not at all; `check` makes none, and `install` may install Debian's packages.
set -eu
folder=$1 digest=$2 how=$3
cd "$folder/programs"
if [ ! -e "$digest/whole" ]; then
    rm -rf "$digest"
    mkdir "$digest"
    tar -C "$digest" -xzf "$digest.tar.gz"
    : >"$digest/whole"
fi
mkdir -p ../environments ../blobs
env=$(cd ../environments && pwd)/$(sha256sum <"$digest.txt" | cut -c 1-16)
if [ ! -e "$env/whole" ]; then
    [ "$how" != check ] || {
        echo "it is not set up for this version of regress: run  regress hosts setup NAME" >&2
        exit 1
    }
    exec 9>"$env.lock"
    flock 9
fi
[ -e "$env/whole" ] || {
    python=
    for name in python3 python3.13 python3.12 python3.11; do
        "$name" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python=$name && break
    done
    [ -n "$python" ] || {
        echo "Python 3.11 or later is needed, found: $(python3 --version 2>&1 || :)" >&2
        exit 1
    }
    if ! "$python" -I -c 'import ensurepip' 2>/dev/null; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        as_root=
        [ "$(id -u)" = 0 ] || as_root="sudo -n"
        if [ "$how" != install ]; then
            echo "$package is missing: run there  sudo apt-get install -y $package  (--install does so)" >&2
            exit 1
        fi
        # shellcheck disable=SC2086  # two words, or none
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y "$package" >&2 || {
            echo "$package cannot be installed: run there  sudo apt-get install -y $package" >&2
            exit 1
        }
    fi
    rm -rf "$env"
    "$python" -I -m venv "$env" >&2
    "$env/bin/python" -I -m pip install --quiet --disable-pip-version-check -r "$digest.txt" >&2
    : >"$env/whole"
}
echo "$env/bin/python"
