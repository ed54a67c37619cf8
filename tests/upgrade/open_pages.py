# ruff: noqa: E402  # Django is set up before its models are imported
"""Opens every kind of page of an installation as its administrator, and prints what it got.

    python -m tests.upgrade.open_pages

Follows all links from the list of datasets, at most `PER_KIND` of a kind in a dataset, then
asks for all addresses that no page links to. Prints JSON: `{"pages": {address: status},
"kinds": {name of the address: its best status}}`. Runs in a process of its own.
"""

import json
import os
import re
import sys
from collections import Counter
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

sys.path.insert(0, str(Path.cwd()))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avaproject.settings")

import django

django.setup()

from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, resolve, reverse

PER_KIND = 3
LINK = re.compile(r'(?:href|src|hx-get|poster|action|data-[a-z-]+)="([./?][^"#]*)"')
OF_LATER_ROWS = (
    "annotation:guideline-image",
    "annotation:import",
)  # which 0.2.0 could not make
ELSEWHERE = ("/static/", "/admin/")  # the admin is opened by the names of its addresses


class Crawl:
    """What the pages of one installation answered."""

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False, headers={"host": "localhost"})
        self.client.force_login(User.objects.filter(is_superuser=True, is_active=True)[0])
        self.pages: dict[str, int] = {}
        self.kinds: dict[str, int] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.values: dict[str, dict[str, object]] = {}  # of parts of addresses, by dataset

    def open(self, address: str) -> str:
        """GET `address`; the text of the page if it is HTML."""
        found = resolve(address.partition("?")[0])
        name = str(found.kwargs.get("name", ""))
        self.values.setdefault(name, {}).update(found.kwargs)
        answer = self.client.get(address)
        content = b"".join(answer) if answer.streaming else answer.content  # type: ignore[arg-type]
        self.pages[address] = answer.status_code
        best = self.kinds.get(found.view_name, 999)
        self.kinds[found.view_name] = min(best, answer.status_code)
        is_page = "text/html" in answer.get("Content-Type", "")
        return content.decode() if is_page else ""

    def crawl_from(self, address: str) -> None:
        """Open `address` and all that its page links to, and so on."""
        waiting = [address]
        while waiting:
            address = waiting.pop(0)
            if address in self.pages:
                continue
            found = LINK.findall(self.open(address))
            links = {urljoin(address, unescape(link)): None for link in found}  # in order
            waiting += [link for link in links if self._is_wanted(link)]

    def _is_wanted(self, link: str) -> bool:
        if link in self.pages or link.startswith(ELSEWHERE):
            return False
        if not link.startswith("/datasets/"):
            return True
        found = resolve(link.partition("?")[0])
        kind = found.view_name, str(found.kwargs.get("name", ""))
        self.counts[kind] += 1
        return self.counts[kind] <= PER_KIND

    def ask_for_the_rest(self) -> None:
        """GET the addresses that no page links to, such as those of forms."""
        for name, keys in addresses():
            if name not in (*self.kinds, *OF_LATER_ROWS):
                for values in self.values.values():
                    if set(keys) <= set(values):
                        self.open(reverse(name, kwargs={key: values[key] for key in keys}))
                        break

    def open_admin(self) -> None:
        """The list of every model, and the first row of each."""
        for model in admin.site._registry:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            self.open(reverse(f"{name}_changelist"))
            row = model._default_manager.order_by("pk").first()
            if row is not None:
                self.open(reverse(f"{name}_change", args=[row.pk]))


def addresses() -> list[tuple[str, list[str]]]:
    """The names of all addresses of the project, and the parts to be filled in."""
    found = []
    resolver = get_resolver()
    for prefix in ("datasets", "tracking", "annotation", "qc", "workers"):
        _, inner = resolver.namespace_dict[prefix]
        for name in {key for key in inner.reverse_dict if isinstance(key, str)}:
            for options, _pattern, _defaults, _converters in inner.reverse_dict.getlist(name):
                found.append((f"{prefix}:{name}", list(options[0][1])))
    return sorted(found)


if __name__ == "__main__":
    crawl = Crawl()
    crawl.crawl_from(reverse("datasets:list"))
    crawl.ask_for_the_rest()
    crawl.open(reverse("api:datasets"))
    crawl.open_admin()
    print(json.dumps({"pages": crawl.pages, "kinds": crawl.kinds}))  # noqa: T201
