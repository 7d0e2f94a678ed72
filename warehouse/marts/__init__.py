"""Regional marts, with the grain in each name."""
