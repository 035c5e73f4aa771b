"""What the Gantry client speaks: its envelope, its addresses, and what its service did behind them."""
