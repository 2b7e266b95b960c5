"""Pure decisions: the same prediction, policy and gate give the same route for ever."""
