import json
import os
import urllib.parse

import boto3


class UnreadableVideoError(Exception):
    """Stands for the domain's error of that name."""


def handler(event, context):
    job_id = event["job_id"]
    behaviour = dict(urllib.parse.parse_qsl(job_id.replace("_", "&").replace("-", "=")))
    if behaviour.get("probe") == "raises":
        raise UnreadableVideoError("the file is not a video")
    if behaviour.get("probe") == "dies":
        os._exit(3)
    bucket = os.environ["MEDIA_BUCKET"]
    s3 = boto3.client("s3")
    if behaviour.get("probe") == "flaky":
        before = s3.list_objects_v2(Bucket=bucket, Prefix=f"records/{job_id}/probe-")["KeyCount"]
        s3.put_object(Bucket=bucket, Key=f"records/{job_id}/probe-{before + 1}", Body=b"")
        if before == 0:
            raise type("Lambda.TooManyRequestsException", (Exception,), {})("as Lambda says when it is throttled")
    s3.put_object(Bucket=bucket, Key=f"jobs/{job_id}/work_order.json", Body=json.dumps(behaviour).encode())
    return {
        "work_order_uri": f"s3://{bucket}/jobs/{job_id}/work_order.json",
        "preview": "preview" in behaviour,
        "erase": True,
        "upscale": "noupscale" not in behaviour,
        "share": behaviour.get("share", "shared"),
        "priority": int(behaviour.get("priority", 4)),
    }
