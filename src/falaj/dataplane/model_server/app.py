"""The RSGI application: addresses, request ids, limits and answers."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from falaj import __version__
from falaj.core.ids import parse_number
from falaj.dataplane.model_server.feedback import Feedback
from falaj.dataplane.model_server.invocations import InvocationDecoder
from falaj.dataplane.model_server.metrics import Metrics
from falaj.dataplane.model_server.oip import InferDecoder
from falaj.dataplane.model_server.oip_response import datatype_of, encode_response, model_metadata
from falaj.dataplane.model_server.origin import origins
from falaj.dataplane.model_server.predictor import Outputs, Predictor
from falaj.dataplane.model_server.recalibration import ServedRecalibration
from falaj.dataplane.model_server.request_body import BINARY, JSON, check_content_type, read_body
from falaj.dataplane.model_server.settings import ServerSettings
from falaj.dataplane.prediction_log.routing import SHADOW
from falaj.models import errors
from falaj.models.answers import AnswerForms
from falaj.models.backends import Backend
from falaj.models.signature import ModelSignature

_Decoded = TypeVar("_Decoded")
Headers = list[tuple[str, str]]
Answer = tuple[int, Headers, bytes]

_JSON: Headers = [("content-type", "application/json")]
_MAX_ID = 128


class ModelServer:
    """Answers the requests of one replica.

    Args:
        settings: How to serve.
        signature: Inputs of the model.
        predictor: The prediction thread.
        metrics: What is counted.
        feedback: What keeps labels; None when there is no log to keep them in.
        recalibration: What moves answers; None where nothing does.
    """

    def __init__(
        self,
        settings: ServerSettings,
        signature: ModelSignature,
        predictor: Predictor,
        metrics: Metrics,
        feedback: Feedback | None = None,
        recalibration: ServedRecalibration | None = None,
    ) -> None:
        self._settings, self._signature, self._feedback = settings, signature, feedback
        self._origin = origins(settings.endpoint)
        self._predictor, self._metrics, self._recalibration = predictor, metrics, recalibration
        self._invocations, self._infers = InvocationDecoder(signature), InferDecoder(signature)
        self._release_header = ("falaj-release", settings.release)
        self._backend: Backend | None = None
        self._outputs: Mapping[str, Any] = {}
        self._answers = AnswerForms((), "")
        self.draining = False
        self.in_flight = 0
        self._gets, self._posts = self._routes()

    def ready(self, backend: Backend, example_outputs: Outputs, answer: str | None = None) -> None:
        """Start to answer predictions.

        Args:
            backend: The loaded, warm model.
            example_outputs: What it gave for its example; their types and shapes go into the metadata.
            answer: What responses hold where the caller does not say; None for what the protocol and MLflow say.

        Raises:
            ModelError: The model cannot answer so.
        """
        self._outputs = {name: (datatype_of(array), array.shape[1:]) for name, array in example_outputs.items()}
        self._answers = AnswerForms(example_outputs, backend.answer, answer, backend.classes)
        self._backend = backend

    @property
    def is_ready(self) -> bool:
        """True from the end of the warm-up until the server is told to end."""
        return self._backend is not None and not self.draining

    def _routes(self) -> tuple[dict[str, Callable[[], Answer]], dict[str, Callable[..., Awaitable[Answer]]]]:
        name, version = self._settings.name, self._settings.version
        models = [f"/v2/models/{name}", f"/v2/models/{name}/versions/{version}"]
        gets: dict[str, Callable[[], Answer]] = {
            "/v2": self._server_metadata,
            "/v2/health/live": lambda: (200, _JSON, b'{"live":true}'),
            "/v2/health/ready": self._readiness,
            "/metrics": self._scrape,
            "/ping": self._readiness,
            "/health": self._readiness,
            "/version": lambda: (200, [("content-type", "text/plain")], __version__.encode()),
        }
        posts: dict[str, Callable[..., Awaitable[Answer]]] = {"/invocations": self._invoke}
        self._content_types: dict[str, tuple[str, ...]] = {"/invocations": (JSON,)}
        for model in models:
            gets[model] = self._metadata
            gets[f"{model}/ready"] = self._readiness
            posts[f"{model}/infer"] = self._infer
            self._content_types[f"{model}/infer"] = (JSON, BINARY)
        if self._feedback is not None:
            posts["/feedback"] = self._label
        return gets, posts

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request; the body is read here and never beyond the limit."""
        started = time.perf_counter()
        request_id = _request_id(scope.headers.get("x-request-id"))
        self.in_flight += 1
        try:
            status, headers, body = await self._dispatch(scope, protocol, request_id, started)
        except errors.RequestError as error:
            if scope.method == "POST":
                self._metrics.finished(error.outcome, time.perf_counter() - started)
            status, headers, body = error.status, errors.headers(error), errors.problem(error, request_id)
        finally:
            self.in_flight -= 1
        last = [("connection", "close")] if self.draining else []
        protocol.response_bytes(status, [*headers, ("x-request-id", request_id), self._release_header, *last], body)

    async def _dispatch(self, scope: Any, protocol: Any, request_id: str, started: float) -> Answer:
        post = self._posts.get(scope.path)
        if post is None or scope.method != "POST":
            return self._get(scope)
        if self._backend is None and scope.path != "/feedback":
            raise errors.NotReadyError("the model is still loading")
        headers = scope.headers
        accepted = self._content_types.get(scope.path)
        if accepted is not None:
            check_content_type(headers.get("content-type"), accepted)
        body = await read_body(protocol, headers, self._settings.max_body_bytes)
        answer = await post(headers, body, request_id, started)
        if answer[0] == 200:
            self._metrics.finished("ok", time.perf_counter() - started)
        return answer

    def _get(self, scope: Any) -> Answer:
        handler = self._gets.get(scope.path)
        if handler == self._scrape and scope.headers.get("falaj-arm"):
            handler = None  # counts are for who reaches the socket, as the agent does, and not for callers
        if handler is None and scope.path not in self._posts:
            raise errors.RouteNotFoundError(f"{scope.path} is not served by {self._settings.release}")
        if handler is None or scope.method not in ("GET", "HEAD"):
            raise errors.MethodNotAllowedError(f"{scope.path} does not take {scope.method}")
        return handler()

    async def _invoke(self, headers: Any, body: bytes, request_id: str, started: float) -> Answer:
        request, origin = _decoded(self._invocations.decode_request, body), self._origin(headers, started)
        encode = self._answers.invocations(request.answer)
        outputs = await self._predictor.predict(request_id, request.payload, _timeout_s(headers), origin)
        return 200, _JSON, encode(outputs)

    async def _infer(self, headers: Any, body: bytes, request_id: str, started: float) -> Answer:
        request = _decoded(self._infers.decode, body, _length(headers.get("inference-header-content-length")))
        origin, names = self._origin(headers, started), self._answers.output_names(request.answer)
        outputs = await self._predictor.predict(request_id, request.payload, _timeout_s(headers), origin)
        model, version = self._settings.name, self._settings.version
        content, head = encode_response(
            request, outputs, model=model, version=version, request_id=request_id, default=names
        )
        if head is None:
            return 200, _JSON, content
        return 200, [*_BINARY, ("inference-header-content-length", str(head))], content

    async def _label(self, headers: Any, body: bytes, request_id: str, started: float) -> Answer:
        assert self._feedback is not None
        _refuse_pages(headers)
        origin = self._origin(headers, started)
        if origin.caller is None:
            raise errors.CallerNeededError("labels are taken from callers that the gateway knows")
        if origin.flags & SHADOW:
            return 202, _JSON, b'{"accepted":0}'  # the original is kept by the replica that it went to
        return 202, _JSON, b'{"accepted":%d}' % await self._feedback.keep(request_id, body, origin.caller)

    def _readiness(self) -> Answer:
        if not self.is_ready:
            raise errors.NotReadyError("the server is ending" if self.draining else "the model is still loading")
        return 200, _JSON, b'{"ready":true}'

    def _server_metadata(self) -> Answer:
        document = {"name": "falaj", "version": __version__, "extensions": ["binary_tensor_data"]}
        return 200, _JSON, msgspec.json.encode(document)

    def _metadata(self) -> Answer:
        if self._backend is None:
            raise errors.NotReadyError("the model is still loading")
        settings = self._settings
        content = model_metadata(
            self._signature,
            self._outputs,
            model=settings.name,
            version=settings.version,
            platform=self._backend.platform,
            classes=self._backend.classes,
        )
        return 200, _JSON, content

    def _scrape(self) -> Answer:
        text = self._metrics.render(
            ready=self.is_ready, queued_rows=self._predictor.queued_rows, in_flight=self.in_flight - 1
        )
        if self._recalibration is not None:
            current = self._recalibration.current
            applied = current.applied if current else None
            text += self._metrics.recalibrated(applied, believed=not self._recalibration.problem)
        return 200, [("content-type", "text/plain; version=0.0.4")], text.encode()

    async def watch_deadlines(self, interval_s: float = 0.1) -> None:
        """Give up overdue requests until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            self._predictor.expire(time.monotonic())


_BINARY: Headers = [("content-type", "application/octet-stream")]


def _decoded(decode: Callable[..., _Decoded], *body: Any) -> _Decoded:
    """What a decoder makes of a body; JSON that is nested too deeply for it is the caller's mistake."""
    try:
        return decode(*body)
    except RecursionError:
        raise errors.InvalidInputError("the body is nested too deeply") from None


def _request_id(header_value: str | None) -> str:
    """The client's id if it is short and printable, else a new one."""
    if header_value and len(header_value) <= _MAX_ID and header_value.isascii() and header_value.isprintable():
        return header_value
    return str(uuid.uuid4())


def _timeout_s(headers: Any) -> float | None:
    """What the proxy in front still waits, which Envoy says in milliseconds."""
    header_value = headers.get("x-envoy-expected-rq-timeout-ms")
    milliseconds = None if header_value is None else parse_number(header_value)
    return None if milliseconds is None else milliseconds / 1000


def _refuse_pages(headers: Any) -> None:
    """Refuse labels that a browser sends for a page that somebody happens to look at.

    Raises:
        ForeignOriginError: A page sends them.
        FeedbackTypeError: A browser would send them without asking the server first.
    """
    if headers.get("origin") is not None:
        raise errors.ForeignOriginError("labels are not taken from web pages")
    if (headers.get("content-type") or "").partition(";")[0].strip().lower() != "application/json":
        raise errors.FeedbackTypeError("the content type of labels is application/json")


def _length(header_value: str | None) -> int | None:
    if header_value is None:
        return None
    length = parse_number(header_value, digits=18)
    if length is None:
        raise errors.InvalidInputError(f"Inference-Header-Content-Length is not a number: {header_value[:40]!r}")
    return length
