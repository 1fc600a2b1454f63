"""What tests of applications need: real servers as pytest fixtures."""
