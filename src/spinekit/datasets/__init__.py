"""Datasets: where annotated scans come from and what their masks leave unsaid."""
