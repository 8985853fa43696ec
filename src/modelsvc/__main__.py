"""`python -m modelsvc`: the same as the `modelsvc` command."""

from modelsvc.cli import main

main()
