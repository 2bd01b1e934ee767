"""The whole service on one machine: the same template, state machine, handlers and worker, without Docker or an account."""
