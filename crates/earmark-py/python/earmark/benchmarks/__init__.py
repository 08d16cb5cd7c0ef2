"""The field's benchmarks over earmark's models: `mteb`, `xares` and `hear`, each for the package of that name, which it needs."""
