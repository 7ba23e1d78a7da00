"""The client over blocking gRPC. All but `_runtime` is made from `_async` by `tools/make_sync.py`."""
