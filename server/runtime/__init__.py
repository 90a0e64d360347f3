"""The shells: event loop, sockets, threads, processes."""
