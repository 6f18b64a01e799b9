"""From a Network to a Plan."""
