"""The app: which path does what. Work is done in the pool; the loop only reads requests and writes answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, FastAPI, Query, Response
from fastapi.exceptions import HTTPException

from popcast.serving.http.api_page import STYLE, api_page
from popcast.serving.http.draft_table import told_columns
from popcast.serving.http.error_lines import handle_errors
from popcast.serving.http.gate import Gate
from popcast.serving.http.limited_requests import limited_route
from popcast.serving.http.request_bodies import AudienceBody, ExplainBody, ForecastBody, ObserveBody, WhatIfBody
from popcast.serving.http.request_metrics import RequestMetrics
from popcast.serving.http.served_bundle import ServedBundle
from popcast.serving.http.work_pool import WorkPool


def make_app(served: ServedBundle, pool: WorkPool, token: str | None = None, hosts: set[str] | None = None) -> Gate:
    """The app of one bundle behind its gate. pool: where work is done. token, hosts: see ``Gate``."""
    limits = served.limits

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        pool.close()

    app = FastAPI(
        title="popcast", summary="What will this post get?", version=served.facts["popcast"], lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False,
    )  # fmt: skip
    handle_errors(app, served.folder, told_columns(served.forecast.contents))
    metrics = RequestMetrics()
    api = _forecasting(served, pool, metrics)
    for part in (api, _looking(served, metrics), _pages(app, served, token is None)):
        app.include_router(part)
        metrics.paths |= {route.path for route in part.routes}
    return Gate(app, limits, metrics, token, hosts)


def _forecasting(served: ServedBundle, pool: WorkPool, metrics: RequestMetrics) -> APIRouter:
    """What asks the models, or takes posts in."""
    api = APIRouter(route_class=limited_route(served.limits))

    @api.post("/forecast", summary="Forecasts of drafts, with what may become of each")
    async def forecast(body: ForecastBody) -> Response:
        found = await pool.run(served.forecasts, body)
        metrics.drafts.inc(len(body.drafts))
        return as_json(found)

    @api.post("/explain", summary="Why each forecast is what it is")
    async def explain(body: ExplainBody) -> Response:
        return as_json(await pool.run(served.explanations, body))

    @api.post("/what-if", summary="What would change the forecast of a draft")
    async def what_if(body: WhatIfBody) -> Response:
        return as_json(await pool.run(served.what_if, body))

    @api.post("/audience", summary="What a simulated audience does with a draft")
    async def audience(body: AudienceBody) -> Response:
        return as_json(await pool.run(served.audience, body.draft))

    @api.post("/observe", summary="Posts that came out, and what became of them")
    async def observe(body: ObserveBody) -> Response:
        return as_json(await pool.run(served.observe, body))

    @api.get("/track", summary="Kept forecasts against what became of the posts")
    async def track() -> Response:
        return as_json(await pool.run(served.tracked))

    return api


def _looking(served: ServedBundle, metrics: RequestMetrics) -> APIRouter:
    """What is answered at once."""
    api = APIRouter()

    @api.get("/facts", summary="What drafts may tell, and how good the forecasts were")
    async def facts() -> Response:
        return as_json(served.facts)

    @api.get("/authors", summary="Known authors by a part of their name")
    async def authors(
        like: Annotated[str, Query(max_length=200)] = "", most: Annotated[int, Query(ge=1, le=50)] = 8
    ) -> Response:
        return as_json(served.authors(like, most))

    @api.get("/health", summary="Whether it is there")
    async def health() -> Response:
        return as_json({"status": "ok", "dataset": served.dataset, "posts_observed": served.observed})

    @api.get("/metrics", summary="Counts and times for Prometheus", response_class=Response)
    async def numbers() -> Response:
        metrics.observed.set(served.observed)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return api


def as_json(content: dict[str, Any]) -> Response:
    """A number beyond all floats, such as a count of 2 ** 2000, is null."""
    return Response(orjson.dumps(content), media_type="application/json")


def _pages(app: FastAPI, served: ServedBundle, facts_for_all: bool) -> APIRouter:
    """The page, its files, and the description of all this. Nothing comes from other hosts."""
    pages = APIRouter(include_in_schema=False)

    @pages.get("/docs")
    async def docs() -> Response:
        return Response(api_page(app.openapi()), media_type="text/html; charset=utf-8")

    @pages.get("/openapi.json")
    async def openapi() -> Response:
        return as_json(app.openapi())

    @pages.get("/")
    async def page() -> Response:
        try:
            from popcast.serving.page.forecast_page import page_html
        except ImportError:
            return Response(api_page(app.openapi()), media_type="text/html; charset=utf-8")
        return Response(page_html(served.facts if facts_for_all else None, None), media_type="text/html; charset=utf-8")

    @pages.get("/static/{name}")
    async def static(name: str) -> Response:
        files = _static_files()
        if name not in files:
            raise HTTPException(404, "no such file")
        content, kind = files[name]
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    return pages


def _static_files() -> dict[str, tuple[bytes, str]]:
    """Name -> content and type of all files that are served."""
    try:
        from popcast.serving.page.forecast_page import static_files
    except ImportError:
        return {STYLE[0]: STYLE[1:]}
    return {**static_files(), STYLE[0]: STYLE[1:]}
