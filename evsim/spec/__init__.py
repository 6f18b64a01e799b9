"""From the text of a network file to a `Network`: what the user meant, checked."""
