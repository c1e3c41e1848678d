"""Networks: one file each, torch only."""
