#!/usr/bin/env bash
# Installs what the tests need and this machine lacks, from Debian's packages
# and npm. TEST_SKIP=postgres,browser,node,apache,python,ldap leaves parts out.
set -euo pipefail
cd "$(dirname "$0")"

skipped() { [[ ",${TEST_SKIP:-}," == *",$1,"* ]]; }

packages=()
if ! skipped postgres && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && ! command -v initdb >/dev/null; then
  packages+=(postgresql)
fi
if ! skipped browser && ! command -v chromium >/dev/null; then
  packages+=(chromium)
fi
if ! skipped node && ! command -v npm >/dev/null; then
  packages+=(nodejs npm)
fi
# Apache itself comes with the module, as a program and not as a service.
if ! skipped apache && ! [ -e /usr/lib/apache2/modules/mod_auth_openidc.so ]; then
  packages+=(libapache2-mod-auth-openidc)
fi
# The directory server is run as a program, on a port of its own.
if ! skipped ldap && ! [ -x /usr/sbin/slapd ]; then
  packages+=(slapd)
fi
has_authlib() { "$1" -c 'import authlib, requests' >/dev/null 2>&1; }
if ! skipped python && ! has_authlib python3 && ! has_authlib /usr/bin/python3; then
  packages+=(python3 python3-authlib python3-requests)
fi
if ! command -v gcc >/dev/null; then
  packages+=(gcc libc6-dev)
fi
if [ ${#packages[@]} -gt 0 ]; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  echo "installing ${packages[*]}"
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
if ! skipped node || ! skipped browser; then
  (cd node && npm ci --silent --no-audit --no-fund)
fi
