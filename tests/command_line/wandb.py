"""Lets the wandb package upload a folder of offline runs to a server here, and tells as JSON
what that server was sent of the one run in it."""

import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

seen = {"history": []}
BUCKET = {
    "id": "b", "name": "run", "displayName": "run", "description": None, "config": None, "sweepName": None,
    "project": {"id": "p", "name": "gosling", "entity": {"id": "e", "name": "me"}}, "historyLineCount": None,
}


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        asked, answer = json.loads(body), {}
        if self.path == "/graphql":
            answer = {"data": {}}
            if "upsertBucket" in asked["query"]:
                told = asked["variables"]
                seen["project"] = told["project"]
                seen["name"] = told["displayName"] or seen.get("name")
                if told["config"]:
                    seen["config"] = json.loads(told["config"])
                answer["data"]["upsertBucket"] = {"bucket": BUCKET, "inserted": True}
        elif self.path.endswith("/file_stream"):
            files = asked.get("files") or {}
            lines = files.get("wandb-history.jsonl", {"content": []})["content"]
            seen["history"] += [json.loads(line) for line in lines]
            for line in files.get("wandb-summary.json", {"content": []})["content"]:
                seen["summary"] = json.loads(line)
            if asked.get("complete"):
                seen["exit"] = asked["exitcode"]
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
with tempfile.TemporaryDirectory() as home:
    environment = dict(
        os.environ, HOME=home, WANDB_DIR=home, WANDB_BASE_URL=f"http://127.0.0.1:{server.server_port}",
        WANDB_API_KEY="0" * 40, WANDB_ERROR_REPORTING="false", NO_PROXY="127.0.0.1",
    )
    wandb = pathlib.Path(sys.executable).with_name("wandb")
    done = subprocess.run([wandb, "sync", sys.argv[1]], env=environment, capture_output=True, text=True, timeout=120)
if done.returncode != 0:
    sys.exit(done.stdout + done.stderr)
print(json.dumps(seen))
