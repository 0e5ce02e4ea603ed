"""The commands that call a platform, a module for each noun."""
