"""The status page at `control.metrics_listen`: what is going on, for a person with a browser."""
