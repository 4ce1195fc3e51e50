#!/bin/sh
# Certificates for a cluster of several hosts: an authority of its own, and one certificate for each
# role. Only openssl is needed.
#
#   sh certificates.sh DIR NAME...
#
# NAME: every host name and address (IPv4, IPv6) by which a host is reached. Names of earlier
# calls are kept; remove a line of DIR/names to forget one. Call it again to renew: the
# authority and all keys stay, so hosts that have not got their new files yet go on working.
#
#   DIR/ca.pem              who is trusted; goes to every host
#   DIR/ca.key              makes certificates: stays here, or better on a disk in a drawer
#   DIR/{scheduler,worker,client,service}.{pem,key}
#
# DAYS=365 and CA_DAYS=3650 say how long they last. CA_KEY=FILE: the key of the authority, when it
# does not lie in DIR.
set -eu
umask 077

DAYS=${DAYS:-365}
CA_DAYS=${CA_DAYS:-3650}

fail() {
    echo "certificates.sh: $*" >&2
    exit 2
}

usage() {
    fail "Usage: sh certificates.sh DIR NAME... (host names and addresses of all hosts)"
}

for number in "$DAYS" "$CA_DAYS"; do
    case $number in
    '' | *[!0-9]* | 0*) fail "DAYS and CA_DAYS are whole numbers of days, not '$number'." ;;
    esac
done
command -v openssl >/dev/null || fail "There is no openssl. Install it."
[ $# -ge 1 ] || usage
case $1 in '' | -*) usage ;; esac
dir=$1
shift
CA_KEY=${CA_KEY:-$dir/ca.key}

# names, old ones first: "IP:..." for addresses, "DNS:..." for all else
subject_alt_name() {
    case $1 in
    '' | *[!A-Za-z0-9.:*_-]*) fail "'$1' is no host name and no address." ;;
    *:*) echo "IP:$1" ;;
    *[!0-9.]*) echo "DNS:$1" ;;
    *.*.*.*) echo "IP:$1" ;;
    *) fail "'$1' is no host name and no address." ;;
    esac
}

for name in "$@"; do
    subject_alt_name "$name" >/dev/null
done
mkdir -p "$dir"
chmod 700 "$dir"
work=$(mktemp -d "$dir/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
touch "$work/names"
[ ! -f "$dir/names" ] || cat "$dir/names" >"$work/names"
for name in "$@"; do
    grep -qxF -e "$name" "$work/names" || echo "$name" >>"$work/names"
done
alt=
while read -r name; do
    [ -n "$name" ] || continue
    one=$(subject_alt_name "$name") || exit 2
    alt=$alt${alt:+,}$one
done <"$work/names"
[ -n "$alt" ] || usage

# openssl speaks of its progress; what it says counts only when it fails
quiet() {
    "$@" >"$work/said" 2>&1 || fail "openssl does not do it: $(cat "$work/said")"
}

new_key() {
    quiet openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
    chmod 600 "$1"
}

cat >"$work/settings" <<END
[req]
distinguished_name = nobody
prompt = no
[nobody]
CN = modesweep
[ca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[role]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = $alt
END

# --- the authority: made once, never again ---------------------------------------------------

if [ -e "$dir/ca.pem" ]; then
    [ -r "$CA_KEY" ] || fail "$dir/ca.pem is there, but its key $CA_KEY cannot be read." \
        "Bring the key back, or give CA_KEY=FILE. For a new authority move ca.pem away:" \
        "then all certificates have to be made and copied again."
    openssl x509 -in "$dir/ca.pem" -noout -pubkey >"$work/public" 2>"$work/said" ||
        fail "$dir/ca.pem is no certificate: $(cat "$work/said")"
    openssl pkey -in "$CA_KEY" -pubout >"$work/of-key" 2>"$work/said" ||
        fail "$CA_KEY is no key: $(cat "$work/said")"
    cmp -s "$work/public" "$work/of-key" || fail "$CA_KEY is not the key of $dir/ca.pem."
    openssl x509 -in "$dir/ca.pem" -noout -checkend $((DAYS * 86400)) >/dev/null ||
        echo "certificates.sh: the authority $dir/ca.pem itself ends within $DAYS days." \
            "Begin a new one in another folder." >&2
else
    [ ! -e "$CA_KEY" ] || fail "$CA_KEY is there, but no $dir/ca.pem. Bring it back, or move the key away."
    new_key "$work/ca.key"
    quiet openssl req -x509 -new -sha256 -key "$work/ca.key" -config "$work/settings" -extensions ca \
        -subj "/CN=modesweep authority $(openssl rand -hex 4)" -days "$CA_DAYS" -out "$work/ca.pem"
    mv "$work/ca.key" "$CA_KEY"
    mv "$work/ca.pem" "$dir/ca.pem"
fi

# --- one certificate for each role ------------------------------------------------------------

# Dask's scheduler and workers call and are called; a client only calls, the service is only called
make_role() {
    role=$1 purpose=$2
    key=$dir/$role.key
    if [ ! -e "$key" ]; then
        new_key "$work/$role.key"
        mv "$work/$role.key" "$key"
    fi
    chmod 600 "$key"
    cp "$work/settings" "$work/settings.$role"
    echo "extendedKeyUsage = $purpose" >>"$work/settings.$role"
    quiet openssl req -new -sha256 -key "$key" -config "$work/settings" \
        -subj "/CN=modesweep $role" -out "$work/request"
    quiet openssl x509 -req -sha256 -in "$work/request" -CA "$dir/ca.pem" -CAkey "$CA_KEY" \
        -set_serial "0x$(openssl rand -hex 16)" -days "$DAYS" \
        -extfile "$work/settings.$role" -extensions role -out "$work/$role.pem"
    quiet openssl verify -CAfile "$dir/ca.pem" "$work/$role.pem"
    chmod 644 "$work/$role.pem"
    mv "$work/$role.pem" "$dir/$role.pem"
}

make_role scheduler serverAuth,clientAuth
make_role worker serverAuth,clientAuth
make_role client clientAuth
make_role service serverAuth
chmod 644 "$dir/ca.pem"
mv "$work/names" "$dir/names"
echo "$dir: certificates of scheduler, worker, client and service for $alt, $DAYS days."
echo "ca.pem goes to every host; of the others those of its roles. $CA_KEY goes nowhere."
