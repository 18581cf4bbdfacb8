"""What `doctor update` fetches: new releases of the PyTorch wheel indexes, with doctor's only HTTP client.

It uses the user's proxies and certificates, has limits for size and time, and follows no redirect to another host or
from HTTPS to HTTP. Everything else works offline.
"""
