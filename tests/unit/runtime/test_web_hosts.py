"""Names that lead here because we say so are served; names that a stranger may point here are not."""

from __future__ import annotations

import pytest

from streamlabel.errors import ConfigurationError
from streamlabel.learning.settings import LearningSettings
from streamlabel.review.settings import ReviewSettings
from streamlabel.runtime.settings import ServiceSettings, load_settings
from streamlabel.runtime.web.hosts import AllowedHosts

NONE_LISTED = AllowedHosts()
LISTED = AllowedHosts.of(["label.example.org", "Team.Example.COM."])
EVERY = AllowedHosts.of(["*"])


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:8082",
        "localhost.",
        "page.localhost:8082",
        "127.0.0.1",
        "127.0.0.1:8082",
        "10.1.2.3:80",
        "[::1]",
        "[::1]:8082",
        "[2001:DB8::7]:8082",
        "review",
        "review:8080",
        "my_machine",
    ],
)
def test_addresses_and_names_without_a_dot_need_no_entry(host: str) -> None:
    assert NONE_LISTED.admits(host)
    assert EVERY.admits(host)


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "127.0.0.1.rebound.example",
        "localhost.rebound.example",
        "notlocalhost.example:8082",
        "1.2.3",
        "label.example.org",
        "::1",
        "[dead:beef]",
        "[rebound.example]",
        "127.0.0.1:8082:1",
        "127.0.0.1:port",
        "127.0.0.1@rebound.example",
        "review/rebound.example",
        "",
        ":8080",
        "-",
        "a" * 64,
        "b\u00fcro",
    ],
)
def test_what_a_stranger_could_point_here_is_not_served(host: str) -> None:
    assert not NONE_LISTED.admits(host)


@pytest.mark.parametrize(
    "host", ["label.example.org", "LABEL.example.org:8443", "label.example.org.", "team.example.com"]
)
def test_listed_names_are_served_whatever_their_case_and_port(host: str) -> None:
    assert LISTED.admits(host)


@pytest.mark.parametrize("host", ["a.label.example.org", "example.org", "label.example.org.rebound.example"])
def test_names_around_a_listed_one_are_not(host: str) -> None:
    assert not LISTED.admits(host)
    assert EVERY.admits(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8082", "127.0.0.1:8082"),
        ("http://localhost", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://review.example", "review.example"),
        ("https://review.example", "REVIEW.example:443"),
        ("http://[::1]:8082", "[::1]:8082"),
    ],
)
def test_the_page_itself_may_call(origin: str, host: str) -> None:
    assert NONE_LISTED.admits_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:3000", "127.0.0.1:8082"),
        ("http://127.0.0.1", "127.0.0.1:8082"),
        ("https://review.example", "review.example:80"),
        ("http://rebound.example:8082", "127.0.0.1:8082"),
        ("https://label.example.org", "127.0.0.1:8082"),
        ("null", "127.0.0.1:8082"),
        ("file://127.0.0.1:8082", "127.0.0.1:8082"),
        ("http://", ""),
        ("http://[::", "[::"),
        ("", ""),
    ],
)
def test_no_other_page_may(origin: str, host: str) -> None:
    assert not NONE_LISTED.admits_origin(origin, host)
    assert not EVERY.admits_origin(origin, host)


def test_behind_a_proxy_with_a_host_of_its_own_the_listed_name_may_call() -> None:
    assert LISTED.admits_origin("https://label.example.org:8443", "10.0.0.7:8080")
    assert LISTED.admits_origin("https://TEAM.example.com", "review")


OURS = [(ReviewSettings, "review"), (LearningSettings, "learning")]
every_page = pytest.mark.parametrize(("settings_class", "service"), OURS, ids=["review", "learning"])


def listed(settings_class: type[ServiceSettings], service: str, hosts: str) -> tuple[str, ...]:
    """What the service makes of the list."""
    prefix = f"STREAMLABEL_{service.upper()}_"
    keys = {f"{prefix}POSTGRES_DSN": "postgresql://", f"{prefix}ALLOWED_HOSTS": hosts}
    names: tuple[str, ...] = getattr(load_settings(settings_class, keys), f"{service}_allowed_hosts")
    return names


@every_page
def test_the_setting_is_a_list_with_commas(settings_class: type[ServiceSettings], service: str) -> None:
    assert listed(settings_class, service, "") == ()
    names = listed(settings_class, service, "label.example.org, team.example.com")
    assert names == ("label.example.org", "team.example.com")


@every_page
@pytest.mark.parametrize("entry", ["https://label.example.org", "label.example.org:8443", "*.example.org", "a b", "."])
def test_an_entry_that_is_no_host_name_stops_the_service(
    settings_class: type[ServiceSettings], service: str, entry: str
) -> None:
    with pytest.raises(ConfigurationError) as stopped:
        listed(settings_class, service, f"fine.example.org,{entry}")
    assert f"STREAMLABEL_{service.upper()}_ALLOWED_HOSTS" in str(stopped.value)
    assert f"{entry!r} is no host name" in str(stopped.value)
