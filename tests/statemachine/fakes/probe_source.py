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
    boto3.client("s3").put_object(Bucket=bucket, Key=f"jobs/{job_id}/work_order.json", Body=json.dumps(behaviour).encode())
    return {"work_order_uri": f"s3://{bucket}/jobs/{job_id}/work_order.json", "erase": True, "upscale": "noupscale" not in behaviour}
