"""Numbers and figures of recordings."""
