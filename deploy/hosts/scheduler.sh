#!/bin/sh
# The Dask scheduler, on the host SCHEDULER_HOST of cluster.env.
set -eu
. "$(dirname "$0")/common.sh"
need scheduler
keep "$VENV/bin/python" -P -m dask scheduler --protocol tls --host "$SCHEDULER_HOST" --port "$SCHEDULER_PORT" \
    --dashboard-address "$DASHBOARD"
