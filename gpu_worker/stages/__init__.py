"""What a Batch job runs: one module a stage. Each reads its input from the workspace and leaves its output there."""
