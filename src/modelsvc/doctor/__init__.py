"""What `modelsvc doctor` looks at, and what it makes of it.

Each area is a module with one check: it looks, and yields findings. A check changes and creates nothing, and stands for
itself: what it finds out does not depend on another one. `checks` is the table of them, `examination` runs them.
"""
