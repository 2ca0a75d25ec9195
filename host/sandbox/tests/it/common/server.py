"""A small application on a Unix socket: notes that can be made, read, changed and deleted."""
import json, os, re, signal, socketserver, sys
from http.server import BaseHTTPRequestHandler

notes, last = {}, 0
PAGES = {
    "/": "<!doctype html><title>Notes</title><div id=root><p>Notes</p></div><script>console.log('fine')</script>",
    "/error": "<!doctype html><div id=root><p>x</p></div><script>console.error('bad', new Error('deep'))</script>",
    "/throw": "<!doctype html><div id=root><p>x</p></div><script>setTimeout(() => { throw new Error('boom') }, 100)</script>",
    "/late": "<!doctype html><div id=root></div><script>fetch('/api/slow').then(r => r.json()).then(() => { document.getElementById('root').innerHTML = '<p>x</p>' })</script>",
    "/empty": "<!doctype html><div id=root></div>",
    "/missing": "<!doctype html><div id=root><p>x</p></div><script src=/none.js></script>",
    "/outside": "<!doctype html><div id=root><p>x</p></div><script>fetch('http://127.0.0.1:' + 'PORT').catch(() => {})</script>",
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "socket"

    def answer(self, status, value=None, kind="application/json"):
        body = b"" if value is None else value.encode() if kind != "application/json" else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        global last
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        one = re.fullmatch(r"/api/notes/(\d+)", self.path)
        if self.path == "/api/health":
            self.answer(200, {"status": "ok", "pid": os.getpid()})
        elif self.path == "/api/die":
            os._exit(7)
        elif self.path == "/api/break":
            print("Traceback: it broke", file=sys.stderr, flush=True)
            self.answer(500, {"detail": "broken"})
        elif self.path == "/api/slow":
            import time; time.sleep(1); self.answer(200, {})
        elif self.path == "/api/echo":
            self.answer(200, {"headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode()})
        elif self.path == "/api/notes" and self.command == "POST":
            last += 1
            notes[last] = {"id": last, **json.loads(body)}
            self.answer(201, notes[last])
        elif one and int(one[1]) in notes:
            number = int(one[1])
            if self.command == "DELETE":
                del notes[number]
                return self.answer(204)
            if self.command == "PUT":
                notes[number] = {"id": number, **json.loads(body)}
            self.answer(200, notes[number])
        elif self.path.startswith("/ws"):
            self.send_response(101)
            self.send_header("upgrade", "websocket"); self.send_header("connection", "upgrade")
            self.end_headers()
            self.wfile.write(b"hello:" + self.rfile.read(4)); self.wfile.flush()
            self.close_connection = True
        elif self.path in PAGES:
            self.answer(200, PAGES[self.path], "text/html")
        else:
            self.answer(404, {"detail": "not found"})

    do_GET = do_POST = do_PUT = do_DELETE = handle_any


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if len(sys.argv) > 2:
    sys.exit("cannot start: " + sys.argv[2])
signal.signal(signal.SIGTERM, lambda *_: (open("stopped-politely", "w").close(), os._exit(0)))
Server(sys.argv[1], Handler).serve_forever()
