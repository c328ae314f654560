"""The files of a directory over TLS, as an issuer of identities has them: python3 https_files.py DIRECTORY PORT

DIRECTORY/server.pem holds its certificate and key.
"""

import functools
import ssl
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

DIRECTORY, PORT = sys.argv[1], int(sys.argv[2])
server = ThreadingHTTPServer(("", PORT), functools.partial(SimpleHTTPRequestHandler, directory=f"{DIRECTORY}/files"))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{DIRECTORY}/server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
