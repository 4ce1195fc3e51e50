"""The service: sweep files, plans, blocks on Dask workers, stores, ledgers and queries."""
