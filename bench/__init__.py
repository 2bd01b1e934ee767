"""Measurements on real clips: too long for the tests, each with a make target."""
