"""The star schema: dimensions, facts, and the as-of positions behind them."""
