"""Telemetry: figures for Prometheus and answers to health checks, over HTTP when asked for."""
