"""Judged labels to the tools of others, and people's decisions back."""
