import urllib.parse


def handler(event, context):
    behaviour = dict(urllib.parse.parse_qsl(event["job_id"].replace("_", "&").replace("-", "=")))
    pieces = range(int(behaviour.get("pieces", 2)))
    return {"segments": [{"index": index} for index in pieces], "parallel": int(behaviour.get("parallel", 40))}
