"""The service on one machine with real containers: Lambda functions through SAM, Batch jobs as `docker run`."""
