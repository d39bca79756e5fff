"""The environment is read as documented, and a wrong value is named."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from yt_text.settings import SettingError, Settings


def test_defaults_hold_without_a_variable() -> None:
    settings = Settings.read({})
    assert (settings.grpc_address, settings.max_running_jobs) == ("127.0.0.1:50051", 3)
    assert settings.allowed_private_addresses == ()
    assert settings.store_url.endswith("yt-text.db")
    assert settings.processes * settings.threads >= 1


def test_each_kind_of_value_is_read() -> None:
    settings = Settings.read(
        {
            "YT_TEXT_MAX_RUNNING_JOBS": "5",
            "YT_TEXT_FETCH_STALL_S": "2.5",
            "YT_TEXT_KEEP_MEDIA": "Yes",
            "YT_TEXT_DATA_DIR": "/srv/yt",
            "YT_TEXT_ALLOWED_PRIVATE_ADDRESSES": "127.0.0.1/32, 10.1.2.3/8,::1/128",
            "YT_TEXT_LOG_FORMAT": "json",
            "YT_TEXT_MODEL": "",
        }
    )
    assert (settings.max_running_jobs, settings.fetch_stall_s, settings.keep_media) == (5, 2.5, True)
    assert settings.data_dir == Path("/srv/yt")
    networks = (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.allowed_private_addresses == networks
    assert (settings.log_format, settings.model) == ("json", "")


def test_what_is_given_holds_over_the_environment() -> None:
    environment = {"YT_TEXT_GRPC_ADDRESS": "127.0.0.1:1"}
    assert Settings.read(environment, grpc_address="unix:/s").grpc_address == "unix:/s"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MAX_RUNNING_JOBS", "many", "a whole number"),
        ("MAX_RUNNING_JOBS", "0", "at least 1"),
        ("FETCH_STALL_S", "0", "more than 0"),
        ("FETCH_STALL_S", "-1", "more than 0"),
        ("KEEP_MEDIA", "perhaps", "true or false"),
        ("ALLOWED_PRIVATE_ADDRESSES", "localhost", "networks"),
        ("LOG_LEVEL", "loud", "one of"),
        ("SUBMITS_PER_MINUTE", "5000000000", "at most 100000"),
        ("CALL_TIMEOUT_S", "inf", "at most 86400"),
        ("CALL_TIMEOUT_S", "nan", "at most 86400"),
        ("MAX_MEDIA_BYTES", "1" * 22, "at most"),
        ("CORS_ORIGINS", "https://a.example/path", "origins"),
        ("HTTP_HOSTS", "a.example:8080", "host names"),
        ("HTTP_ADDRESS", "127.0.0.1", "host:port"),
        ("HTTP_ADDRESS", "[::1:80", "host:port"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingError, match=f"YT_TEXT_{name} must be .*{said}"):
        Settings.read({f"YT_TEXT_{name}": value})
