"""What memory is held, what is left, and what a release would need: measured here, and judged by `supervisor.core`."""
