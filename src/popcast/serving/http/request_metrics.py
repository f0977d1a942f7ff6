"""Counts and times of requests, as Prometheus reads them. Labels are our own paths, never what a client sent."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class RequestMetrics:
    """``popcast_*`` metrics of one server, in a registry of its own. ``paths``: those that get a label of their own."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.registry = CollectorRegistry()
        one = {"registry": self.registry}
        self.requests = Counter("popcast_requests", "Requests that were answered", ["path", "status"], **one)
        self.seconds = Histogram("popcast_request_seconds", "Time to the answer", ["path"], buckets=SECONDS, **one)
        self.running = Gauge("popcast_requests_running", "Requests under way", **one)
        self.drafts = Counter("popcast_drafts", "Drafts that were forecast", **one)
        self.observed = Gauge("popcast_posts_observed", "Posts observed since the bundle was fitted", **one)

    def path(self, path: str) -> str:
        if path.startswith("/static/"):
            return "/static"
        return path if path in self.paths else "other"

    def answered(self, path: str, status: int, seconds: float) -> None:
        name = self.path(path)
        self.requests.labels(name, str(status)).inc()
        self.seconds.labels(name).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
