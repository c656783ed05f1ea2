"""Many runs: sweeps, comparisons, and a memory of every run."""
