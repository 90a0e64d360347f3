"""Snapshots out of the machine: written to a directory or an S3-compatible store, and begun from again."""
