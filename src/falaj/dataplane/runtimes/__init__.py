"""Runtimes: the kinds of place that can serve (`process`: Envoy and model servers as processes of one machine)."""
