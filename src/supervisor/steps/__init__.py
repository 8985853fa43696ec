"""What the steps of a deployment need: each is a small adapter, and `runner` knows which step asks which."""
