"""The spine drawn by code: sampled as plain numbers, then rendered with numpy or torch.

Knows no file and never imports torch by itself; the caller hands the array namespace over.
"""
