# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Debian 12 packages that building, testing and demonstrating need, and how they are installed.
# Sourced by packaging/quickstart and tests/run; this is the one place where packages are listed.

# shellcheck disable=SC2034  # the lists are for those who source this file
build_packages=(
  g++ cmake ninja-build pkg-config python3 clang llvm bpftool
  libbpf-dev libelf-dev zlib1g-dev libcapstone-dev libssl-dev
  libspdlog-dev libfmt-dev nlohmann-json3-dev libcli11-dev libyaml-cpp-dev
  prometheus-cpp-dev libmicrohttpd-dev libcurl4-openssl-dev libseccomp-dev
)
# What a built agent needs: the container image.
# shellcheck disable=SC2034
runtime_packages=(
  libbpf1 libelf1 libcapstone4 libssl3 libspdlog1.10 libfmt9 libyaml-cpp0.7
  libprometheus-cpp-core1.0 libmicrohttpd12 libcurl4 libseccomp2 ca-certificates
)
# What the end-to-end cases watch, besides what the demonstration needs.
# shellcheck disable=SC2034
server_packages=(
  haproxy apache2 stunnel4 libnginx-mod-stream uwsgi-core uwsgi-plugin-python3 daphne python3-uvicorn python3-hypercorn
  python3-gevent python3-websockets socat varnish nftables nodejs caddy prometheus prometheus-alertmanager rsyslog
)
# shellcheck disable=SC2034
test_packages=(
  libgtest-dev libgmock-dev libclang-rt-14-dev nginx gunicorn python3-django python3-h2
  curl openssl iproute2 binutils util-linux procps
  "${server_packages[@]}" mandoc man-db
  apache2-utils bpftrace libbenchmark-dev
  python3-jsonschema python3-yaml python3-seccomp lintian dpkg-dev systemd
)
# shellcheck disable=SC2034
demo_packages=(nginx gunicorn python3-django openssl curl)

policy_file=/usr/sbin/policy-rc.d

# Ends the caller with one plain sentence and exit code 4 (the environment is not fit).
cannot_install() {
  echo "${0##*/}: $1" >&2
  exit 4
}

# Prints those of the given packages that are not installed, one a line.
missing_packages() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

# Prints those of the given packages that apt's lists do not know, one a line.
unknown_packages() {
  local package
  for package in "$@"; do
    [[ -n $(apt-cache show --no-all-versions "$package" 2>/dev/null) ]] || echo "$package"
  done
}

# Keeps freshly installed servers from starting as services: invoke-rc.d and deb-systemd-invoke ask this file.
# A policy that is already there is the administrator's and stays. Removed again by the caller's EXIT trap.
place_policy() {
  [[ ! -e $policy_file ]] || return 0
  trap 'rm -f "$policy_file"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy_file"
  chmod 755 "$policy_file"
}

apt_install() {
  apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$@"
}

# Nor shall they start at the next boot, where it was this run that brought them.
disable_new_services() {
  [[ -d /run/systemd/system ]] || return 0
  local unit
  for unit in $(dpkg -L "$@" | sed -n 's|.*/systemd/system/\([^/@]*\.service\)$|\1|p'); do
    systemctl disable --quiet "$unit" || true
  done
}

require_apt() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    cannot_install "this is not a Debian system with apt; install by hand what stands for: $*"
  fi
  local release
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-}")
  [[ $release == "debian 12" ]] || echo "note: made for Debian 12, this is '$release'; package names may differ" >&2
  ((EUID == 0)) || cannot_install "only root can install what is missing here: $*"
}

# Prints nothing and succeeds when apt's lists know all the packages, after a look for newer lists where they do not.
require_known() {
  [[ -n $(unknown_packages "$@") ]] || return 0
  apt-get -qq update || cannot_install "apt-get update failed; see above"
  local unknown
  unknown=$(unknown_packages "$@")
  [[ -z $unknown ]] || cannot_install "apt does not know: ${unknown//$'\n'/ }"
}

# Installs those of the given packages that are missing; does nothing, and needs no root, when none is.
# It runs in a subshell of its own so that its signal handling ends with it: a signal waits for dpkg to finish.
install_packages() (
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  require_apt "${missing[@]}"
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  export DEBIAN_FRONTEND=noninteractive
  echo "installing: ${missing[*]}"
  require_known "${missing[@]}"
  place_policy
  # A second try with fresh lists: older lists may name files that the mirror no longer has.
  apt_install "${missing[@]}" || { apt-get -qq update && apt_install "${missing[@]}"; } \
    || cannot_install "apt-get install failed; see above"
  disable_new_services "${missing[@]}"
)
