"""The worker that removes captions and enlarges video: in a container on AWS Batch, or on one machine."""

import os

# onnxruntime's Linux wheels send usage data to their maker, and keep an ID of the device for it, unless told not to
# before they are loaded; other packages load them, too, so it stands where every start of the worker passes.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
