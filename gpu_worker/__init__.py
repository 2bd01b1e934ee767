"""The worker that removes captions and enlarges video: in a container on AWS Batch, or on one machine."""
