"""Pure bookkeeping: the same events in the same order give the same gates for ever."""
