"""One page about one run or several: `sections` say what it shows, `page` writes it."""
