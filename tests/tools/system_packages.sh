#!/bin/sh
# What the tests need of the system: each missing program is installed with apt, as root or through sudo; where that is
# not possible, the missing packages are named. A browser for the report; npm for the SARIF multitool; PostgreSQL and
# rsyslog, which the tests start themselves, as receivers of logs; Java for the engine of rulebooks, and for Spark, which
# runs the queries in docs/sql.
set -eu

has() {
    for name in "$@"; do
        command -v "$name" >/dev/null 2>&1 && return 0
        for path in /usr/sbin/"$name" /usr/lib/postgresql/*/bin/"$name"; do
            [ -x "$path" ] && return 0
        done
    done
    return 1
}

packages=""
has git || packages="$packages git"
has chromium chromium-browser google-chrome || packages="$packages chromium"
has npm || packages="$packages npm"
has initdb || packages="$packages postgresql"
has rsyslogd || packages="$packages rsyslog"
has java || packages="$packages openjdk-17-jre-headless"
ls /usr/lib/*/rsyslog/lmnsd_ossl.so >/dev/null 2>&1 || packages="$packages rsyslog-openssl"
[ -n "$packages" ] || exit 0

privileged=""
if [ "$(id -u)" != 0 ]; then
    privileged="sudo -n"
    $privileged true 2>/dev/null || privileged="no"
fi
if [ "$privileged" = no ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing system packages:$packages. Install them (Debian: apt-get install$packages)." >&2
    exit 1
fi
echo "Installing$packages ..."
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # a list of words, and a command of none or two
{
    $privileged apt-get update -qq
    $privileged env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
}
