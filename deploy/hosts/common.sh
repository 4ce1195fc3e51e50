# What the scripts share: the settings, and a program that is started again when it ends.
# Read by them: . common.sh

fail() {
    echo "${0##*/}: $*" >&2
    exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
settings=${CLUSTER_ENV:-$here/cluster.env}
[ -r "$settings" ] || fail "$settings cannot be read. It has the settings; CLUSTER_ENV names another."
case $settings in */*) ;; *) settings=./$settings ;; esac
# shellcheck source=cluster.env
. "$settings"
export DASK_CONFIG="${DASK_CONFIG:-$here/../dask.yaml}"
[ -r "$DASK_CONFIG" ] || fail "DASK_CONFIG=$DASK_CONFIG cannot be read. Copy deploy/dask.yaml there."
[ -x "$VENV/bin/modesweep" ] || fail "There is no modesweep in VENV=$VENV. Run install.sh on this host."

# Say which certificates are missing before Dask says it in a traceback.
need() {
    for role in "$@"; do
        for file in "$CERTIFICATES/ca.pem" "$CERTIFICATES/$role.pem" "$CERTIFICATES/$role.key"; do
            [ -r "$file" ] || fail "$file cannot be read. certificates.sh makes it; copy it here."
        done
        "$VENV/bin/python" -c 'import ssl, sys
c = ssl.create_default_context(cafile=sys.argv[1])
c.load_cert_chain(sys.argv[2], sys.argv[3], password=lambda: "")' \
            "$CERTIFICATES/ca.pem" "$CERTIFICATES/$role.pem" "$CERTIFICATES/$role.key" 2>/dev/null ||
            fail "$CERTIFICATES/$role.pem and $role.key are not a certificate and its key, or ca.pem is none."
    done
}

# Run a program until SIGTERM or Ctrl-C; start it again whenever it ends. A worker that has lost
# its scheduler ends with exit status 0. Exit status 2 of `modesweep` has to be mended first.
keep() {
    over=
    trap 'over=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || :' TERM INT HUP
    while [ -z "$over" ]; do
        child=
        "$@" &
        child=$!
        [ -z "$over" ] || kill -TERM "$child" 2>/dev/null || :
        status=0
        wait "$child" || status=$?
        # a signal ends `wait`, not the program
        while kill -0 "$child" 2>/dev/null; do
            wait "$child" || status=$?
        done
        [ -z "$over" ] || break
        if [ "$status" = 2 ] && [ "${1##*/}" = modesweep ]; then
            exit 2
        fi
        echo "${0##*/}: ended with status $status, starts again" >&2
        sleep "${AGAIN_SECONDS:-2}" &
        child=$!
        wait "$child" || :
    done
}
