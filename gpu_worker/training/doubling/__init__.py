"""How the networks are trained that double luma."""
