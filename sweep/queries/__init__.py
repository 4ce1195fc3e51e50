"""Reading stores: lazy datasets, queries, and the index that spares them most chunks."""
