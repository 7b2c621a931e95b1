"""Who may start a run, how often, and for how many tokens: asked before there is one."""
