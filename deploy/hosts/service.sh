#!/bin/sh
# The service, on one host. Further options are those of `modesweep serve`.
set -eu
. "$(dirname "$0")/common.sh"
need client
case $SERVICE_HOST in
127.* | localhost | ::1) ;;
*)
    need service
    set -- --tls-cert "$CERTIFICATES/service.pem" --tls-key "$CERTIFICATES/service.key" "$@"
    ;;
esac
keep "$VENV/bin/modesweep" serve --workspace "$WORKSPACE" --scheduler "$SCHEDULER" \
    --host "$SERVICE_HOST" --port "$SERVICE_PORT" "$@"
