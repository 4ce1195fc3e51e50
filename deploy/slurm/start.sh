#!/bin/bash
# A cluster of Slurm jobs and the service that uses it, until SIGTERM or Ctrl-C.
#
#   bash deploy/slurm/start.sh WORKSPACE [options of modesweep serve]
#
# WORKSPACE: on a disk that all nodes see. MAXIMUM=64: workers, at most. SETTINGS=FILE: a copy of
# slurm.yaml. CERTIFICATES=DIR: made if there are none; beside the workspace when left out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 1 ] || { echo "Usage: start.sh WORKSPACE [options of modesweep serve]" >&2; exit 2; }
workspace=$(realpath -m "$1")
shift
certificates=${CERTIFICATES:-$workspace.certificates}
address=$workspace.scheduler

[ -e "$certificates/ca.pem" ] || sh "$here/../hosts/certificates.sh" "$certificates" "$(hostname)" localhost 127.0.0.1
rm -f "$address"
cd "$here/../.."
python -m deploy.slurm.cluster --certificates "$certificates" --maximum "${MAXIMUM:-16}" \
    --settings "${SETTINGS:-$here/slurm.yaml}" --address-file "$address" &
cluster=$!
service=
end() {
    for one in $service $cluster; do # the service first, while it has a scheduler
        kill "$one" 2>/dev/null || true
        wait "$one" || true
    done
}
trap end EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
until [ -e "$address" ]; do
    kill -0 $cluster 2>/dev/null || { echo "The cluster did not start." >&2; exit 3; }
    sleep 0.2
done

export DASK_CONFIG=$here/../dask.yaml
export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True
export DASK_DISTRIBUTED__COMM__TLS__CA_FILE=$certificates/ca.pem
export DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT=$certificates/client.pem
export DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY=$certificates/client.key
modesweep serve --workspace "$workspace" --scheduler "$(cat "$address")" "$@" &
service=$!
wait -n $cluster $service
