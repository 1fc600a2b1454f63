"""An app with a model, an event type and a topic."""
