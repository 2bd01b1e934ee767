"""Stands in for ``python -m gpu_worker``: does what the work order says of each stage, and records every start.

With the standard library only: it is started a hundred times, and boto3 alone would take most of that.
"""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse


class Bucket:
    """Just enough of S3 for the local one, which knows a caller by the access key."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._host = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
        scope = f"{os.environ['AWS_ACCESS_KEY_ID']}/20261121/{os.environ['AWS_REGION']}/s3/aws4_request"
        self._headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"}

    def _call(self, method: str, path: str, body: bytes = b"") -> bytes:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        connection.request(method, f"/{self._name}{path}", body, self._headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == http.client.OK, content
        return content

    def get(self, key: str) -> bytes:
        return self._call("GET", f"/{key}")

    def put(self, key: str, body: str) -> None:
        self._call("PUT", f"/{key}", body.encode())

    def count(self, prefix: str) -> int:
        listed = self._call("GET", f"?list-type=2&prefix={urllib.parse.quote(prefix)}").decode()
        (found,) = re.findall(r"<KeyCount>(\d+)</KeyCount>", listed)
        return int(found)


parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["run"])
parser.add_argument("--work-order", required=True)
parser.add_argument("--stage", required=True)
parser.add_argument("--segment", type=int, default=0)
arguments = parser.parse_args()

name, _, key = arguments.work_order.removeprefix("s3://").partition("/")
bucket = Bucket(name)
behaviour = json.loads(bucket.get(key))
job_id = key.split("/")[1]
me = f"{arguments.stage}-{arguments.segment}"
attempt = bucket.count(f"records/{job_id}/worker-{me}-") + 1
bucket.put(f"records/{job_id}/worker-{me}-attempt{attempt}", str(os.getpid()))
bucket.put(f"records/{job_id}/queue-{me}-attempt{attempt}", os.environ["AWS_BATCH_JQ_NAME"])
wanted = behaviour.get(arguments.stage, "")
if wanted.startswith("exit") and arguments.segment == int(behaviour.get("segment", 0)):
    sys.exit(int(wanted.removeprefix("exit")))
if wanted.startswith("killed") and attempt <= int(wanted.removeprefix("killed")):
    os.kill(os.getpid(), signal.SIGKILL)
if wanted.startswith("reclaimed"):
    times, _, then = wanted.removeprefix("reclaimed").partition("exit")
    if attempt <= int(times):
        # As the local engine tells a machine that is taken away.
        os.kill(os.getpid(), signal.SIGPWR)
    sys.exit(int(then or 0))
if wanted == "wait":
    time.sleep(600)
if wanted == "hang":
    # A child, as a media library may have one; and deaf to SIGTERM, so that only killing the group ends both.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    bucket.put(f"records/{job_id}/child", str(child.pid))
    time.sleep(600)
