"""From text to rows: parser, binder, planner, executor, and the tables of what SQL knows."""
