def handler(event, context):
    return {"segments": [{"index": 0}, {"index": 1}]}
