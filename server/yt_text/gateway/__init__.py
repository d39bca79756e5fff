"""The gateway: Envoy, its configuration, and the page that it serves."""
