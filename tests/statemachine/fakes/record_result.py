import os

import boto3


def handler(event, context):
    boto3.client("s3").put_object(
        Bucket=os.environ["MEDIA_BUCKET"], Key=f"records/{event['job_id']}/succeeded", Body=b""
    )
    return {}
