# The two commands of the README are `make run` and `make test`; each sets up what it needs.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
PIP_INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes

# --- what `make run` may be told, for instance: make run VIDEO=clip.mp4 ERASE=captions,icons UPSCALE=2 OUT=out
VIDEO ?=
ERASE ?=
UPSCALE ?=
REGION ?=
ICON_REGION ?=
ICON_KINDS ?=
QUALITY ?=
UPSCALE_QUALITY ?=
BITRATE_MBPS ?=
OUT ?= out
PORT ?= 0

.PHONY: help run serve setup test fast-test lint types architecture sam-test sam-local audit deploy idempotency acceptance formats-table throughput bench-segments bench-erase bench-icons bench-icon-search bench-second-look openapi fuzz bench-upscale gpu-check train-fast train-normal train-premium train-fill-small train-fill-large requirements clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/.local  ## start the service, send it a video (a demo clip, or VIDEO=...), fetch the result into OUT
	@$(VENV)/bin/python -m local run --video "$(VIDEO)" --erase "$(ERASE)" --upscale "$(UPSCALE)" \
	  $(foreach region,$(REGION),--region "$(region)") $(foreach region,$(ICON_REGION),--icon-region "$(region)") \
	  $(if $(ICON_KINDS),--icon-kinds "$(ICON_KINDS)") $(if $(QUALITY),--quality "$(QUALITY)") \
	  $(if $(UPSCALE_QUALITY),--upscale-quality "$(UPSCALE_QUALITY)") \
	  $(if $(BITRATE_MBPS),--bitrate-mbps "$(BITRATE_MBPS)") --out "$(OUT)"

serve: $(VENV)/.local  ## keep the service up on loopback (PORT=... for a fixed port)
	@$(VENV)/bin/python -m local serve --port "$(PORT)"

setup: $(VENV)/.dev  ## make .venv with the worker on CPU, the local service and the development tools

# The functions folder is a sys.path root (see docs/adr/0001): `domain` and `adapters` are top-level packages.
$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || { echo "make: Python 3.11 is needed; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "setting up $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@echo "$(CURDIR)/functions" > $(VENV)/lib/python3.11/site-packages/smart_erase.pth
	@touch $@

$(VENV)/.local: requirements/local.txt | $(VENV)/.python
	@$(PIP_INSTALL) -r requirements/local.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(VENV)/.python
	@$(PIP_INSTALL) -r requirements/dev.txt
	@touch $(VENV)/.local $@

# Tests that keep to themselves share the cores; a service has the machine to itself, or its time limits would be the load's.
test: setup lint types architecture  ## lint, types, architecture, all tests but those in containers
	$(VENV)/bin/python -m pytest -n auto --dist loadfile tests/unit tests/functional tests/template tests/media
	$(VENV)/bin/python -m pytest tests/statemachine tests/e2e

fast-test: setup  ## the tests that take seconds
	$(VENV)/bin/python -m pytest -m "not slow" tests/unit tests/functional tests/template

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/cfn-lint template.yaml

types: setup
	$(VENV)/bin/mypy

architecture: setup
	$(VENV)/bin/lint-imports

# SAM's pins are not ours: an environment of its own.
SAM := build/sam/bin/sam
$(SAM): requirements/sam.txt
	@$(PYTHON) -m venv build/sam
	@build/sam/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

sam-test: setup $(SAM)  ## the service with real containers, through SAM and Docker: every function, one job (minutes)
	@local/containers/install.sh
	$(VENV)/bin/python -m pytest --timeout 1800 tests/sam

sam-local: $(VENV)/.local $(SAM)  ## keep the service with real containers up, to try things (needs Docker; PORT=...)
	@local/containers/install.sh
	@$(VENV)/bin/python -m local serve --sam $(SAM) --port "$(PORT)"

openapi: setup  ## rewrite docs/openapi.json from the handlers
	$(VENV)/bin/python -c "import json, serve_openapi as s; print(json.dumps(s.openapi_document(), indent=2))" > docs/openapi.json

requirements:  ## rewrite the pinned, hashed lists from requirements/*.in (needs pip-compile)
	requirements/compile.sh

clean:  ## remove what the targets above made
	rm -rf $(VENV) out build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

fuzz: setup  ## schemathesis against the service on one machine: SECONDS=... (default a quarter of an hour)
	FUZZ_SECONDS=$(or $(SECONDS),900) $(VENV)/bin/python -m pytest -q --timeout 7200 tests/e2e/test_fuzz.py

# Every list of what is shipped or run: looked up for known weaknesses, and written down as CycloneDX.
AUDIT := build/audit
audit:  ## look every pinned package up for known weaknesses; lists of what is shipped go to build/audit
	@$(PYTHON) -m venv $(AUDIT)/venv
	@$(AUDIT)/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/audit.txt
	@failed=; for list in lambda probe-layer worker-cpu worker-gpu local; do \
	  echo "$$list:"; \
	  $(AUDIT)/venv/bin/pip-audit --disable-pip --require-hashes -r requirements/$$list.txt \
	    -f cyclonedx-json -o $(AUDIT)/$$list.cdx.json || failed=1; \
	done; test -z "$$failed"

deploy: $(SAM)  ## build and deploy the stack (asks once, samconfig.toml then), build the worker for a GPU, push it
	@deploy/deploy.sh $(SAM)

idempotency: setup  ## 1,000 submissions with ten racing duplicates each make 1,000 jobs (a minute)
	DISTINCT_REQUESTS=1000 $(VENV)/bin/python -m pytest tests/functional/test_service.py -q -k duplicates

acceptance: setup  ## the captioned clips of ../shared through the service, checked by an independent PP-OCR (minutes)
	$(VENV)/bin/python -m bench.acceptance --out build/acceptance $(if $(ERASE_ONLY),--erase-only)

formats-table: setup  ## every sample format of ../shared through upscale, and the MP4 ones through erase (minutes)
	PYTHONPATH=. $(VENV)/bin/python tests/media/formats_table.py
	PYTHONPATH=. $(VENV)/bin/python tests/media/formats_table.py --function erase

throughput: setup  ## erasing at 720p and 1080p beside a plain transcode; ICONS=1: a logo; CLIP=... another clip, also enlarged (minutes)
	$(VENV)/bin/python -m bench.throughput $(if $(CLIP),--clip "$(CLIP)" --seconds 10 --seconds 100,$(if $(ICONS),--icons --seconds 40))

bench-segments: setup  ## a ten-minute clip through the service with one worker and with two: MINUTES=... QUALITY=normal (tens of minutes)
	$(VENV)/bin/python -m bench.segments --minutes "$(or $(MINUTES),10)" $(if $(QUALITY),--quality "$(QUALITY)")

bench-erase: setup  ## captions drawn over clean clips, erased, scored against the truth: QUICK=1 for one case of a kind (minutes)
	$(VENV)/bin/python -m bench.erase $(if $(QUICK),--quick) --premium --out build/bench-erase

bench-icons: setup  ## logos drawn over clean clips, found and erased, scored against the truth: QUICK=1 for a third of them (minutes)
	$(VENV)/bin/python -m bench.icons $(if $(QUICK),--quick,--premium) --out build/bench-icons

bench-icon-search: setup  ## logos drawn by lot over clean clips, only looked for: HALF=look|judge|bench (tens of minutes)
	$(VENV)/bin/python -m bench.icon_search --half "$(or $(HALF),judge)"

bench-second-look: setup  ## the second look's figures on clean, filled and spoilt frames, from which its gates come (minutes)
	$(VENV)/bin/python -m bench.second_look $(if $(QUICK),--quick)

bench-upscale: setup  ## pictures and compressed videos doubled by every upscaler, scored against the truth (minutes)
	$(VENV)/bin/python -m bench.upscale --pictures build/bench-upscale --json build/bench-upscale/videos.json
	$(VENV)/bin/python -m bench.stage_speed

# onnxruntime for GPUs takes the same package folder as the one for CPUs: an environment of its own.
GPU_CHECK := build/gpu-check
$(GPU_CHECK)/.python: requirements/gpu-check.txt
	@$(PYTHON) -m venv $(GPU_CHECK)/venv
	@$(GPU_CHECK)/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

gpu-check:  ## on a machine with an NVIDIA GPU: the tests that need one, then the speed of the upscale stage and the GPU's load
	@nvidia-smi --list-gpus >/dev/null 2>&1 || { echo "gpu-check: there is no NVIDIA GPU here, or no driver for it" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(GPU_CHECK)/.python
	@site=$$(cd $(GPU_CHECK)/venv/lib/python3.11/site-packages && pwd) && \
	  export PYTHONPATH=.:functions LD_LIBRARY_PATH=$$site/nvidia/cu13/lib:$$site/nvidia/cudnn/lib && \
	  $(GPU_CHECK)/venv/bin/python -m gpu_worker doctor --device cuda && \
	  $(GPU_CHECK)/venv/bin/python -m pytest -q tests/gpu && \
	  $(GPU_CHECK)/venv/bin/python -m bench.stage_speed --device cuda --models auto fast \
	    --sizes 640x360 960x540 1280x720 1920x1080 $(if $(CLIP),--clip "$(CLIP)")

# Networks are trained in an environment of their own: torch is larger than everything else together.
TRAINING := build/training
$(TRAINING)/.python: requirements/training.txt
	@$(PYTHON) -m venv $(TRAINING)/venv
	@$(TRAINING)/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

# Clean pairs first, which the published benchmarks use; from there on to what real video looks like. Resumable.
train-fast train-normal train-premium: train-%: $(TRAINING)/.python  ## train one tier of upscaler (hours on a CPU)
	$(TRAINING)/venv/bin/python -m gpu_worker.training.doubling.train --tier $* --out $(TRAINING)
	$(TRAINING)/venv/bin/python -m gpu_worker.training.doubling.train --tier $* --out $(TRAINING) --degrade \
	  --begin-with $(TRAINING)/$*-clean/checkpoint.pt

train-fill-small train-fill-large: train-fill-%: $(TRAINING)/.python  ## train the network that paints what was never revealed
	PYTHONPATH=functions $(TRAINING)/venv/bin/python -m gpu_worker.training.filling.train --tier $* --out $(TRAINING)
	PYTHONPATH=functions $(TRAINING)/venv/bin/python -m gpu_worker.training.filling.train --tier $* --out $(TRAINING) \
	  --finish --begin-with $(TRAINING)/fill-$*/checkpoint.pt
