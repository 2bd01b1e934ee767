#!/usr/bin/env bash
# Deploys the stack and the worker's image with the AWS credentials of the shell: deploy.sh SAM_PROGRAM
# The first call asks for the parameters and keeps the answers in samconfig.local.toml; further calls take them from there.
set -euo pipefail
cd "$(dirname "$0")/.."
sam=$1
config=samconfig.local.toml
export SAM_CLI_TELEMETRY=0

for program in aws docker; do
  command -v "$program" >/dev/null || { echo "deploy: $program is needed" >&2; exit 2; }
done
aws sts get-caller-identity >/dev/null || { echo "deploy: the shell has no AWS credentials" >&2; exit 2; }

"$sam" validate --lint
"$sam" build
if [ -f "$config" ]; then
  "$sam" deploy --config-file "$PWD/$config" --no-fail-on-empty-changeset
else
  cp samconfig.toml "$config"
  # A guided deployment that is broken off leaves no answers: the next one asks again.
  "$sam" deploy --guided --config-file "$PWD/$config" || { rm -f "$config"; exit 1; }
fi

stack=$(python3.11 -c 'import sys, tomllib
settings = tomllib.load(open(sys.argv[1], "rb"))["default"]
print({**settings["global"]["parameters"], **settings["deploy"]["parameters"]}["stack_name"])' "$config")
value() {
  aws cloudformation describe-stacks --stack-name "$stack" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}
repository=$(value WorkerRepositoryUri)
tag=$(value WorkerImageTag)
region=$(cut -d. -f4 <<<"$repository")
aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "${repository%%/*}"
DOCKER_BUILDKIT=1 docker build --file gpu_worker/Dockerfile --build-arg DEVICE=cuda --platform linux/amd64 --tag "$repository:$tag" .
docker push "$repository:$tag"
echo "deployed: $(value ApiUrl)"
echo "make an access key: python -m local keys create --owner NAME --stack $stack"
