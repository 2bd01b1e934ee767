"""Enlarging decoded pictures."""
