import json
import os

import boto3


def handler(event, context):
    failure = event["failure"]
    boto3.client("s3").put_object(
        Bucket=os.environ["MEDIA_BUCKET"],
        Key=f"records/{event['job_id']}/failure-{context.aws_request_id}.json",
        Body=json.dumps(failure).encode(),
    )
    return {"Error": failure["Error"], "Cause": failure["Cause"]}
