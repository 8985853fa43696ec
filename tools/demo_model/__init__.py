"""How the built-in demo model is made: data, tokenizer, training, GGUF.

A developer's tool, never part of set-up: ``python -m tools.demo_model --help``.
"""
