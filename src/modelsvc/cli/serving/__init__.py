"""Waiting until a service in the background serves, whoever runs its supervisor.

`verdict` decides from what is seen (pure), `wait` looks and tells of progress. `modelsvc up --detach` starts a
supervisor itself, `modelsvc service` has a service manager do it: each is a `Keeper`.
"""
