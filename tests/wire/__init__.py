"""Events and metadata on the wire."""
