"""Finding icons: marks of stations and platforms laid over the picture, still, jumping, blinking or moving."""
