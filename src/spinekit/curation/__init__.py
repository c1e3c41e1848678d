"""Data in: checked, prepared, merged and exported, from files to files and free of torch."""
