"""Where workflows run: the servers, the event loop that talks to them, and what comes back."""
