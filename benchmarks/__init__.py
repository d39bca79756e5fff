"""Figures of yt-text. Each is a ratio of two things measured in one run, on this machine."""
