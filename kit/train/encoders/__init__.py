"""Encoders: made from scratch, or found and loaded by name or folder."""
