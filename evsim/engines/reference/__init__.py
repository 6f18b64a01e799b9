"""Plain Brian2."""
