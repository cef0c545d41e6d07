"""Limits of the server, which its help and the foot of the page state."""

HOST, PORT = "127.0.0.1", 8050
BODY = 64 * 1024  # [bytes] of a request
