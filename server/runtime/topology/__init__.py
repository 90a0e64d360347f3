"""Where everything of a cluster is: one file, the same for all of its nodes (DESIGN §9, §12)."""
