"""Cases against references: one score table per dataset, with intervals.

`reference` says what is annotated, `scoring` judges one case, `summary` joins cases to a table,
`table` writes and reads it, `files` finds predictions and references on disk.
"""
