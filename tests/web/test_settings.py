"""Settings: from the environment and over it, with errors that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from web.settings import Settings, SettingsError, load


def test_nothing_said_is_a_lab_on_this_computer() -> None:
    settings = load({})
    assert settings == Settings()
    assert settings.url == "sqlite:///data/fablab.sqlite"
    assert settings.address == "http://127.0.0.1:8000"
    assert "localhost" in settings.hosts


def test_the_environment_says_and_the_command_line_says_it_louder() -> None:
    environ = {
        "FABLAB_PORT": "9000",
        "FABLAB_DATA_DIR": "/srv/lab",
        "FABLAB_SECURE_COOKIES": "yes",
        "FABLAB_BASE_URL": "https://Lab.example/",
        "FABLAB_ALLOWED_HOSTS": "a.example, *.b.example",
        "FABLAB_TRUSTED_PROXIES": "10.0.0.1, 192.168.0.0/16",
        "FABLAB_DISPATCH": "0",
    }
    settings = load(environ, port=9001, host=None)
    assert (settings.port, settings.data_dir, settings.host) == (9001, Path("/srv/lab"), "127.0.0.1")
    assert (settings.secure_cookies, settings.dispatch) == (True, False)
    assert {"lab.example", "a.example", "*.b.example"} <= set(settings.hosts)
    assert settings.trusted_proxies == ("10.0.0.1", "192.168.0.0/16")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FABLAB_PORT", "http"),
        ("FABLAB_PORT", "70000"),
        ("FABLAB_SECURE_COOKIES", "maybe"),
        ("FABLAB_BASE_URL", "lab.example"),
        ("FABLAB_BASE_URL", "https://user:secret@lab.example"),
        ("FABLAB_ALLOWED_HOSTS", "http://lab.example"),
        ("FABLAB_TRUSTED_PROXIES", "the proxy"),
        ("FABLAB_UPLOAD_LIMIT_BYTES", "0"),
    ],
)
def test_a_wrong_setting_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        load({variable: value})


def test_secure_cookies_over_plain_http_are_refused() -> None:
    with pytest.raises(SettingsError, match="FABLAB_SECURE_COOKIES"):
        load({"FABLAB_SECURE_COOKIES": "1", "FABLAB_BASE_URL": "http://lab.example"})


def test_listening_everywhere_does_not_answer_to_every_name() -> None:
    assert "0.0.0.0" not in load({}, host="0.0.0.0").hosts


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"FABLAB_SMTP_HOST": "mail.example"}, "FABLAB_SMTP_FROM"),
        ({"FABLAB_SMTP_HOST": "mail.example", "FABLAB_SMTP_FROM": "Lab <lab@x.example>"}, "FABLAB_SMTP_FROM"),
        ({"FABLAB_SMTP_PORT": "70000"}, "FABLAB_SMTP_PORT"),
        ({"FABLAB_SMTP_SECURITY": "ssl"}, "FABLAB_SMTP_SECURITY"),
        (
            {
                "FABLAB_SMTP_HOST": "mail.example",
                "FABLAB_SMTP_FROM": "lab@x.example",
                "FABLAB_SMTP_SECURITY": "none",
                "FABLAB_SMTP_PASSWORD": "hunter2",
            },
            "FABLAB_SMTP_SECURITY",
        ),
        ({"FABLAB_HOOK_NETWORKS": "lab.example"}, "FABLAB_HOOK_NETWORKS"),
    ],
)
def test_a_mail_server_that_cannot_be_used_is_said_by_its_variable(
    variables: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named) as error:
        load(variables)
    assert "hunter2" not in str(error.value)


def test_the_mail_servers_password_does_not_show_in_what_is_logged_of_the_settings() -> None:
    found = load(
        {
            "FABLAB_SMTP_HOST": "mail.example",
            "FABLAB_SMTP_FROM": "lab@x.example",
            "FABLAB_SMTP_PASSWORD": "hunter2",
        }
    )
    assert found.sends_mail
    assert "hunter2" not in repr(found)
