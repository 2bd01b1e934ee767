"""Filling what captions covered, with true pixels of other frames wherever there are any."""
