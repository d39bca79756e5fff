"""Brings recordings: from a URL through a guarded child process, or from an upload, into a spool.

`fetch.Fetcher` is the way in for URLs, `uploads.UploadWriter` for uploads. What a child process does is in
`fetch_child`; every connection it makes passes `proxy`, which reaches only what `addresses` allows.
"""
