"""What a test may ask of a server beyond DSQL: why a commit lost, what runs, faults on demand."""
