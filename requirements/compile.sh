#!/usr/bin/env bash
# Rewrites every pinned, hashed list from its .in file. opencv-python (rapidocr asks for it) is left out: the headless
# build provides the same cv2 without a display stack, so the lists are installed with --no-deps.
set -euo pipefail
cd "$(dirname "$0")"
for part in "${@:-lambda probe-layer worker-cpu worker-gpu local dev}"; do
  for name in $part; do
    pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-options --no-emit-find-links \
      --no-header --strip-extras --allow-unsafe --unsafe-package opencv-python --output-file "$name.txt" "$name.in"
  done
done
