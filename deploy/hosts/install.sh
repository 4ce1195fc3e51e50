#!/bin/sh
# modesweep in an environment of its own, with the same versions on every host.
#
#   sh install.sh VENV LOCK WHEEL...
#
# LOCK is a file of versions. The first host writes it; on all others it is there, and is
# obeyed. WHEEL: modesweep-*.whl, and those of packages with further models. PYTHON=python3 is
# the Python of the environment, the same version on every host.
set -eu

fail() {
    echo "install.sh: $*" >&2
    exit 2
}

[ $# -ge 3 ] || fail "Usage: sh install.sh VENV LOCK WHEEL..."
venv=$1 lock=$2
shift 2
for wheel in "$@"; do
    [ -r "$wheel" ] || fail "$wheel cannot be read. Build it in a clone: pip wheel --no-deps ."
done
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"
number=$("$venv/bin/python" -c 'import platform; print(platform.python_version())')
if [ -e "$lock" ]; then
    grep -qxF "# python $number" "$lock" || fail "This is Python $number, but $lock was written" \
        "by: $(head -n 1 "$lock"). Use the same version (PYTHON=...)."
    $pip install --quiet --constraint "$lock" "$@"
else
    $pip install --quiet "$@"
    # what came from a file is a WHEEL on every host
    { echo "# python $number" && $pip freeze --exclude pip | grep -v -e ' @ ' -e '^-e '; } >"$lock.part"
    mv "$lock.part" "$lock"
fi
# the wheels may have the versions of earlier ones, and yet be others
$pip install --quiet --no-deps --force-reinstall "$@"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"$venv/bin/modesweep" doctor --workspace "$place" >"$place/said" || {
    cat "$place/said" >&2
    fail "modesweep doctor finds something to mend in $venv."
}
echo "$venv: modesweep $($pip show modesweep | sed -n 's/^Version: //p'), Python $number, versions of $lock"
