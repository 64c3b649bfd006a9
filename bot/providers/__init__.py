"""One file for each provider; whoever reads this folder knows all that there are."""
