"""How the network is trained that paints what no frame reveals."""
