"""What the three providers share: one request's way from the socket to its answer, and the account of it all."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from bot.sandbox.providers.check import Body, Refused, parse_object
from bot.sandbox.providers.faults import Provider, ProviderFault, ProviderFaults, Step
from bot.sandbox.providers.images import received_image
from bot.sandbox.providers.options import SandboxProviderOptions
from bot.sandbox.providers.records import Generation, ReceivedImage, RequestRecord
from bot.sandbox.providers.reply import Content, Plain, Reply, close, json_reply, send
from bot.sandbox.providers.studio import Studio

_RECORD = web.RequestKey("record", RequestRecord)
_BIG = 64 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _LeftWithoutAnswer(Exception):
    """The scripted fault leaves the client before there is anything to answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request. `data` is its body: the parsed object, empty where the step takes none."""

    request: web.Request
    record: RequestRecord
    fault: ProviderFault | None
    data: Mapping[str, object]

    async def film_when_ready(self, generation: Generation, content_type: str) -> Reply:
        """Raises `Refused` (500) for a generation that failed."""
        if self.fault is not None and self.fault.before_film:
            raise _LeftWithoutAnswer
        await generation.finished.wait()
        if generation.film is None:
            raise Refused(500, generation.reason)
        return self.film_reply(generation, Plain, content_type)

    def film_reply(self, generation: Generation, wrap: Callable[[bytes], Content], content_type: str) -> Reply:
        if self.fault is not None and self.fault.film is not None:
            return Reply(wrap(self.fault.film), content_type)
        return Reply(wrap(generation.film or b""), content_type, generation=generation)


Act = Callable[[Call], Awaitable[Reply]]


class Floor:
    def __init__(self, options: SandboxProviderOptions) -> None:
        self.options = options
        self.studio = Studio(options)
        self.faults = ProviderFaults()
        self.requests: list[RequestRecord] = []
        self.generations: list[Generation] = []
        self.closing = asyncio.Event()

    def accept(
        self, call: Call, request_id: str, body: Body, images: Mapping[str, ReceivedImage] | None = None
    ) -> Generation:
        """From here on it is billed."""
        provider, model = call.record.provider, call.record.model
        if provider is None or model is None:
            raise ValueError("only a routed request can be accepted")
        now = self.options.clock.now()
        generation = Generation(provider, model, request_id, body, images or {}, now)
        self.generations.append(generation)
        return generation

    async def images(self, call: Call, body: Body, names: tuple[str, ...]) -> dict[str, ReceivedImage]:
        """The images among `names` that came along. Their text in the record and in `body` gives way to `<image>`."""
        images: dict[str, ReceivedImage] = {}
        for name in names:
            if name in body:
                images[name] = await received_image(name, str(body[name]))
                body[name] = "<image>"
        call.record.images = images
        if images:
            call.record.body = {**(call.record.body or {}), **dict.fromkeys(images, "<image>")}
        return images

    @web.middleware
    async def account(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        record = RequestRecord(request.method, request.path, request.headers, self.options.clock.now())
        self.requests.append(record)
        request[_RECORD] = record
        try:
            return await handler(request)
        except web.HTTPException as error:
            # No such path, no such method, or a body that is too large.
            record.status = error.status
            headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            return web.json_response({"detail": error.reason}, status=error.status, headers=headers)

    def handler(self, provider: Provider, model: str, step: Step, act: Act, *, open_to_all: bool = False) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            record = request[_RECORD]
            record.provider, record.model, record.step = provider, model, step
            record.fault = fault = self.faults.take(provider, step, model)
            if fault is not None and fault.drop == "before_read":
                return _dropped(request)
            try:
                reply = await self._reply(request, record, act, open_to_all=open_to_all)
            except Refused as error:
                reply = json_reply({"detail": list(error.problems)}, error.status, error.headers)
            except _LeftWithoutAnswer:
                return await self._unanswered(request, record.fault)
            return await self._answered(request, record, reply)

        return handle

    async def _reply(self, request: web.Request, record: RequestRecord, act: Act, *, open_to_all: bool) -> Reply:
        fault = record.fault
        raw = await request.read()
        if fault is not None and fault.before_work:
            record.body = await _best_effort(raw)
            return _scripted(fault)
        if not open_to_all:
            self._authenticate(request, record)
        data = await _parsed(request, raw)
        record.body = data if raw else None
        reply = await act(Call(request, record, fault, data))
        if fault is None:
            return reply
        if fault.before_film:
            raise _LeftWithoutAnswer
        if fault.status is not None or fault.redirect is not None:
            return _scripted(fault)
        if fault.garbage is not None:
            return Reply(Plain(fault.garbage), reply.content_type, reply.status)
        return reply

    def _authenticate(self, request: web.Request, record: RequestRecord) -> None:
        if record.provider is None:
            raise ValueError("only a routed request can be authenticated")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token != self.options.tokens[record.provider]:
            raise Refused(401, "a valid bearer token is required", headers={"WWW-Authenticate": "Bearer"})

    async def _answered(self, request: web.Request, record: RequestRecord, reply: Reply) -> web.StreamResponse:
        fault = record.fault
        if fault is not None and fault.delay:
            await self.options.clock.sleep(fault.delay)
        if self.closing.is_set():
            return _dropped(request)
        if fault is not None and fault.raw is not None:
            if request.transport is not None:
                request.transport.write(fault.raw)
            close(request)
            return web.Response()
        record.status = reply.status
        response, whole = await send(request, reply, fault)
        if whole and reply.generation is not None:
            reply.generation.delivered = True
        return response

    async def _unanswered(self, request: web.Request, fault: ProviderFault | None) -> web.StreamResponse:
        if fault is not None and fault.hang:
            await self.closing.wait()
        return _dropped(request)


def _dropped(request: web.Request) -> web.StreamResponse:
    close(request, at_once=True)
    return web.Response()


def _scripted(fault: ProviderFault) -> Reply:
    if fault.redirect is not None:
        return Reply(Plain(b""), status=307, headers={"Location": fault.redirect})
    body = fault.body.encode() if isinstance(fault.body, str) else fault.body
    return Reply(Plain(body), status=fault.status or 500, headers=fault.headers)


async def _parsed(request: web.Request, raw: bytes) -> dict[str, object]:
    if request.query_string:
        raise Refused(400, "no query is documented")
    if request.method != "POST":
        if raw:
            raise Refused(400, f"{request.method} takes no body")
        return {}
    if request.content_type != "application/json":
        raise Refused(415, "Content-Type must be application/json")
    return await asyncio.to_thread(parse_object, raw) if len(raw) > _BIG else parse_object(raw)


async def _best_effort(raw: bytes) -> dict[str, object] | None:
    try:
        return await asyncio.to_thread(parse_object, raw)
    except Refused:
        return None
