"""Finding burnt-in captions: when they are on screen, and which pixels they cover."""
