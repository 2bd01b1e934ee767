"""Looks at what was filled, and tells whether a viewer would notice."""
