"""Tables of what objects hold."""
