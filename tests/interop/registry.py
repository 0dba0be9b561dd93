#!/usr/bin/env python3
"""A small schema registry in memory, for checks from scripts (Rust tests have one of their own).

    python3 tests/interop/registry.py --port 8081 [--user NAME --password WORD]

Answers what the clients of Confluent's registry ask for Avro. Checks no compatibility.
"""

import argparse
import base64
import http.server
import json
import threading
import urllib.parse

LOCK = threading.Lock()
SCHEMAS = []  # id - 1 -> what was registered
SUBJECTS = {}  # subject -> ids of its versions


def canonical(body):
    """What is kept of a request; the type only where it is not Avro."""
    kept = {"schema": body["schema"]}
    if body.get("schemaType", "AVRO") != "AVRO":
        kept["schemaType"] = body["schemaType"]
    if body.get("references"):
        kept["references"] = body["references"]
    return kept


def register(subject, body):
    schema = canonical(body)
    if schema not in SCHEMAS:
        SCHEMAS.append(schema)
    schema_id = SCHEMAS.index(schema) + 1
    versions = SUBJECTS.setdefault(subject, [])
    if schema_id not in versions:
        versions.append(schema_id)
    return schema_id


def version(subject, number):
    schema_id = SUBJECTS[subject][number - 1]
    return {"subject": subject, "version": number, "id": schema_id, **SCHEMAS[schema_id - 1]}


class Registry(http.server.BaseHTTPRequestHandler):
    authorization = None
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, code, message):
        self.answer(code if code < 1000 else code // 100, {"error_code": code, "message": message})

    def handle_request(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        if self.authorization and self.headers.get("Authorization") != self.authorization:
            return self.error(401, "Unauthorized")
        path = urllib.parse.urlsplit(self.path).path
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        with LOCK:
            self.route(self.command, parts, body)

    do_GET = do_POST = handle_request

    def route(self, method, parts, body):
        match method, parts:
            case "GET", ["subjects"]:
                self.answer(200, sorted(SUBJECTS))
            case "GET", ["config", *_]:
                self.answer(200, {"compatibilityLevel": "BACKWARD"})
            case "GET", ["schemas", "ids", text]:
                known = text.isdigit() and 0 < int(text) <= len(SCHEMAS)
                self.answer(200, SCHEMAS[int(text) - 1]) if known else self.error(40403, "Schema not found")
            case "POST", ["subjects", subject, "versions"] if isinstance(body.get("schema"), str):
                self.answer(200, {"id": register(subject, body)})
            case "POST", ["subjects", subject] if isinstance(body.get("schema"), str):
                found = [i for i in SUBJECTS.get(subject, []) if SCHEMAS[i - 1] == canonical(body)]
                if found:
                    self.answer(200, version(subject, SUBJECTS[subject].index(found[0]) + 1))
                else:
                    self.error(40403 if subject in SUBJECTS else 40401, "not found")
            case "POST", ["subjects", *_]:
                self.error(42201, "Invalid schema")
            case "GET", ["subjects", subject, "versions", *_] if subject not in SUBJECTS:
                self.error(40401, "Subject not found")
            case "GET", ["subjects", subject, "versions"]:
                self.answer(200, list(range(1, len(SUBJECTS[subject]) + 1)))
            case "GET", ["subjects", subject, "versions", text]:
                count = len(SUBJECTS[subject])
                number = count if text == "latest" else int(text) if text.isdigit() else 0
                self.answer(200, version(subject, number)) if 0 < number <= count else self.error(40402, "not found")
            case _:
                self.error(404, "HTTP 404 Not Found")

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    arguments = parser.parse_args()
    if arguments.user:
        pair = f"{arguments.user}:{arguments.password}".encode()
        Registry.authorization = "Basic " + base64.b64encode(pair).decode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Registry)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


main()
