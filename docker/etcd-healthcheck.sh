#!/bin/bash
# Whether the member has a quorum: its address for metrics, on loopback alone, tells without a certificate.
exec 3<>/dev/tcp/127.0.0.1/2381 || exit 1
printf 'GET /health HTTP/1.0\r\n\r\n' >&3
grep -q '"health":"true"' <&3
