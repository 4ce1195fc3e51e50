#!/bin/sh
# Workers of one thread each, on any host.
#
#   sh worker.sh [N]      N workers; left out: WORKERS of cluster.env, or one a core
#
# A nanny starts a worker again that dies. Together they get MEMORY_PERCENT of the host's memory.
set -eu
. "$(dirname "$0")/common.sh"
need worker

count=${1:-$WORKERS}
if [ -z "$count" ]; then
    count=$("$VENV/bin/python" -P -c 'from sweep.machine import cores; print(cores())')
fi
case $count in
'' | *[!0-9]* | 0*) fail "The number of workers is a whole number, not '$count'." ;;
esac

if [ -z "$WORKER_HOST" ]; then # the address that faces the scheduler; nothing is sent
    WORKER_HOST=$("$VENV/bin/python" -P -c 'import socket, sys
family, kind, _, _, place = socket.getaddrinfo(sys.argv[1], 9, type=socket.SOCK_DGRAM)[0]
with socket.socket(family, kind) as end:
    end.connect(place)
    print(end.getsockname()[0])' "$SCHEDULER_HOST" 2>/dev/null) ||
        fail "There is no way to SCHEDULER_HOST=$SCHEDULER_HOST. Check the name, or set WORKER_HOST."
fi

# Dask reads the first: sweeps whose points need more than a worker has are refused, not tried
bytes=$("$VENV/bin/python" -P -c 'from sweep.machine import memory_bytes; print(memory_bytes())')
each=$((bytes * MEMORY_PERCENT / 100 / count / 1024 * 1024))
# shellcheck disable=SC3045  # dash has it
ulimit -m $((each / 1024)) 2>/dev/null || echo "worker.sh: no limit of memory can be set" >&2

# the HTTP server of a worker is plain, so it stays on loopback
keep "$VENV/bin/python" -P -m dask worker "$SCHEDULER" --protocol tls --host "$WORKER_HOST" \
    --nworkers "$count" --nthreads 1 --memory-limit "$each" --dashboard-address 127.0.0.1:0 \
    --local-directory "${TMPDIR:-/tmp}" --death-timeout 60
