"""Stream applications under fire: killed at random and inside the commit, on real servers."""
