"""An adjudicator: owners of journals in a process of their own."""
