"""Where requests may go on behalf of users: to configured hosts, never to the house itself."""

import socket
from typing import Any

import pytest

from generations import llm
from generations.llm.egress import Egress
from tests.completing import endpoint
from tests.scripted import Scripted

__all__ = ["endpoint"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200",
        "169.254.169.254", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
        "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1",
        "2002:7f00:1::", "ff02::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_never_called(address: str) -> None:
    with pytest.raises(llm.ForbiddenHost):
        Egress().check_address("host.example", address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700:4700::1111", "::ffff:93.184.216.34"])
def test_a_public_address_may_be_called(address: str) -> None:
    Egress().check_address("host.example", address)


def test_a_private_network_or_host_may_be_allowed_and_link_local_addresses_never() -> None:
    allowed = Egress(private=("10.1.0.0/16", "vllm.internal", "169.254.0.0/16", "127.0.0.1"))

    allowed.check_address("any.example", "10.1.2.3")
    allowed.check_address("vllm.internal", "192.168.7.7")
    allowed.check_address("localhost", "127.0.0.1")
    for host, address in [("any.example", "10.2.0.1"), ("vllm.internal.evil.example", "192.168.7.7"),
                          ("vllm.internal", "169.254.169.254"), ("any.example", "169.254.169.254")]:  # fmt: skip
        with pytest.raises(llm.ForbiddenHost):
            allowed.check_address(host, address)


def test_only_configured_hosts_may_be_called() -> None:
    egress = Egress(hosts=("api.openai.com", "*.openai.azure.com"))

    for name in ("api.openai.com", "API.openai.com.", "mine.openai.azure.com"):
        egress.check_host(name)
    for name in ("openai.com", "api.openai.com.evil.example", "openai.azure.com", "evilapi.openai.com"):
        with pytest.raises(llm.ForbiddenHost, match="not among the hosts"):
            egress.check_host(name)


@pytest.mark.parametrize(
    "url",
    [
        "{url}", "http://localhost:{port}", "http://[::1]:{port}", "http://127.1:{port}", "http://2130706433:{port}",
        "http://0x7f000001:{port}", "http://0177.0.0.1:{port}", "http://0:{port}", "http://[::ffff:127.0.0.1]:{port}",
        "http://api.openai.com@127.0.0.1:{port}", "http://LOCALHOST:{port}",
    ],
)  # fmt: skip
def test_no_spelling_of_this_machine_gets_through(endpoint: Scripted, url: str) -> None:
    port = endpoint.url.rsplit(":", 1)[1]
    m = llm.model("m", endpoint=url.format(url=endpoint.url, port=port), egress=Egress(), sink=None, attempts=1)

    with pytest.raises((llm.ForbiddenHost, llm.Unreachable, llm.InvalidCall)):
        m.generate_sync("x")

    assert endpoint.requests == []


def test_a_name_is_looked_up_once_so_that_it_cannot_point_elsewhere_after_the_check(
    endpoint: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(endpoint.url.rsplit(":", 1)[1])
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "rebound.example":
            return real(host, *args, **kwargs)
        looked_up.append(host)
        address = "127.0.0.1" if len(looked_up) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    egress = Egress(private=("127.0.0.1",))

    text = llm.model("m", endpoint=f"http://rebound.example:{port}", egress=egress, sink=None).generate_sync("the", 1)

    assert text == "the cat"
    assert looked_up == ["rebound.example"]
    assert endpoint.requests[0][2]["Host"] == f"rebound.example:{port}"


def test_one_forbidden_address_among_many_forbids_the_name(endpoint: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80)) for a in ("93.184.216.34", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

    with pytest.raises(llm.ForbiddenHost, match="never called"):
        llm.model("m", endpoint="http://two.example", egress=Egress(), sink=None).generate_sync("x")


def test_a_redirect_to_the_house_is_not_followed(endpoint: Scripted) -> None:
    other = Scripted()
    endpoint.script.append((307, {"Location": f"{other.url}/v1/completions"}, b""))
    m = llm.model("m", endpoint=endpoint.url, egress=Egress(private=("127.0.0.1",)), sink=None)

    with pytest.raises(llm.Refused, match="redirects are not followed"):
        m.generate_sync("x")

    assert other.requests == []
    other.close()


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]
)
def test_a_name_that_is_allowed_leads_to_no_secrets_of_a_cloud_however_their_address_is_written(address: str) -> None:
    with pytest.raises(llm.ForbiddenHost, match="never called"):
        Egress(private=("vllm.internal", "10.0.0.0/8")).check_address("vllm.internal", address)


def test_a_private_network_that_is_allowed_is_so_in_either_notation() -> None:
    for address in ("10.1.2.3", "::ffff:10.1.2.3"):
        Egress(private=("10.0.0.0/8",)).check_address("vllm.internal", address)
