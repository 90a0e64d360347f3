"""The committed image and compose file, built and run by a real engine: `make test-docker`."""
