"""The whole service on one machine, without Docker or account: the same template, state machine, handlers, worker."""
