"""The nouns of Streamlabel: frozen values that refuse illegal states; stdlib only, no clock, no async, no I/O."""
