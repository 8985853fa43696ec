"""What a run means: figures, plots, and the pages that show them."""
