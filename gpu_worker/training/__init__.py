"""How the weights of our own networks were made. Not shipped in the worker's image; needs requirements/training.txt."""
