"""The router: it owns the clients' sockets, and hands their sessions to query processors that come and go."""
