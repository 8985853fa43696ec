"""The watch on files: an edited configuration, or a new model file, becomes a deployment like any other.

`places` says which files and folders matter, `looks` looks at them off the loop, `follow` when something happened to
them, `reader` what they say, `watcher` brings that to `core.desired`, which decides, and asks for what was decided;
`tracker` remembers what was handled.
Workers, memory and the route are looked at by `supervisor.watchdog`.
"""
