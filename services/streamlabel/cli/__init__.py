"""The `streamlabel` command: talks to services through their public faces, starts them as processes, never imports them."""
