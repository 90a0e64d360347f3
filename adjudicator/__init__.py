"""Who commits: conflict window and commit times."""
