from ipaddress import ip_network

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from avaproject.middleware import RealAddress

PROXY, OTHER = "172.30.0.2", "203.0.113.7"


def address(settings, peer: str, forwarded: str | None, proxies=(f"{PROXY}/32",)) -> str:
    settings.PROXIES = [ip_network(one) for one in proxies]
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)
    RealAddress(lambda _: HttpResponse())(request)
    return str(request.META["REMOTE_ADDR"])


def test_a_proxy_says_whom_it_speaks_for(settings):
    assert address(settings, PROXY, OTHER) == OTHER


def test_anybody_else_does_not(settings):
    assert address(settings, OTHER, "127.0.0.1") == OTHER


def test_only_the_end_of_the_header_is_believed(settings):
    assert address(settings, PROXY, f"127.0.0.1, {OTHER}") == OTHER


def test_proxies_behind_proxies(settings):
    found = address(settings, PROXY, f"{OTHER}, 10.0.0.9", ("172.30.0.0/24", "10.0.0.0/8"))
    assert found == OTHER


@pytest.mark.parametrize("text", ["", "unknown", "1.2.3.4:80", " , "])
def test_what_is_no_address_is_left_out(settings, text):
    assert address(settings, PROXY, text) == PROXY


def test_without_the_header_it_is_the_peer(settings):
    assert address(settings, PROXY, None) == PROXY
    assert address(settings, "", None) == ""
