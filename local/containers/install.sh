#!/usr/bin/env bash
# Installs a Docker engine where there is none and the system's own packages can be installed; else says what is missing.
# Debian's engine comes with mmdebstrap, which makes a base image where no registry can be reached.
set -euo pipefail
if docker version >/dev/null 2>&1 || command -v dockerd >/dev/null; then
  exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "no Docker engine answers, and only root on a Debian system can have one installed here" >&2
  exit 0
fi
echo "installing docker.io and mmdebstrap"
if ! { apt-get update -qq &&
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables mmdebstrap >/dev/null; }; then
  echo "docker.io cannot be installed here" >&2
fi
