"""Stands in for ``python -m gpu_worker``: does what the work order says of each stage, and records every start."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

import boto3

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["run"])
parser.add_argument("--work-order", required=True)
parser.add_argument("--stage", required=True)
parser.add_argument("--segment", type=int, default=0)
arguments = parser.parse_args()

bucket, _, key = arguments.work_order.removeprefix("s3://").partition("/")
s3 = boto3.client("s3")
behaviour = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
job_id = key.split("/")[1]
me = f"{arguments.stage}-{arguments.segment}"
s3.put_object(
    Bucket=bucket,
    Key=f"records/{job_id}/worker-{me}-attempt{os.environ['AWS_BATCH_JOB_ATTEMPT']}",
    Body=str(os.getpid()).encode(),
)
wanted = behaviour.get(arguments.stage, "")
if wanted.startswith("exit") and arguments.segment == int(behaviour.get("segment", 0)):
    sys.exit(int(wanted.removeprefix("exit")))
if wanted.startswith("killed") and int(os.environ["AWS_BATCH_JOB_ATTEMPT"]) <= int(wanted.removeprefix("killed")):
    os.kill(os.getpid(), signal.SIGKILL)
if wanted == "wait":
    time.sleep(600)
if wanted == "hang":
    # A child, as a media library may have one; and deaf to SIGTERM, so that only killing the group ends both.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    s3.put_object(Bucket=bucket, Key=f"records/{job_id}/child", Body=str(child.pid).encode())
    time.sleep(600)
