"""What Prometheus should know about a host of the collection, written once a minute for node-exporter to pass on.

It runs with nothing but Debian's Python. Each part stands alone: one that fails is named in a metric, and the others
are written all the same. Nothing here opens a file in a person's home.
"""
