"""Expected versions, ids of the caller's and conditions, against a real server."""
