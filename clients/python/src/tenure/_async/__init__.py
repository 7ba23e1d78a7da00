"""The client over grpc.aio. `_sync` is made from this by `tools/make_sync.py`; `_runtime` is what differs."""
