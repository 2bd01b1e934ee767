#!/usr/bin/env bash
# Rewrites the pinned, hashed lists from their .in files: all of them, or those named.
set -euo pipefail
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- lambda lambda-runtime probe-layer worker-cpu worker-gpu gpu-check local dev sam audit
for name in "$@"; do
  pip-compile --config pip-tools.toml --output-file "$name.txt" "$name.in"
done
