"""Downloading a source: over TLS from a server on loopback that stands where public addresses lead."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import create_job
import fetch_source
from adapters.public_network import PublicNetwork
from adapters.source_fetcher import SourceFetcher
from domain.errors import (
    BlockedAddressError,
    InvalidSourceUrlError,
    InvalidTransitionError,
    SourceFetchError,
    SourceNotFoundError,
    SourceTooLargeError,
)
from domain.job import Stage
from domain.limits import MAX_SOURCE_BYTES
from domain.storage_keys import JobKeys

HOST = "media.example.com"
PUBLIC = "93.184.216.34"
VIDEO = bytes(range(256)) * 4096  # 1 MiB


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


class Site(BaseHTTPRequestHandler):
    """Answers what each path is named for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path.startswith("/redirect/"):
            target = self.path.removeprefix("/redirect/")
            count, _, rest = target.partition("/")
            location = f"/redirect/{int(count) - 1}/{rest}" if count.isdigit() and int(count) > 1 else f"/{rest}"
            return self.answer(302, Location=location if count.isdigit() else target)
        if path == "/no-length.mp4":
            return self.answer(200, VIDEO, **{"Content-Length": None, "Connection": "close"})
        answers = {
            "/clip.mp4": (200, VIDEO, {}),
            "/missing.mp4": (404, b"", {}),
            "/forbidden.mp4": (403, b"", {}),
            "/broken.mp4": (500, b"", {}),
            "/empty.mp4": (200, b"", {}),
            "/short.mp4": (200, VIDEO, {"Content-Length": str(len(VIDEO) + 1), "Connection": "close"}),
            "/large.mp4": (200, b"", {"Content-Length": str(MAX_SOURCE_BYTES + 1)}),
            "/zipped.mp4": (200, VIDEO, {"Content-Encoding": "gzip"}),
        }
        status, body, headers = answers[path]
        return self.answer(status, body, **headers)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def answer(self, status, body=b"", **headers):
        self.server.seen.append((self.command, self.path, self.headers["Host"]))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        self.close_connection = self.close_connection or headers.get("Connection") == "close"

    def log_message(self, *_arguments):
        pass


class QuietServer(ThreadingHTTPServer):
    """A server whose clients may refuse its certificate without a traceback on the terminal."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    chain, private = certificate(tmp_path_factory.mktemp("tls"))
    server = QuietServer(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.seen = []
    server.chain = chain
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def names():
    """Which addresses the name server answers; a test may change them."""
    return {HOST: [PUBLIC], "inside.example.com": ["10.0.0.5"], "two-faced.example.com": [PUBLIC, "127.0.0.1"]}


@pytest.fixture
def dialled():
    return []


@pytest.fixture
def fetcher(site, names, dialled):
    def resolve(host, _port):
        if host not in names:
            raise socket.gaierror(-2, "Name or service not known")
        return names[host]

    def connect(address, port, timeout_seconds):
        dialled.append((address, port))
        if not ipaddress.ip_address(address).is_global:
            raise AssertionError(f"dialled {address}")
        return socket.create_connection(site.server_address, timeout=timeout_seconds)

    return SourceFetcher(PublicNetwork(resolve, connect, ssl.create_default_context(cafile=str(site.chain))))


def url(path, host=HOST):
    return f"https://{host}/{path}"


def download(fetcher, path):
    received = []
    size = fetcher.download(url(path), lambda body: received.append(body.read()), 30)
    return received[0], size


def test_a_file_comes_whole_from_the_address_that_was_checked(fetcher, site, dialled):
    assert download(fetcher, "clip.mp4?token=a%20b") == (VIDEO, len(VIDEO))
    assert dialled == [(PUBLIC, 443)]
    assert site.seen[-1] == ("GET", "/clip.mp4?token=a%20b", HOST)


def test_a_file_without_a_declared_length_comes_whole(fetcher):
    assert download(fetcher, "no-length.mp4") == (VIDEO, len(VIDEO))


def test_up_to_five_redirects_are_followed(fetcher):
    assert download(fetcher, "redirect/5/clip.mp4")[1] == len(VIDEO)
    with pytest.raises(SourceFetchError, match="redirects more than 5 times"):
        download(fetcher, "redirect/6/clip.mp4")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("missing.mp4", SourceNotFoundError),
        ("forbidden.mp4", SourceFetchError),
        ("broken.mp4", SourceFetchError),
        ("empty.mp4", SourceFetchError),
        ("short.mp4", SourceFetchError),
        ("zipped.mp4", SourceFetchError),
        ("large.mp4", SourceTooLargeError),
        ("redirect/https://inside.example.com/clip.mp4", BlockedAddressError),
        ("redirect/https://169.254.169.254/latest/meta-data/", BlockedAddressError),
        ("redirect/http://media.example.com/clip.mp4", InvalidSourceUrlError),
        ("redirect/file:///etc/passwd", InvalidSourceUrlError),
    ],
)
def test_what_is_not_the_file_is_a_typed_error(fetcher, path, error):
    with pytest.raises(error):
        download(fetcher, path)


@pytest.mark.parametrize("host", ["inside.example.com", "two-faced.example.com"])
def test_a_host_with_one_address_inside_is_never_dialled(fetcher, dialled, host):
    with pytest.raises(BlockedAddressError):
        fetcher.look(url("clip.mp4", host), 5)
    assert dialled == []


def test_a_host_that_has_no_address_is_a_typed_error(fetcher):
    with pytest.raises(SourceFetchError, match="does not answer"):
        fetcher.look(url("clip.mp4", "nowhere.example.com"), 5)


def test_the_certificate_must_be_the_hosts(fetcher, names):
    names["other.example.com"] = [PUBLIC]
    with pytest.raises(SourceFetchError, match="certificate"):
        fetcher.look(url("clip.mp4", "other.example.com"), 5)


@pytest.mark.parametrize(("path", "error"), [("missing.mp4", SourceNotFoundError), ("large.mp4", SourceTooLargeError)])
def test_a_look_refuses_before_the_download(fetcher, site, path, error):
    with pytest.raises(error):
        fetcher.look(url(path), 5)
    assert site.seen[-1][0] == "HEAD"


def test_a_look_leaves_to_the_download_what_head_does_not_tell(fetcher):
    fetcher.look(url("forbidden.mp4"), 5)


def test_a_body_over_1_gb_without_a_length_is_cut_off(fetcher, monkeypatch):
    # Not a change of our code: the limit itself, so that the test need not send a gigabyte.
    monkeypatch.setattr("domain.limits.MAX_SOURCE_BYTES", 1000)
    with pytest.raises(SourceTooLargeError):
        download(fetcher, "no-length.mp4")


def submit(deployment, call, recorded, fetcher, path):
    deployment.serve(fetcher)
    return call(create_job, recorded("create_job"), {"source": {"url": url(path)}, "upscale": {}})


def test_a_job_from_a_url_is_fetched_into_the_bucket(deployment, call, recorded, fetcher):
    job_id = submit(deployment, call, recorded, fetcher, "clip.mp4").body["job_id"]
    (execution,) = deployment.executions()
    described = deployment.states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"])["fetch"] is True

    answer = fetch_source.handler({"job_id": job_id}, deployment.context)

    assert answer == {"size_bytes": len(VIDEO)}
    job = deployment.serve().jobs.get(job_id)
    assert job.source_object is not None
    assert job.source_object.key == JobKeys(job_id).fetched_source
    assert job.stage is Stage.FETCH
    stored = deployment.s3.get_object(Bucket=deployment.bucket, Key=job.source_object.key)
    assert stored["Body"].read() == VIDEO


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("missing.mp4", 422, "SourceNotFound"),
        ("large.mp4", 422, "SourceTooLarge"),
        ("中文.mp4", 400, "InvalidSourceUrl"),
        ("redirect/https://10.1.2.3/clip.mp4", 400, "BlockedAddress"),
    ],
)
def test_a_bad_url_is_refused_at_submission(deployment, call, recorded, fetcher, path, status, code):  # noqa: PLR0917
    answer = submit(deployment, call, recorded, fetcher, path)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert deployment.executions() == []


def test_a_download_that_fails_leaves_no_object(deployment, call, recorded, fetcher):
    job_id = submit(deployment, call, recorded, fetcher, "short.mp4").body["job_id"]
    with pytest.raises(SourceFetchError):
        fetch_source.handler({"job_id": job_id}, deployment.context)
    assert "Contents" not in deployment.s3.list_objects_v2(Bucket=deployment.bucket)


def test_a_cancelled_job_is_not_fetched(deployment, call, recorded, fetcher, dialled):
    job_id = submit(deployment, call, recorded, fetcher, "clip.mp4").body["job_id"]
    deployment.serve(fetcher).jobs.cancel(job_id, deployment.clock())
    dialled.clear()
    with pytest.raises(InvalidTransitionError):
        fetch_source.handler({"job_id": job_id}, deployment.context)
    assert dialled == []
