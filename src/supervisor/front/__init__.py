"""The TCP port of metrics and the status page, and who may knock there."""
