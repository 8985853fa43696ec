"""Services and workers to measure or to try: real processes, in a folder and on ports of their own, and then gone."""
