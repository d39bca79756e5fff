"""yt-text turns a media URL or file into a transcript, and shows its work while it does."""
