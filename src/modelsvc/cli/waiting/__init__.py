"""Waiting until a service in the background serves, whoever runs its supervisor.

`verdict` decides from what is seen (pure), `wait` looks and tells of progress. Each way to have a supervisor run in the
background is a `Background`: `launched` starts it itself, `managed` has a service manager do it. `options` are those of
the commands.
"""
