"""What `/metrics` says."""

import re
import urllib.request

from support.server import Server

LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')

Series = tuple[str, frozenset[tuple[str, str]]]


def page(server: Server) -> str:
    with urllib.request.urlopen(f"http://{server.http}/metrics", timeout=30) as answer:
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return str(answer.read().decode())


class Metrics:
    """The series of one moment."""

    def __init__(self, server: Server) -> None:
        self.series: dict[Series, float] = {}
        for line in page(server).splitlines():
            if not line.startswith("#"):
                found = LINE.fullmatch(line)
                assert found, line
                labels = frozenset(LABEL.findall(found[2] or ""))
                assert (found[1], labels) not in self.series, f"twice: {line}"
                self.series[found[1], labels] = float(found[3])

    def of(self, name: str, **labels: str) -> float:
        """The sum of all series with these labels, whatever else they have."""
        wanted = set(labels.items())
        return sum(value for (other, has), value in self.series.items() if other == name and wanted <= has)

    def has(self, name: str, **labels: str) -> bool:
        wanted = set(labels.items())
        return any(other == name and wanted <= has for other, has in self.series)
