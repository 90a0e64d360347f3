"""How adjudicators, journals, crossbars, shards and query processors scale apart from each other (docs/scaling.md)."""
